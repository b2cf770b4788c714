"""One video from several sources at once: who brings what, who comes and who goes."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.transfer import download, finder, roster
from peer_service.transfer.model import Candidate, HeldBack, SourceState
from tests.fakes.peer import FakePeer, News, fake_peer, served
from tests.fetching import Fetching
from tests.videos import MIB, video_bytes
from tests.waiting import eventually
from videoteca_core.errors import NoSourceOnline, Unreachable, VideoUnknown

PIECES: Final = 24
DATA: Final = video_bytes((PIECES - 1) * MIB + 54_321)
MODEST: Final = 8 * MIB
"""A rate, in bytes a second, at which a transfer takes long enough to have a middle."""


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    made = Fetching(tmp_path / "received", DATA)
    made.stall_seconds = 30
    return made


@pytest.fixture
def peers() -> Iterator[list[FakePeer]]:
    """Four who have all of it."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(fake_peer(DATA)) for _ in range(4)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tracker is asked again, and who failed is too, after a moment."""
    monkeypatch.setattr(finder, "_DELAYS", (0.0, 0.05))
    monkeypatch.setattr(roster, "_AGAIN_SECONDS", 0.1)


def given(fetching: Fetching) -> list[int]:
    """What each source of the last transfer brought."""
    return [each.bytes for each in fetching.transfer.sources()]


def test_all_of_them_work_and_no_piece_comes_twice(
    fetching: Fetching, peers: list[FakePeer]
) -> None:
    for peer in peers:
        peer.rate = MODEST
    fetching.succeed(*peers)
    assert fetching.log.verified_bytes == sum(given(fetching)) == len(DATA)
    assert all(given(fetching))
    assert fetching.log.failures == []


def test_of_a_very_slow_one_nothing_is_waited_for(
    fetching: Fetching, peers: list[FakePeer]
) -> None:
    fast, slow, *_ = peers
    slow.rate = 20_000
    with fetching.running(slow, fast) as running:
        fetching.check(running.result(25))  # a single piece of the slow one takes 50 s
    assert fetching.source(0).bytes == 0
    assert fetching.source(0).state is SourceState.LEFT
    assert fetching.log.verified_bytes == len(DATA)


def test_what_is_left_to_a_slow_one_a_fast_one_takes(
    fetching: Fetching, peers: list[FakePeer]
) -> None:
    fast, slow, *_ = peers
    slow.rate = 2 * MIB
    fast.rate = 10 * MIB
    fetching.succeed(slow, fast)
    assert 0 < fetching.source(0).bytes < fetching.source(1).bytes
    assert fetching.log.verified_bytes == len(DATA)


@pytest.mark.parametrize("messages", [0, 1, 2])
def test_one_that_hangs_at_a_piece_boundary_is_done_without(
    fetching: Fetching, peers: list[FakePeer], messages: int
) -> None:
    fast, hanging, *_ = peers
    hanging.alter = lambda honest: hanging.hang(honest, after=messages)
    fetching.stall_seconds = 60
    with fetching.running(hanging, fast) as running:
        fetching.check(running.result(25))
    assert fetching.source(0).bytes <= messages * MIB
    assert fetching.log.failures == []


@pytest.mark.usefixtures("quick")
def test_one_that_comes_in_the_middle_helps(fetching: Fetching, peers: list[FakePeer]) -> None:
    first, second, *_ = peers
    first.rate = MODEST
    with fetching.running(first) as running:
        eventually(lambda: fetching.log.verified_bytes)
        fetching.found(first, second)
        fetching.check(running.result())
    assert all(given(fetching))
    assert second.manifests == 0


def test_one_that_goes_in_the_middle_is_replaced(fetching: Fetching, peers: list[FakePeer]) -> None:
    staying, *_ = peers
    staying.rate = MODEST
    going = FakePeer(DATA)
    going.rate = MODEST
    with contextlib.ExitStack() as stack:
        stack.enter_context(served(going))
        with fetching.running(staying, going) as running:
            eventually(lambda: fetching.states().get("peer1") is SourceState.FETCHING)
            stack.close()
            fetching.check(running.result())
    ((name, error),) = fetching.log.failures
    assert name == "peer1"
    assert isinstance(error, Unreachable)
    assert fetching.source(1).state is SourceState.DROPPED
    assert fetching.source(1).reason == "UNREACHABLE"


@pytest.mark.usefixtures("quick")
def test_a_tracker_that_goes_is_no_matter(fetching: Fetching, peers: list[FakePeer]) -> None:
    peers[0].rate = 2 * MODEST
    asked = threading.Event()

    def away() -> list[Candidate]:
        asked.set()
        raise Unreachable(what="tracker", address="there", detail="away")

    with fetching.running(peers[0]) as running:
        eventually(lambda: fetching.log.verified_bytes)
        fetching.find = away
        fetching.check(running.result())
    assert asked.is_set()


def test_a_tracker_that_is_away_at_first_is_told_of(fetching: Fetching) -> None:
    def away() -> list[Candidate]:
        raise Unreachable(what="tracker", address="there", detail="away")

    fetching.begin()
    fetching.find = away
    with fetching.running() as running, pytest.raises(Unreachable, match="tracker"):
        running.result()


# Those who are still downloading


def test_the_pieces_of_one_who_still_downloads_are_used_as_it_tells_them(
    fetching: Fetching, peers: list[FakePeer]
) -> None:
    peer = peers[0]
    peer.has_only(3)
    with fetching.running(peer) as running:
        eventually(lambda: fetching.log.verified_bytes == MIB)
        eventually(lambda: fetching.states()["peer0"] is SourceState.IDLE)
        assert fetching.transfer.held_back() is HeldBack.NO_SOURCE
        peer.gain(1, 2)
        eventually(lambda: fetching.log.verified_bytes == 3 * MIB)
        peer.gain(*range(PIECES))
        fetching.check(running.result())
    assert {offset % MIB for offset, _ in peer.fetches} == {0}
    assert fetching.log.failures == []


def test_two_halves_make_a_whole(fetching: Fetching, peers: list[FakePeer]) -> None:
    first, second, *_ = peers
    first.has_only(*range(0, PIECES, 2))
    second.has_only(*range(1, PIECES, 2))
    fetching.succeed(first, second)
    assert given(fetching) == [12 * MIB, 11 * MIB + 54_321]
    assert fetching.log.failures == []


def test_what_few_have_is_asked_of_them_and_the_rest_of_others(
    fetching: Fetching, peers: list[FakePeer]
) -> None:
    owner, *others = peers
    for peer in peers:
        peer.rate = MODEST
    for peer in others:
        peer.has_only(*range(PIECES - 4))
    fetching.succeed(owner, *others)
    assert all(given(fetching))
    assert fetching.source(0).bytes >= 3 * MIB + 54_321


def offered_until(ends: threading.Event, news: News) -> News:
    yield next(iter(news))
    ends.wait(60)
    raise VideoUnknown(video="clip.mp4")


def test_one_that_offers_nothing_any_more_is_left(
    fetching: Fetching, peers: list[FakePeer]
) -> None:
    owner, partial, *_ = peers
    owner.rate = MODEST
    partial.has_only(1, 2)
    ends = threading.Event()
    partial.alter_pieces = lambda news: offered_until(ends, news)
    with fetching.running(owner, partial) as running:
        eventually(lambda: fetching.log.verified_bytes > 2 * MIB)
        ends.set()
        fetching.check(running.result())
    assert [(name, type(error)) for name, error in fetching.log.failures] == [
        ("peer1", VideoUnknown)
    ]


def test_when_nobody_offers_it_any_more_that_is_the_end(
    fetching: Fetching, peers: list[FakePeer]
) -> None:
    partial = peers[0]
    partial.has_only(1, 2)
    ends = threading.Event()
    partial.alter_pieces = lambda news: offered_until(ends, news)
    with fetching.running(partial) as running:
        eventually(lambda: fetching.log.verified_bytes == 2 * MIB)
        ends.set()
        with pytest.raises(VideoUnknown):
            running.result()


def test_one_that_brings_nothing_new_for_long_is_left_to_others(
    fetching: Fetching, peers: list[FakePeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PATIENCE_SECONDS", 0.3)
    peers[0].has_only(1)
    with pytest.raises(NoSourceOnline):
        fetching.run(peers[0])
    assert fetching.log.verified_bytes == MIB
