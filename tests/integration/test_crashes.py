"""Downloads whose process is killed, at every point and at any time, and disks that are full."""

import contextlib
import errno
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from peer_service.downloads.model import DownloadState
from tests.downloading import downloading
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.videos import MIB, located, manifest_of, video_bytes
from tests.waiting import eventually

NEVER: Final = 1_000_000
ROOT: Final = Path(__file__).parents[2]


@contextlib.contextmanager
def process(
    home: Path, folder: Path, peer: FakePeer, *, dies_at_change: int = NEVER
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that downloads the peer's video; see ``tests.downloading``."""
    arguments = (
        home,
        folder,
        dies_at_change,
        peer.manifest.video_id,
        len(peer.data),
        "clip.mp4",
        peer.endpoint,
    )
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated")))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.downloading", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def finish(home: Path, folder: Path, peer: FakePeer) -> list[tuple[int, int]]:
    """Go on in this process until the file is there and nothing else; the ranges this took."""
    peer.fetches.clear()
    with downloading(home, folder) as mine:
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        mine.wait(number, DownloadState.DONE)
        assert mine.parts() == []
        assert sorted(entry.name for entry in folder.iterdir()) == [".videoteca", "clip.mp4"]
        assert (folder / "clip.mp4").read_bytes() == peer.data
    return peer.fetches


def test_killed_before_any_change_of_the_disk_it_ends_well(tmp_path: Path) -> None:
    ends = 0
    with fake_peer(video_bytes(MIB + 7)) as peer:
        for change in range(1, NEVER):
            home, folder = tmp_path / f"{change}", tmp_path / f"{change}" / "received"
            home.mkdir()
            with process(home, folder, peer, dies_at_change=change) as running:
                ends = running.wait(60)
            fetched = finish(home, folder, peer)
            if not ends:
                assert fetched == []
                break
            assert ends == -9
            assert len(fetched) <= 1
    assert change > 15  # folder, space, pieces, syncs, notes, name, removals: all were hit


def slowly(messages: Messages) -> Messages:
    for message in messages:
        time.sleep(0.02)  # the speed of this peer
        yield message


def test_killed_at_any_time_it_goes_on_from_what_counts(tmp_path: Path) -> None:
    chance = random.Random()
    folder = tmp_path / "received"
    with fake_peer(video_bytes(200 * MIB + 7)) as peer:
        peer.alter = slowly
        notes = folder / ".videoteca" / f"{peer.manifest.video_id}.progress"

        def noted_since(time_ns: int, fetches: int) -> bool:
            fetching = len(peer.fetches) > fetches  # reopening notes something too
            return fetching and notes.exists() and notes.stat().st_mtime_ns > time_ns

        for number in range(3):
            before = notes.stat().st_mtime_ns if notes.exists() else 0
            with process(tmp_path, folder, peer) as running:
                eventually(partial(noted_since, before, number))
                time.sleep(chance.uniform(0, 0.3))  # anywhere between two notes
                running.kill()
        starts = [offset for offset, _ in peer.fetches]
        assert starts == sorted(set(starts))
        assert len(starts) == 3
        peer.alter = lambda messages: messages
        ((offset, _),) = finish(tmp_path, folder, peer)
        assert offset > starts[-1]
        # What was fetched twice is only what was on its way between two notes: half a second's.
        assert peer.sent_bytes < len(peer.data) + 4 * 64 * MIB


class SmallDisk:
    """A folder with 16 MiB: a file system of its own, or where that is not allowed the like.

    The like refuses space by what ``posix_fallocate`` answers.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._size = 16 * MIB
        folder.mkdir()
        mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
        self.is_mounted = not subprocess.run(mount, check=False, capture_output=True).returncode
        if not self.is_mounted:
            self._reserve = os.posix_fallocate
            monkeypatch.setattr(os, "posix_fallocate", self._refuse)

    def grow(self) -> None:
        """Make room."""
        self._size *= 4
        if self.is_mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", self.folder], check=True)

    def remove(self) -> None:
        """Let go of it."""
        if self.is_mounted:
            subprocess.run(["umount", self.folder], check=True)

    def _refuse(self, fd: int, offset: int, length: int) -> None:
        if offset + length > self._size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._reserve(fd, offset, length)


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small", monkeypatch)
    yield disk
    disk.remove()


def test_a_full_disk_is_told_before_anything_is_fetched(
    tmp_path: Path, small_disk: SmallDisk
) -> None:
    with (
        fake_peer(video_bytes(20 * MIB)) as peer,
        downloading(tmp_path, small_disk.folder) as mine,
    ):
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        failed = mine.wait(number, DownloadState.FAILED)
        assert failed.reason == "DISK_FULL"
        assert str(small_disk.folder) in failed.message
        assert peer.fetches == []
        small = mine.add(located(manifest_of(b"small"), "small.mp4"))
        mine.wait_for(small, lambda download: download.reason == "NO_SOURCE_ONLINE")
        small_disk.grow()
        mine.queue.retry(number)
        done = mine.wait(number, DownloadState.DONE)
        assert Path(done.path).read_bytes() == peer.data


def test_a_disk_that_fills_up_on_the_way_keeps_what_is_there(
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
        failed = mine.wait(number, DownloadState.FAILED)
        assert (failed.reason, failed.verified_bytes) == ("DISK_FULL", 3 * MIB)
        limit = 5 * MIB
        mine.queue.retry(number)
        done = mine.wait(number, DownloadState.DONE)
        assert peer.fetches == [(0, 5 * MIB), (3 * MIB, 2 * MIB)]
        assert Path(done.path).read_bytes() == peer.data


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_a_disk_that_fails_to_sync_makes_nothing_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    if not hasattr(os, call):  # macOS has one of them
        call = "fsync"

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with (
        fake_peer(video_bytes(2 * MIB)) as peer,
        downloading(tmp_path, tmp_path / "received") as mine,
    ):
        monkeypatch.setattr(os, call, broken)
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        failed = mine.wait(number, DownloadState.FAILED)
        assert (failed.reason, failed.verified_bytes) == ("FILE_UNREADABLE", 0)
        assert not (tmp_path / "received" / "clip.mp4").exists()
        monkeypatch.undo()
        mine.queue.retry(number)
        mine.wait(number, DownloadState.DONE)
        assert peer.fetches == [(0, 2 * MIB), (0, 2 * MIB)]
