"""Makes channels, the only way in which this program connects to anything."""

from collections.abc import Sequence
from pathlib import Path

import grpc

from videoteca_core.addresses import Endpoint
from videoteca_core.rpc.options import ANY_SIZE, CHANNEL_OPTIONS

UNARY_TIMEOUT_SECONDS = 10.0
"""The deadline of a call that answers once and does no long work."""


def target(where: Endpoint | Path) -> str:
    """The gRPC target for an IP endpoint, or for the path of a Unix domain socket."""
    if isinstance(where, Path):
        return f"unix:{where}"
    return f"ipv{where.ip.version}:{where}"


def blocking_channel(where: Endpoint | Path) -> grpc.Channel:
    """A channel for blocking stubs."""
    return grpc.insecure_channel(target(where), options=_options(where))


def asyncio_channel(where: Endpoint | Path) -> grpc.aio.Channel:
    """A channel for asyncio stubs."""
    return grpc.aio.insecure_channel(target(where), options=_options(where))


def _options(where: Endpoint | Path) -> Sequence[tuple[str, int]]:
    return (*CHANNEL_OPTIONS, ANY_SIZE) if isinstance(where, Path) else CHANNEL_OPTIONS


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries a token; none for an empty one."""
    return (("authorization", f"Bearer {token}"),) if token else ()
