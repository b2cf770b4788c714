"""A tracker and a peer with videos, as processes, that the tests of this folder share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.programs import ANY_PORT, CLIP, Machine


@pytest.fixture(scope="session")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running tracker."""
    machine = Machine(tmp_path_factory.mktemp("tracker"))
    with machine.running("tracker", "--listen", ANY_PORT) as started:
        yield f"{started['listen']['host']}:{started['listen']['port']}"


@pytest.fixture(scope="session")
def ana(tracker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine of a running peer that shares clip.mp4."""
    machine = Machine(tmp_path_factory.mktemp("ana"), tracker)
    (machine.folder / "clip.mp4").write_bytes(CLIP)
    with machine.running("peer", "--name", "ana", "--listen", ANY_PORT):
        published = machine.run("publish", "clip.mp4")
        assert published.code == 0, published
        yield machine


@pytest.fixture
def machine_of(tracker: str, tmp_path: Path) -> Callable[[str], Machine]:
    """Makes the machine of a person: a folder and a home of its own, at the same tracker."""

    def make(person: str) -> Machine:
        folder = tmp_path / person
        folder.mkdir()
        return Machine(folder, tracker)

    return make
