"""Sources that lie, break off or hang: each is found out and named, and others take over."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service import wire
from peer_service.pieces import PieceSet
from peer_service.transfer import finder, roster
from peer_service.transfer.model import Candidate, SourceState
from tests.fakes.peer import FakePeer, Messages, News, fake_peer, served
from tests.fetching import DATA, Fetching
from tests.servers import running_tracker
from tests.sharing import sharing
from tests.videos import MIB, manifest_of, video_bytes
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    BadSource,
    DiskFull,
    FileChanged,
    InvalidName,
    NotRegistered,
    PieceMissing,
    RemoteFailure,
    Unreachable,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.rpc.options import MAX_CHUNK_BYTES

PIECES: Final = 8
STALL_SECONDS: Final = 0.5
SPARE_SECONDS: Final = 5.0
"""Generous: a source is replaced within the stall's time and a second where nothing else runs."""


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


def finds_out(fetching: Fetching, peer: FakePeer | Endpoint, honest: FakePeer) -> VideotecaError:
    """Fetch from a peer, and from an honest one that has its pieces only once the other failed.

    Returns:
        How the peer failed, which has to be once.
    """
    asked: list[int] = []

    def failed() -> None:
        asked.append(len(peer.fetches) if isinstance(peer, FakePeer) else 0)
        honest.gain(*range(PIECES))

    honest.has_only()
    fetching.begin(peer, honest)
    fetching.log.on_failed = failed
    with fetching.running() as running:
        fetching.check(running.result())
    ((name, error),) = fetching.log.failures
    assert name == "peer0"
    told = fetching.source(0)
    assert (told.state, told.reason) == (SourceState.DROPPED, error.reason)
    assert (told.message, told.fields) == (str(error), error.fields)
    if isinstance(peer, FakePeer):
        assert asked == [len(peer.fetches)]  # nor was it asked again
    return error


def header_becomes(**fields: object) -> Callable[[Messages], Messages]:
    def alter(messages: Messages) -> Messages:
        header, *chunks = messages
        header.header.MergeFrom(pb.FetchVideoHeader(**fields))  # type: ignore[arg-type]
        yield header
        yield from chunks

    return alter


def grants(count: int) -> Callable[[Messages], Messages]:
    def alter(messages: Messages) -> Messages:
        header, *chunks = messages
        header.header.granted_bytes = count
        yield header
        yield from chunks

    return alter


def sends(*chunks: bytes) -> Callable[[Messages], Messages]:
    """Nothing but these behind an honest header."""

    def alter(messages: Messages) -> Messages:
        yield next(iter(messages))
        for chunk in chunks:
            yield pb.FetchVideoResponse(chunk=chunk)

    return alter


def grants_a_part(messages: Messages) -> Messages:
    header, first, *_ = messages
    header.header.granted_bytes = 12_344
    yield header
    yield pb.FetchVideoResponse(chunk=first.chunk[:12_344])


def repeats_the_header(messages: Messages) -> Messages:
    header, first, *rest = messages
    yield header
    yield pb.FetchVideoResponse(chunk=first.chunk[:-1])
    yield header
    yield from rest


def sends_a_byte_more(messages: Messages) -> Messages:
    header, *chunks = messages
    *most, last = (chunk.chunk for chunk in chunks)
    yield header
    for chunk in (*most, last[:-1], last[-1:] + b"?"):
        yield pb.FetchVideoResponse(chunk=chunk)


LIES: Final[dict[str, Callable[[Messages], Messages]]] = {
    "another video": header_becomes(video_id="0" * 64),
    "another size": header_becomes(size_bytes=5),
    "another piece size": header_becomes(piece_size_bytes=2 * MIB),
    "another offset": header_becomes(offset_bytes=1),
    "grants nothing": grants(0),
    "grants more than asked": grants(len(DATA) + 1),
    "grants less than a number": grants(-1),
    "grants a part of a piece": grants_a_part,
    "no header": lambda messages: list(messages)[1:],
    "two headers": repeats_the_header,
    "nothing": lambda _messages: [],
    "a header alone": sends(),
    "an empty message": lambda messages: [*list(messages)[:1], pb.FetchVideoResponse()],
    "an empty chunk": sends(b""),
    "a huge chunk": sends(bytes(MAX_CHUNK_BYTES + 1)),
    "wrong bytes": sends(*[bytes(MAX_CHUNK_BYTES)] * PIECES),
    "too little": sends(DATA[:1_000]),
    "too much": sends_a_byte_more,
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_who_lies_in_a_stream_is_found_out(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, lie: Callable[[Messages], Messages]
) -> None:
    peer.alter = lie
    error = finds_out(fetching, peer, honest)
    assert isinstance(error, BadSource)
    assert f"peer0 ({peer.endpoint})" in str(error)


@pytest.mark.parametrize("piece", [0, 3, PIECES - 1])
def test_whatever_piece_is_wrong_it_is_found_out(
    fetching: Fetching, honest: FakePeer, piece: int
) -> None:
    at = min((piece + 1) * MIB, len(DATA)) - 1
    wrong = FakePeer(DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :], manifest_of(DATA))
    with served(wrong):
        error = finds_out(fetching, wrong, honest)
    assert isinstance(error, BadSource)
    assert "a piece with another digest" in str(error)
    assert fetching.log.verified_bytes == len(DATA)  # what it brought before is kept


def test_a_lie_in_the_only_source_is_the_outcome(fetching: Fetching, peer: FakePeer) -> None:
    peer.alter = LIES["another video"]
    with pytest.raises(BadSource, match="a header for something else"):
        fetching.run(peer)


def swapped(answer: pb.GetManifestResponse) -> None:
    answer.piece_digests = answer.piece_digests[32:] + answer.piece_digests[:32]


def resized(answer: pb.GetManifestResponse) -> None:
    answer.size_bytes += 1


def shortened(answer: pb.GetManifestResponse) -> None:
    answer.piece_digests = answer.piece_digests[:-1]


def negative(answer: pb.GetManifestResponse) -> None:
    answer.size_bytes = -1
    answer.piece_digests = b""


@pytest.mark.parametrize("lie", [swapped, resized, shortened, negative])
def test_a_manifest_is_not_believed(
    fetching: Fetching,
    peer: FakePeer,
    honest: FakePeer,
    lie: Callable[[pb.GetManifestResponse], None],
) -> None:
    peer.alter_manifest = lie
    fetching.succeed(peer, honest)
    assert [(name, type(error)) for name, error in fetching.log.failures] == [("peer0", BadSource)]
    assert peer.fetches == []


def test_who_hands_out_another_video_is_found_out(fetching: Fetching, honest: FakePeer) -> None:
    with fake_peer(video_bytes(len(DATA), seed=1)) as other:
        fetching.succeed(other, honest)
    assert [type(error) for _, error in fetching.log.failures] == [BadSource]


# What it has


def news_become(*messages: pb.WatchPiecesResponse) -> Callable[[News], News]:
    return lambda _news: messages


NO_PIECES: Final = {
    "a short bitmap": news_become(pb.WatchPiecesResponse(bitmap=b"")),
    "a long bitmap": news_become(pb.WatchPiecesResponse(bitmap=b"\x01\x00")),
    "a negative number": news_become(pb.WatchPiecesResponse(added=pb.Pieces(numbers=[-1]))),
    "a number too high": news_become(
        pb.WatchPiecesResponse(bitmap=b"\x00"),
        pb.WatchPiecesResponse(added=pb.Pieces(numbers=[PIECES])),
    ),
    "a number too many": news_become(
        pb.WatchPiecesResponse(added=pb.Pieces(numbers=[0] * (PIECES + 1)))
    ),
}


@pytest.mark.parametrize("lie", NO_PIECES.values(), ids=NO_PIECES)
def test_pieces_that_are_none_are_not_believed(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, lie: Callable[[News], News]
) -> None:
    peer.has_only()
    peer.alter_pieces = lie
    assert isinstance(finds_out(fetching, peer, honest), BadSource)
    assert peer.fetches == []


def test_bits_beyond_the_last_piece_are_not_believed(tmp_path: Path) -> None:
    data = DATA[: 3 * MIB]
    fetching = Fetching(tmp_path / "received", data)
    with fake_peer(data) as peer, fake_peer(data) as honest:
        peer.has_only()
        peer.alter_pieces = news_become(pb.WatchPiecesResponse(bitmap=b"\x09"))
        fetching.succeed(peer, honest)
    assert [type(error) for _, error in fetching.log.failures] == [BadSource]


def test_news_of_a_source_that_never_stops_telling_are_taken_slowly(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages, honestly = 0, wire.piece_news_from_wire

    def from_wire(message: pb.WatchPiecesResponse, piece_count: int) -> PieceSet:
        nonlocal messages
        messages += 1
        return honestly(message, piece_count)

    monkeypatch.setattr(wire, "piece_news_from_wire", from_wire)
    peer.has_only()
    peer.alter_pieces = lambda _: itertools.repeat(pb.WatchPiecesResponse(bitmap=b"\x00"), 10**5)
    honest.rate = 4 * MIB
    begun = time.monotonic()
    fetching.succeed(peer, honest)
    assert 1 < messages < 2 + (time.monotonic() - begun) / 0.05


def test_a_piece_that_was_told_of_and_is_missing_is_not_asked_for_on_and_on(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    peer.has_only()
    peer.alter_pieces = news_become(pb.WatchPiecesResponse(bitmap=b"\xff"))
    assert isinstance(finds_out(fetching, peer, honest), PieceMissing)
    assert len(peer.fetches) == 1


# What it says of itself


@pytest.mark.parametrize(
    "foreign", [DiskFull(path="/"), NotRegistered(), InvalidName(name="x", problem="y")]
)
def test_a_peer_speaks_of_itself_only(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, foreign: VideotecaError
) -> None:
    def alter(messages: Messages) -> Messages:
        raise foreign

    peer.alter = alter
    assert isinstance(finds_out(fetching, peer, honest), RemoteFailure)


def test_who_knows_nothing_of_it_is_left(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    def knows_nothing(answer: pb.GetManifestResponse) -> None:
        raise VideoUnknown(video="clip.mp4")

    peer.alter_manifest = knows_nothing
    assert isinstance(finds_out(fetching, peer, honest), VideoUnknown)


def test_a_file_that_changes_on_the_disk_of_a_real_peer(tmp_path: Path) -> None:
    data = video_bytes(48 * MIB)
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "clip.mp4").write_bytes(data)
    fetching = Fetching(tmp_path / "received", data)
    fetching.stall_seconds = 30
    with sharing(tmp_path / "db", shared) as real, fake_peer(data) as honest:
        real.wait_shared("clip.mp4")
        honest.has_only()
        fetching.limit.rate = 16 * MIB
        fetching.begin(real.endpoint, honest)
        fetching.log.on_failed = lambda: honest.gain(*range(48))
        with fetching.running() as running:
            eventually(lambda: fetching.log.verified_bytes)
            with (shared / "clip.mp4").open("r+b") as file:
                file.write(b"changed")
            eventually(lambda: fetching.log.failures)
            fetching.limit.rate = 0
            fetching.check(running.result())
    assert isinstance(fetching.log.failures[0][1], FileChanged | VideoUnknown)


# Who is none


@pytest.fixture
def silent() -> Iterator[Endpoint]:
    """Something that takes connections and never says a word."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield Endpoint("127.0.0.1", listener.getsockname()[1])


def test_a_tracker_is_no_peer(fetching: Fetching, honest: FakePeer, tmp_path: Path) -> None:
    with running_tracker(tmp_path) as tracker:
        error = finds_out(fetching, tracker, honest)
    assert isinstance(error, Unreachable)
    assert "what listens there is something else" in str(error)


def test_where_nobody_listens_nobody_is(fetching: Fetching, honest: FakePeer) -> None:
    with fake_peer(b"") as closed:
        pass
    error = finds_out(fetching, closed.endpoint, honest)
    assert isinstance(error, Unreachable)
    assert str(closed.endpoint) in str(error)


def test_who_never_speaks_holds_up_nobody(
    fetching: Fetching, honest: FakePeer, silent: Endpoint
) -> None:
    begun = time.monotonic()
    fetching.succeed(silent, honest)
    assert time.monotonic() - begun < SPARE_SECONDS


def test_who_never_speaks_is_left(
    fetching: Fetching, honest: FakePeer, silent: Endpoint, peer: FakePeer
) -> None:
    peer.alter = LIES["another video"]
    with pytest.raises(BadSource):
        fetching.run(peer)  # which leaves the manifest here
    fetching.stall_seconds = STALL_SECONDS
    begun = time.monotonic()
    assert "stopped sending" in str(finds_out(fetching, silent, honest))
    assert time.monotonic() - begun < STALL_SECONDS + SPARE_SECONDS


# Who hangs


@pytest.mark.parametrize("after", [0, 1, 2])
def test_who_hangs_is_replaced(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, after: int
) -> None:
    fetching.stall_seconds = STALL_SECONDS
    peer.alter = lambda messages: peer.hang(messages, after)
    begun = time.monotonic()
    error = finds_out(fetching, peer, honest)
    assert time.monotonic() - begun < STALL_SECONDS + SPARE_SECONDS
    assert isinstance(error, Unreachable)
    assert "stopped sending" in str(error)


def test_who_hangs_with_the_manifest_holds_up_nobody(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    def says_nothing(answer: pb.GetManifestResponse) -> None:
        peer.hold.wait(60)

    peer.alter_manifest = says_nothing
    begun = time.monotonic()
    fetching.succeed(peer, honest)
    assert time.monotonic() - begun < SPARE_SECONDS


def test_who_does_not_tell_its_pieces_is_left(
    fetching: Fetching, peer: FakePeer, honest: FakePeer
) -> None:
    def says_nothing(news: News) -> News:
        peer.hold.wait(60)
        return news

    fetching.stall_seconds = STALL_SECONDS
    peer.has_only()
    peer.alter_pieces = says_nothing
    error = finds_out(fetching, peer, honest)
    assert "stopped sending" in str(error)


# Who is asked again


def test_who_lied_is_not_asked_again_whatever_is_said_of_it(
    fetching: Fetching, peer: FakePeer, honest: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "_DELAYS", (0.0, 0.05))
    monkeypatch.setattr(roster, "_AGAIN_SECONDS", 0.05)
    asked = threading.Event()
    liar, ben = Candidate("ana", peer.endpoint), Candidate("ben", honest.endpoint)
    peer.alter = LIES["another video"]
    honest.rate = 4 * MIB
    with fake_peer(DATA) as moved, fetching.running(liar, ben) as running:
        eventually(lambda: fetching.log.failures)
        again = [
            liar,
            Candidate("ana", peer.endpoint, is_partial=True),
            Candidate("ana", moved.endpoint),
            ben,
        ]

        def find() -> list[Candidate]:
            if fetching.log.verified_bytes > 3 * MIB:
                asked.set()
            return again

        fetching.find = find
        fetching.check(running.result())
        assert asked.is_set()
        assert (len(peer.fetches), peer.manifests + moved.manifests, moved.fetches) == (1, 1, [])
    assert [name for name, _ in fetching.log.failures] == ["ana"]
