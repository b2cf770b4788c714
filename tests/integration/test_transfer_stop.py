"""A transfer stops within a second whatever it does just then, and leaves nothing behind."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.stop import Stopped, check
from peer_service.transfer import folder as received_folder
from peer_service.transfer.model import Candidate, SourceState
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.fetching import DATA, Fetching
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import FileChanged, NoUploadSlot, VideotecaError
from videoteca_core.manifest import Manifest

AT_ONCE_SECONDS: Final = 3.0
"""Generous: it is a second where nothing else runs."""


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    made = Fetching(tmp_path / "received")
    made.stall_seconds = 60
    return made


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def silent() -> Iterator[Endpoint]:
    """Something that takes connections and never says a word."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield Endpoint("127.0.0.1", listener.getsockname()[1])


def stops_at_once(fetching: Fetching, reached: Callable[[], object]) -> None:
    """Run what was begun, stop it as soon as it has got so far, and expect it to end."""
    with fetching.running() as running:
        eventually(reached)
        asked = time.monotonic()
        fetching.stop.set()
        with pytest.raises(Stopped):
            running.result()
        assert time.monotonic() - asked < AT_ONCE_SECONDS


def test_before_it_begins(fetching: Fetching, peer: FakePeer) -> None:
    fetching.stop.set()
    with pytest.raises(Stopped):
        fetching.run(peer)
    assert peer.manifests == 0


def test_while_the_tracker_is_asked(fetching: Fetching) -> None:
    asked, answer = threading.Event(), threading.Event()

    def find() -> list[Candidate]:
        asked.set()
        answer.wait(60)
        return []

    fetching.begin()
    fetching.find = find
    stops_at_once(fetching, asked.is_set)
    answer.set()


def test_while_nothing_answers(fetching: Fetching, silent: Endpoint) -> None:
    fetching.begin(silent)
    stops_at_once(fetching, fetching.states)


def test_while_the_manifest_is_asked_for(fetching: Fetching, peer: FakePeer) -> None:
    def late(answer: pb.GetManifestResponse) -> None:
        peer.hold.wait(60)

    peer.alter_manifest = late
    fetching.begin(peer)
    stops_at_once(fetching, lambda: peer.manifests)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_while_a_stream_hangs(fetching: Fetching, peer: FakePeer, after: int) -> None:
    peer.alter = lambda messages: peer.hang(messages, after)
    fetching.begin(peer)
    stops_at_once(fetching, lambda: peer.fetches)


def test_while_it_waits_for_a_slot(fetching: Fetching, peer: FakePeer) -> None:
    peer.alter = has_no_slot
    fetching.begin(peer)
    stops_at_once(fetching, lambda: SourceState.WAITING in fetching.states().values())


def test_while_it_keeps_to_its_limit(fetching: Fetching, peer: FakePeer) -> None:
    fetching.limit.rate = 50_000
    fetching.begin(peer)
    stops_at_once(fetching, lambda: fetching.log.verified_bytes)


def test_while_nobody_has_anything_new(fetching: Fetching, peer: FakePeer) -> None:
    peer.has_only()
    fetching.begin(peer)
    stops_at_once(fetching, lambda: SourceState.IDLE in fetching.states().values())


@pytest.mark.parametrize("when", ["at first", "in the end"])
def test_while_it_compares_with_what_has_the_name(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    comparing = threading.Event()

    def slowly(fd: int, piece: int, manifest: Manifest, stop: threading.Event) -> bool:
        comparing.set()
        while True:  # as many small steps as a very big file takes
            check(stop)
            time.sleep(0.01)

    def appears(count: int) -> None:
        (fetching.folder / "clip.mp4").write_bytes(DATA[:-1] + b"?")

    monkeypatch.setattr(received_folder, "piece_is_good", slowly)
    fetching.begin(peer)
    if when == "at first":
        appears(0)
    else:
        monkeypatch.setattr(fetching.log, "verified", appears)
    stops_at_once(fetching, comparing.is_set)
    monkeypatch.undo()
    (fetching.folder / "clip.mp4").unlink()
    fetching.succeed(peer)
    assert fetching.log.verified_bytes == (len(DATA) if when == "at first" else 0)


def test_what_was_verified_is_kept(fetching: Fetching, peer: FakePeer) -> None:
    peer.alter = lambda messages: peer.hang(messages, after=2)
    fetching.begin(peer)
    stops_at_once(fetching, lambda: fetching.log.verified_bytes)
    there = fetching.log.verified_bytes
    peer.alter = lambda messages: messages
    fetching.succeed(peer)
    assert there + fetching.log.verified_bytes == len(DATA)


def has_no_slot(messages: Messages) -> Messages:
    raise NoUploadSlot(retry_after_seconds=60)


def threads() -> set[str]:
    """The threads of transfers."""
    mine = ("source-", "pieces", "finder", "watchdog", "part-sync")
    return {each.name for each in threading.enumerate() if each.name.startswith(mine)}


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208


def changed(messages: Messages) -> Messages:
    raise FileChanged(name="clip.mp4")


def lies(messages: Messages) -> Messages:
    header, *_ = messages
    header.header.video_id = "0" * 64
    return [header]


def test_nothing_is_left_behind(fetching: Fetching, peer: FakePeer) -> None:
    fetching.stall_seconds = 0.2
    with fake_peer(b"") as closed:
        pass
    with fake_peer(DATA) as lying, fake_peer(DATA) as partial, fake_peer(DATA) as hanging:
        partial.has_only(0)
        peer.alter, lying.alter, partial.alter = changed, lies, changed
        hanging.alter = lambda messages: hanging.hang(messages, after=0)

        def fail() -> int:
            with pytest.raises(VideotecaError):
                fetching.run(peer, lying, partial, closed.endpoint, hanging)
            eventually(lambda: not threads())
            return descriptors()

        most = fail() + 2  # a connection that ends just then
        for _ in range(20):
            eventually(lambda: fail() <= most)
