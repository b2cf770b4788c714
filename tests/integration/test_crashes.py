"""Downloads whose process is killed, at every point and at any time, and disks that fail."""

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
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.note import ProgressNote
from tests.downloading import downloading
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.videos import MIB, located, video_bytes
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
        peer.manifest.size_bytes,
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


def finish(home: Path, folder: Path, peer: FakePeer) -> int:
    """Go on in this process until the file is there and nothing else; the bytes this took."""
    with downloading(home, folder) as mine:
        number = mine.add(located(peer.manifest, "clip.mp4", [("ana", peer.endpoint)]))
        mine.wait(number, DownloadState.DONE)
        assert mine.parts() == []
        assert sorted(entry.name for entry in folder.iterdir()) == [".videoteca", "clip.mp4"]
        assert (folder / "clip.mp4").read_bytes() == peer.data
        return mine.worker.downloaded_bytes


def test_killed_before_any_change_of_the_disk_it_ends_well(tmp_path: Path) -> None:
    ends = 0
    with fake_peer(video_bytes(MIB + 7)) as peer:
        for change in range(1, NEVER):
            home, folder = tmp_path / f"{change}", tmp_path / f"{change}" / "received"
            home.mkdir()
            with process(home, folder, peer, dies_at_change=change) as running:
                ends = running.wait(60)
            received = finish(home, folder, peer)
            if not ends:
                assert received == 0
                break
            assert ends == -9
            assert received <= peer.manifest.size_bytes
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

        for _ in range(3):
            before = notes.stat().st_mtime_ns if notes.exists() else 0
            with process(tmp_path, folder, peer) as running:
                eventually(partial(noted_since, before, len(peer.fetches)))
                time.sleep(chance.uniform(0, 0.3))  # anywhere between two notes
                running.kill()
        peer.alter = lambda messages: messages
        with (
            ReceivedFolder(folder) as opened,
            ProgressNote(notes.name, opened.parts_fd, peer.manifest) as note,
        ):
            counted = len(note.pieces)
        assert counted > 3
        missing = peer.manifest.size_bytes - counted * MIB
        # The last piece, which is short, may count.
        assert missing <= finish(tmp_path, folder, peer) < missing + MIB
        # What was fetched twice is only what was on its way between two notes: half a second's.
        assert peer.sent_bytes < peer.manifest.size_bytes + 4 * 64 * MIB


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
        received = mine.worker.downloaded_bytes
        assert not (tmp_path / "received" / "clip.mp4").exists()
        monkeypatch.undo()
        mine.queue.retry(number)
        mine.wait(number, DownloadState.DONE)
        assert mine.worker.downloaded_bytes - received == 2 * MIB
