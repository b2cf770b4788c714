"""Downloads whose process is killed, at every point and at any time, and disks that fail."""

import contextlib
import errno
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from peer_service.downloads.model import DownloadState
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.note import ProgressNote
from tests.downloading import downloading
from tests.fakes.peer import FakePeer, fake_peer
from tests.killed import NAME, Downloads
from tests.videos import MIB, located, video_bytes
from tests.waiting import eventually

NEVER: Final = 1_000_000


@contextlib.contextmanager
def fake_peers(count: int, data: bytes) -> Iterator[list[FakePeer]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(fake_peer(data)) for _ in range(count)]


def finish(home: Path, folder: Path, peers: Sequence[FakePeer], data: bytes) -> int:
    """Go on in this process until the file is there and nothing else; the bytes this took."""
    sources = [(f"peer{number}", peer.endpoint) for number, peer in enumerate(peers)]
    with downloading(home, folder) as mine:
        number = mine.add(located(peers[0].manifest, NAME, sources))
        mine.wait(number, DownloadState.DONE)
        assert mine.parts() == []
        assert sorted(entry.name for entry in folder.iterdir()) == [".videoteca", NAME]
        assert (folder / NAME).read_bytes() == data
        return mine.worker.downloaded_bytes


def test_killed_before_any_change_of_the_disk_it_ends_well(tmp_path: Path) -> None:
    data = video_bytes(2 * MIB + 7)
    with fake_peers(2, data) as peers, Downloads() as downloads:
        for change in range(1, NEVER):
            home, folder = tmp_path / f"{change}", tmp_path / f"{change}" / "received"
            home.mkdir()
            downloads.begin(home, folder, peers, dies_at_change=change)
            ends = downloads.wait()
            received = finish(home, folder, peers, data)
            if not ends:
                assert received == 0
                break
            assert ends == -9
            assert received <= len(data)
    assert change > 30  # folder, space, pieces, syncs, notes, name, removals: all were hit


def noted(folder: Path, peer: FakePeer) -> set[int]:
    """The pieces that count by the notes on the disk; of a copy, as reading mends them."""
    notes = folder / ".videoteca" / f"{peer.manifest.video_id}.progress"
    copy = folder.parent / "copy"
    copy.mkdir(exist_ok=True)
    if notes.exists():
        shutil.copy(notes, copy / "note")
    with (
        ReceivedFolder(copy) as opened,
        ProgressNote(copy / "note", opened.parts_fd, peer.manifest) as note,
    ):
        return set(note.pieces)


def asked_for(peers: Sequence[FakePeer]) -> set[int]:
    """The pieces that peers were asked for."""
    asked = [each for peer in peers for each in peer.fetches]
    runs = [range(at // MIB, -(-(at + length) // MIB)) for at, length in asked]
    return {piece for run in runs for piece in run}


def test_killed_at_any_time_it_goes_on_from_what_counts(tmp_path: Path) -> None:
    chance = random.Random()
    folder = tmp_path / "received"
    data = video_bytes(200 * MIB + 7)
    counted: set[int] = set()
    with fake_peers(3, data) as peers, Downloads() as downloads:
        manifest = peers[0].manifest
        for peer in peers:
            peer.rate = 8 * MIB
        for _ in range(6):
            running = downloads.begin(tmp_path, folder, peers)
            eventually(lambda: counted < noted(folder, peers[0]))  # noqa: B023 - it ends here
            time.sleep(chance.uniform(0, 0.7))  # anywhere between two notes
            os.kill(running, signal.SIGKILL)
            assert downloads.wait() == -9
            assert not counted & asked_for(peers)
            counted = noted(folder, peers[0])
            for peer in peers:
                peer.fetches.clear()
        for peer in peers:
            peer.rate = 0
        missing = set(range(manifest.piece_count)) - counted
        assert finish(tmp_path, folder, peers, data) == sum(
            manifest.piece_range(piece)[1] for piece in missing
        )
        # What was fetched twice is only what was on its way between two notes: half a second's.
        assert sum(peer.sent_bytes for peer in peers) < 2 * len(data)


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
