"""Downloads onto a disk without space: they wait for it, and lose nothing."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.downloads.model import DownloadState
from peer_service.downloads.retry import SPACE_SECONDS
from peer_service.transfer.model import HeldBack
from tests.clock import Clock
from tests.downloading import Downloading, downloading, hang_after
from tests.fakes.peer import FakePeer, fake_peer
from tests.videos import MIB, located, video_bytes
from tests.waiting import eventually

WAITING, RUNNING, PAUSED, DONE, FAILED, CANCELLED = DownloadState
DATA: Final = video_bytes(20 * MIB)
AWHILE: Final = 60.0
"""Seconds after which whatever waits is due."""


class SmallDisk:
    """A folder with 16 MiB: a file system of its own, or where that is not allowed the like.

    The like refuses what would not fit when it is reserved or written.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._others = folder / "others"
        self._size = 16 * MIB
        folder.mkdir()
        mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
        self.is_mounted = not subprocess.run(mount, check=False, capture_output=True).returncode
        if not self.is_mounted:
            self._pwrite = os.pwrite
            monkeypatch.setattr(os, "pwrite", self._checked_pwrite)
            monkeypatch.setattr(os, "posix_fallocate", self._checked_reserve, raising=False)

    def grow(self) -> None:
        """Make room."""
        self._size = 64 * MIB
        if self.is_mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", self.folder], check=True)

    def fill(self) -> None:
        """Let another program take all that is left."""
        self._size = 0
        if self.is_mounted:
            with self._others.open("wb", buffering=0) as file:
                while _written(file.fileno()):
                    pass

    def empty(self) -> None:
        """Let the other program give it back."""
        self._size = 16 * MIB
        self._others.unlink(missing_ok=True)

    def remove(self) -> None:
        """Let go of it."""
        if self.is_mounted:
            subprocess.run(["umount", self.folder], check=True)

    def _checked_pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self._check(offset + len(data))
        return self._pwrite(fd, data, offset)

    def _checked_reserve(self, fd: int, offset: int, length: int) -> None:
        self._check(offset + length)
        os.ftruncate(fd, max(os.fstat(fd).st_size, offset + length))

    def _check(self, end: int) -> None:
        if end > self._size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _written(fd: int) -> int:
    for count in (MIB, 4096):
        try:
            return os.write(fd, bytes(count))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return 0


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    small = SmallDisk(tmp_path / "small", monkeypatch)
    yield small
    small.remove()


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


def wait_full(mine: Downloading, number: int) -> None:
    held = mine.wait_for(number, lambda download: download.reason == "DISK_FULL")
    assert (held.state, held.held_back, held.failed_tries) == (WAITING, HeldBack.DISK, 0)
    assert str(mine.folder) in held.message


def test_space_is_waited_for_before_anything_is_fetched(
    tmp_path: Path, disk: SmallDisk, peer: FakePeer
) -> None:
    clock = Clock()
    with (
        fake_peer(b"small") as other,
        downloading(tmp_path, disk.folder, clock=clock) as mine,
    ):
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        wait_full(mine, number)
        assert (mine.queue.seconds_until_due() or 0) >= SPACE_SECONDS
        small = mine.add(located(other.manifest, "small.mp4", [("ana", other.endpoint)]))
        mine.wait(small, DONE)  # it blocks nobody
        asked = peer.manifests
        clock.advance(AWHILE)
        mine.queue.wake()
        eventually(lambda: peer.manifests > asked)
        wait_full(mine, number)
        assert peer.fetches == []
        disk.grow()
        clock.advance(AWHILE)
        mine.queue.wake()
        done = mine.wait(number, DONE)
        assert Path(done.path).read_bytes() == DATA


def test_a_download_that_waited_for_space_is_tried_at_once_after_a_start(
    tmp_path: Path, disk: SmallDisk, peer: FakePeer
) -> None:
    video = located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)])
    with downloading(tmp_path, disk.folder, clock=Clock()) as mine:
        number = mine.add(video)
        wait_full(mine, number)
    disk.grow()
    with downloading(tmp_path, disk.folder) as mine:
        mine.videos[video.video_id] = video
        mine.wait(number, DONE)


def test_a_download_that_has_its_space_ends_on_a_disk_that_others_fill(
    tmp_path: Path, disk: SmallDisk
) -> None:
    with (
        fake_peer(video_bytes(10 * MIB)) as peer,
        downloading(tmp_path, disk.folder) as mine,
    ):
        hang_after(peer, 3)
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
        disk.fill()
        peer.hold.set()
        done = mine.wait(number, DONE)
        assert mine.worker.downloaded_bytes == peer.manifest.size_bytes
        assert Path(done.path).read_bytes() == peer.data


def test_a_disk_that_is_full_of_what_counts_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that can't promise space, here one that refuses from a place on."""
    real, limit = os.pwrite, 3 * MIB

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if offset >= limit:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data[:700_000], offset)

    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    with (
        fake_peer(video_bytes(5 * MIB)) as peer,
        downloading(tmp_path, tmp_path / "received") as mine,
    ):
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        wait_full(mine, number)
        counted, received = mine.get(number).verified_bytes, mine.worker.downloaded_bytes
        limit = 5 * MIB
        mine.queue.retry(number)
        done = mine.wait(number, DONE)
        assert mine.worker.downloaded_bytes - received == 5 * MIB - counted
        assert Path(done.path).read_bytes() == peer.data


def test_a_full_disk_under_the_queue_itself_is_waited_for(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_service.downloads.worker._TROUBLE_SECONDS", 0.2)
    received = disk.folder / "received"
    received.mkdir()
    with fake_peer(video_bytes(8 * MIB)) as peer, downloading(disk.folder, received) as mine:
        hang_after(peer, 2)
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        mine.wait_for(number, lambda download: download.verified_bytes == 2 * MIB)
        disk.fill()
        peer.hold.set()
        eventually(lambda: not mine.worker._tasks)
        disk.empty()
        done = mine.wait(number, DONE)
        assert Path(done.path).read_bytes() == peer.data
