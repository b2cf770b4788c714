"""What a transfer finds and leaves in the received folder, and what a disk does to it."""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.durable import write_all
from peer_service.stop import Stopped
from peer_service.transfer import part_file
from tests.fakes.peer import FakePeer, fake_peer
from tests.fetching import DATA, Fetching, Log
from tests.videos import MIB, video_bytes
from tests.waiting import eventually
from videoteca_core.errors import DiskFull, FileUnreadable, FolderUnusable, InvalidName

WINDOW_BYTES: Final = 4 * MIB
"""Of a stream that may be on its way to a reader that does not read."""


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    made = Fetching(tmp_path / "received")
    made.stall_seconds = 30
    return made


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def honest() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@contextlib.contextmanager
def broken_off(fetching: Fetching, peer: FakePeer) -> Iterator[None]:
    """While the block lasts a transfer hangs in the middle; then it is stopped."""
    peer.alter = lambda messages: peer.hang(messages, after=2)
    with fetching.running(peer) as running:
        eventually(lambda: fetching.log.verified_bytes)
        yield
        fetching.stop.set()
        with pytest.raises(Stopped):
            running.result()


def test_a_missing_folder_is_an_error(fetching: Fetching, peer: FakePeer) -> None:
    fetching.folder.rmdir()
    with pytest.raises(FolderUnusable, match="received"):
        fetching.run(peer)


def test_what_is_there_already_is_used(fetching: Fetching, peer: FakePeer) -> None:
    (fetching.folder / "clip.mp4").write_bytes(DATA)
    assert fetching.succeed(peer) == fetching.folder / "clip.mp4"
    assert peer.fetches == []
    assert fetching.offered is None


def test_a_taken_name_is_left_alone(fetching: Fetching, peer: FakePeer) -> None:
    (fetching.folder / "clip.mp4").write_bytes(DATA[:-1] + b"?")
    elsewhere = fetching.folder.parent / "elsewhere.mp4"
    elsewhere.write_bytes(DATA)
    (fetching.folder / "clip (2).mp4").symlink_to(elsewhere)
    assert fetching.succeed(peer) == fetching.folder / "clip (3).mp4"
    assert (fetching.folder / "clip.mp4").read_bytes() == DATA[:-1] + b"?"
    fetches = len(peer.fetches)
    assert fetching.succeed(peer) == fetching.folder / "clip (3).mp4"
    assert len(peer.fetches) == fetches


def test_what_appears_meanwhile_is_used(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = fetching.folder / "clip.mp4"
    monkeypatch.setattr(Log, "verified", lambda _log, _count: there.write_bytes(DATA))
    assert fetching.succeed(peer) == there
    assert sorted(entry.name for entry in fetching.folder.iterdir()) == [".videoteca", "clip.mp4"]


def test_a_file_that_got_its_name_is_not_written_to_any_more(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    with broken_off(fetching, peer):
        pass
    (part,) = (fetching.folder / ".videoteca").glob("*.part")
    mine = fetching.folder / "renamed and cut.mp4"
    mine.hardlink_to(part)  # as by a process that was killed before it removed the part
    mine.write_bytes(b"cut")
    fetching.succeed(honest)
    assert mine.read_bytes() == b"cut"


def test_nothing_is_written_through_a_symbolic_link(
    fetching: Fetching, peer: FakePeer, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (fetching.folder / ".videoteca").symlink_to(outside)
    with pytest.raises(FolderUnusable):
        fetching.run(peer)
    (fetching.folder / ".videoteca").unlink()
    (fetching.folder / ".videoteca").mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (fetching.folder / ".videoteca" / f"{peer.manifest.video_id}.part").symlink_to(victim)
    with pytest.raises(FileUnreadable):
        fetching.run(peer)
    assert list(outside.iterdir()) == []
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../clip.mp4", "a/b", ".hidden", "", "a\x00b"])
def test_a_name_leaves_the_folder_never(fetching: Fetching, peer: FakePeer, name: str) -> None:
    fetching.name = name
    with pytest.raises(InvalidName):
        fetching.run(peer)
    assert [entry.name for entry in fetching.folder.iterdir()] == [".videoteca"]


def test_two_processes_do_not_write_into_one_part(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    with (
        broken_off(fetching, peer),
        pytest.raises(FileUnreadable, match="another process"),
    ):
        Fetching(fetching.folder).run(honest)


def test_a_file_system_without_links(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    (fetching.folder / "clip.mp4").write_bytes(b"mine")
    assert fetching.succeed(peer) == fetching.folder / "clip (2).mp4"
    assert (fetching.folder / "clip.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "fsync"])
def test_a_disk_that_fails_is_no_sources_fault(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with broken_off(fetching, peer):
        pass  # which leaves manifest and notes, so that no other call is what fails
    there = fetching.log.verified_bytes
    peer.alter = lambda messages: messages
    monkeypatch.setattr(os, call, full)
    with pytest.raises(DiskFull):
        fetching.run(peer)
    assert fetching.log.failures == []
    monkeypatch.undo()
    fetching.succeed(peer)
    assert fetching.log.verified_bytes <= len(DATA) - there


def test_what_a_stopped_disk_leaves_in_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = video_bytes(400 * MIB)
    goes_on = threading.Event()

    def write(fd: int, chunk: memoryview, offset: int) -> None:
        goes_on.wait(60)
        write_all(fd, chunk, offset)

    monkeypatch.setattr(part_file, "write_all", write)
    fetching = Fetching(tmp_path / "received", data)
    fetching.stall_seconds = 0.5  # that the disk stands still is no source's fault
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(fake_peer(data)) for _ in range(8)]
        running = stack.enter_context(fetching.running(*peers))
        stack.callback(goes_on.set)

        def on_its_way() -> int:
            return sum(peer.sent_bytes for peer in peers)

        def stands_still() -> bool:
            before = on_its_way()
            time.sleep(1)
            return on_its_way() == before

        eventually(lambda: all(peer.sent_bytes for peer in peers))
        eventually(stands_still)
        assert on_its_way() < 8 * 2 * WINDOW_BYTES  # what is in hand and in sockets comes to it
        assert fetching.log.failures == []
        goes_on.set()
        fetching.check(running.result())
