"""Calls the public Peer service as any other peer would."""

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.errors import VideotecaError
from videoteca_core.rpc.status import translated

MIB = 1 << 20


@contextlib.contextmanager
def answers(code: grpc.StatusCode, kind: type[VideotecaError]) -> Iterator[None]:
    """The call in the block fails with that code and reason."""
    with pytest.raises(kind) as caught, translated("peer", "here"):
        yield
    error: Any = caught.value.__cause__
    assert error.code() is code


def fetch(stub: PeerStub, **asked: Any) -> tuple[pb.FetchVideoHeader, bytes]:
    """The header and the bytes of one FetchVideo call."""
    parts = list(stub.FetchVideo(pb.FetchVideoRequest(**asked), timeout=30))
    assert parts[0].WhichOneof("part") == "header"
    chunks = [part.chunk for part in parts[1:]]
    assert all(0 < len(chunk) <= MIB for chunk in chunks)
    return parts[0].header, b"".join(chunks)
