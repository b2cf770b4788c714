"""A video of 100 GiB, all of it zeros, in a file with holes."""

import contextlib
import errno
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from peer_service.pieces import bytes_there
from peer_service.stop import Stopped
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.part_file import PartFile
from tests.fakes.peer import FakePeer, served
from tests.fetching import Fetching
from tests.videos import MIB
from tests.waiting import eventually
from videoteca_core.manifest import Manifest, digest, piece_size

SIZE: Final = 100 * 1024 * MIB - 5 * MIB - 321
PIECES: Final = 12_800
MISSING: Final = (0, 1, 2, 77, 78, 4_000, 4_002, 4_004, 9_999, 12_000, PIECES - 2, PIECES - 1)
MOST_MEMORY: Final = 20 * MIB
"""Bytes of it, of both sides, which are one process here."""


class Zeros:
    """So many zeros as are asked for."""

    def __getitem__(self, part: slice, /) -> bytes:
        return bytes(part.stop - part.start)


def manifest_of_zeros() -> Manifest:
    step = piece_size(SIZE)
    last = SIZE - (PIECES - 1) * step
    assert 0 < last < step
    return Manifest(SIZE, digest(bytes(step)) * (PIECES - 1) + digest(bytes(last)))


MANIFEST: Final = manifest_of_zeros()


@pytest.fixture(autouse=True)
def holes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with plenty of space that can't promise it, so that none is really taken."""

    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    plenty = SimpleNamespace(f_bavail=SIZE, f_frsize=1)
    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    monkeypatch.setattr(os, "fstatvfs", lambda _fd: plenty)


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    made = FakePeer(Zeros(), MANIFEST)
    with served(made):
        yield made


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    made = Fetching(tmp_path / "received", manifest=MANIFEST)
    made.stall_seconds = 30
    return made


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """The block needs little memory at any moment."""
    tracemalloc.start()
    try:
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MOST_MEMORY


def test_exactly_what_is_missing_is_fetched(fetching: Fetching, peer: FakePeer) -> None:
    with (
        ReceivedFolder(fetching.folder) as folder,
        PartFile(folder, MANIFEST, stop=threading.Event(), on_progress=lambda _: None) as part,
    ):
        for piece in range(PIECES):
            if piece not in MISSING:
                part.pieces.add(piece)
    with little_memory():
        finished = fetching.run(peer)
    missing_bytes = sum(MANIFEST.piece_range(piece)[1] for piece in MISSING)
    assert fetching.log.progress[0] == SIZE - missing_bytes
    assert fetching.log.verified_bytes == missing_bytes
    assert fetching.log.progress[-1] == SIZE
    step = MANIFEST.piece_size
    asked = [range(at // step, -(-(at + length) // step)) for at, length in peer.fetches]
    assert sorted(piece for run in asked for piece in run) == list(MISSING)
    status = finished.path.stat()
    assert status.st_size == SIZE
    assert status.st_blocks * 512 < 2 * missing_bytes
    assert fetching.parts() == []


def test_what_was_fetched_counts_after_a_stop(fetching: Fetching, peer: FakePeer) -> None:
    peer.alter = lambda messages: peer.hang(messages, after=20)
    with little_memory(), fetching.running(peer) as running:
        eventually(lambda: fetching.log.verified_bytes)
        fetching.stop.set()
        with pytest.raises(Stopped):
            running.result()
    there = fetching.log.verified_bytes
    assert fetching.offered
    assert bytes_there(fetching.offered.pieces.snapshot(), MANIFEST) == there
    assert fetching.log.progress[-1] == there
    with fetching.running(peer) as running:
        eventually(lambda: fetching.log.progress)
        assert fetching.log.progress[0] == there
