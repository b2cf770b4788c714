"""What the tests with other languages and probes share."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.node_peer import install_packages
from tests.interop.our_peer import OurPeer, our_peer
from tests.interop.probes import PROBES, Probe
from tests.servers import running_tracker
from videoteca_core.addresses import Endpoint

MIB = 1 << 20
VIDEOS = {
    "empty": b"",
    "tiny": b"v",
    "piece": random.Random(1).randbytes(MIB),
    "clip": random.Random(2).randbytes(5 * MIB + 7),
}
"""What our peer shares: content by name without ``.mp4``."""


@dataclass(frozen=True)
class Group:
    """A tracker, and our peer "ana" that shares the VIDEOS there."""

    tracker: Endpoint
    ana: OurPeer


@pytest.fixture(scope="session", autouse=True)
def _node_packages() -> None:
    install_packages()


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Endpoint]:
    """A tracker of one's own."""
    with running_tracker(tmp_path) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """One group for all tests of a module."""
    folder = tmp_path_factory.mktemp("group")
    with (
        running_tracker(folder) as endpoint,
        our_peer(folder / "ana", endpoint, "ana", **VIDEOS) as ana,
    ):
        yield Group(endpoint, ana)


@pytest.fixture(params=PROBES)
def probe(request: pytest.FixtureRequest) -> Probe:
    """Each of the probes."""
    return PROBES[request.param]


@pytest.fixture(params=["grpcurl", "buf by reflection"])
def reflecting(request: pytest.FixtureRequest) -> Probe:
    """Each of the probes that ask the server what it serves."""
    return PROBES[request.param]
