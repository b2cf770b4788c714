"""Bytes that come late, or from a source whose turn is over, change nothing that was verified."""

import contextlib
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import pytest

from peer_service.durable import write_all
from peer_service.stop import Stopped
from peer_service.transfer import crew, fetcher, finder, part_file, roster
from peer_service.transfer.fetcher import Fetcher
from tests.fakes.peer import FakePeer, Messages, fake_peer, served
from tests.fetching import Fetching
from tests.videos import MIB, manifest_of, video_bytes
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.errors import FileChanged

PIECES: Final = 12
DATA: Final = video_bytes((PIECES - 1) * MIB + 54_321)
STEP: Final = 300_001
"""Bytes of a chunk: no piece begins where one of these does."""


class Reader(threading.Thread):
    """Reads every piece that is offered, again and again, as those do who fetch from here."""

    def __init__(self, fetching: Fetching) -> None:
        super().__init__()
        self.wrong: set[int] = set()
        self.count = 0
        self._fetching = fetching
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.001):
            offered = self._fetching.offered
            if not offered:
                continue
            pieces = offered.pieces.snapshot()
            try:
                fd = os.open(offered.folder / offered.part, os.O_RDONLY)
            except FileNotFoundError:  # it is finished
                continue
            for piece in pieces:
                offset, length = offered.manifest.piece_range(piece)
                self.count += 1
                if os.pread(fd, length, offset) != self._fetching.data[offset : offset + length]:
                    self.wrong.add(piece)
            os.close(fd)


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    made = Fetching(tmp_path / "received", DATA)
    made.stall_seconds = 30
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that waits for a while waits for a moment only."""
    monkeypatch.setattr(finder, "_DELAYS", (0.0, 0.02))
    monkeypatch.setattr(roster, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(fetcher, "_KNOWN_SECONDS", 0.05)
    monkeypatch.setattr(crew, "_LOOK_SECONDS", 0.02)


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def other() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


def in_steps(messages: Messages, step: int = STEP) -> Messages:
    """The same bytes in other chunks."""
    header, *chunks = messages
    data = b"".join(chunk.chunk for chunk in chunks)
    yield header
    for at in range(0, len(data), step):
        yield pb.FetchVideoResponse(chunk=data[at : at + step])


class LateWrite:
    """Holds up the second write of a source, which then writes something else."""

    def __init__(self, source: FakePeer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self._name = f"source-{source.endpoint}"
        self._writes = 0
        monkeypatch.setattr(part_file, "write_all", self._write)

    def _write(self, fd: int, data: memoryview, offset: int) -> None:
        if threading.current_thread().name == self._name:
            self._writes += 1
            if self._writes == 2:
                self.begun.set()
                self.go.wait(60)
                data = memoryview(bytes(len(data)))
        write_all(fd, data, offset)


def test_a_piece_is_written_by_one_source_at_a_time(
    fetching: Fetching, peer: FakePeer, other: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateWrite(peer, monkeypatch)
    taken = threading.Event()
    interrupt = Fetcher.interrupt

    def taking(source: Fetcher) -> None:
        if source.candidate.peer_name == "peer0":
            taken.set()
        interrupt(source)

    monkeypatch.setattr(Fetcher, "interrupt", taking)
    peer.alter = in_steps
    other.has_only()
    with Reader(fetching) as reader, fetching.running(peer, other) as running:
        late.begun.wait(20)
        other.gain(*range(PIECES))
        assert taken.wait(20)
        running.thread.join(0.3)  # the other one would bring the piece in less
        assert fetching.log.verified_bytes <= len(DATA) - 54_321
        late.go.set()
        fetching.check(running.result())
    assert reader.wrong == set()
    assert fetching.source(0).bytes <= 54_321  # the short last piece, if it began with that
    assert fetching.log.verified_bytes == len(DATA)


def test_the_file_is_not_closed_while_a_source_writes(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateWrite(peer, monkeypatch)
    peer.alter = in_steps
    with fetching.running(peer) as running:
        late.begun.wait(20)
        fetching.stop.set()
        running.thread.join(0.5)
        assert running.thread.is_alive()
        late.go.set()
        with pytest.raises(Stopped):
            running.result()
    peer.alter = lambda messages: messages
    fetching.succeed(peer)


def test_a_source_stops_where_what_was_taken_from_it_begins(
    fetching: Fetching, other: FakePeer
) -> None:
    """Its chunks go on into the next piece, with bytes that are wrong there."""
    first: list[int] = []

    def alter(messages: Messages) -> Messages:
        header = next(iter(messages))
        yield header
        offset, granted = header.header.offset_bytes, header.header.granted_bytes
        if first or granted <= MIB:
            yield from messages
            return
        first.append(offset // MIB)
        other.gain(*(each for each in range(PIECES) if each != first[0]))
        yield pb.FetchVideoResponse(chunk=DATA[offset : offset + MIB - 1_000])
        eventually(lambda: fetching.log.verified_bytes >= len(DATA) - MIB)
        yield pb.FetchVideoResponse(chunk=DATA[offset + MIB - 1_000 : offset + MIB] + bytes(1_000))
        yield pb.FetchVideoResponse(chunk=bytes(min(MIB, granted - MIB - 1_000)))

    peer = FakePeer(DATA)
    other.has_only()
    with served(peer), Reader(fetching) as reader:
        peer.alter = alter
        # It has to be asked for a long run, as by those who know of nobody else.
        fetching.begin(peer)
        with fetching.running() as running:
            eventually(lambda: peer.fetches)
            fetching.found(peer, other)
            fetching.check(running.result())
    assert reader.wrong == set()
    assert fetching.log.failures == []
    assert fetching.log.verified_bytes == len(DATA)


def breaks_off(chance: random.Random, messages: Messages) -> Messages:
    for message in in_steps(messages, chance.randrange(1_000, MIB)):
        if chance.random() < 0.1:
            raise FileChanged(name="clip.mp4")
        yield message


def in_any_steps(chance: random.Random, messages: Messages) -> Messages:
    return in_steps(messages, chance.randrange(1_000, MIB))


@pytest.mark.parametrize("seed", range(6))
def test_whoever_comes_goes_lies_and_hangs_what_counts_is_right(
    fetching: Fetching, seed: int
) -> None:
    chance = random.Random(seed)
    wrong = bytearray(DATA)
    for at in chance.sample(range(len(DATA)), 3):
        wrong[at] ^= 1
    peers = [
        FakePeer(DATA),
        FakePeer(DATA),
        FakePeer(DATA),
        FakePeer(bytes(wrong), manifest_of(DATA)),
        FakePeer(DATA),
        FakePeer(DATA),
    ]
    honest, slow, breaking, lying, hanging, growing = peers
    for each in (honest, slow, lying, growing):
        each.alter = lambda messages: in_any_steps(chance, messages)
    honest.rate = 8 * MIB
    slow.rate = 0.3 * MIB
    breaking.alter = lambda messages: breaks_off(chance, messages)
    hanging.alter = lambda messages: hanging.hang(
        in_any_steps(chance, messages), chance.randrange(8)
    )
    growing.has_only(*chance.sample(range(PIECES), 3))
    fetching.stall_seconds = 0.3
    with contextlib.ExitStack() as stack:
        for each in peers:
            stack.enter_context(served(each))
        reader = stack.enter_context(Reader(fetching))
        running = stack.enter_context(fetching.running(*peers))
        while running.thread.is_alive():
            growing.gain(chance.randrange(PIECES))
            running.thread.join(0.05)
        fetching.check(running.result())
    assert reader.wrong == set()
    assert reader.count
    assert fetching.log.verified_bytes == len(DATA)
