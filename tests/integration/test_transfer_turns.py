"""How many sources a transfer may have, who waits for whom, and what holds it back."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.transfer import download, finder, roster
from peer_service.transfer.model import Candidate, HeldBack, SourceState
from peer_service.transfer.roster import MOST_SOURCES
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.fetching import Fetching
from tests.videos import MIB, video_bytes
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.errors import FileChanged, NoUploadSlot, Unreachable

PIECES: Final = 12
DATA: Final = video_bytes((PIECES - 1) * MIB + 54_321)
MODEST: Final = 8 * MIB


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    made = Fetching(tmp_path / "received", DATA)
    made.stall_seconds = 30
    return made


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def other() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who failed is asked again after a moment."""
    monkeypatch.setattr(finder, "_DELAYS", (0.0, 0.05))
    monkeypatch.setattr(roster, "_AGAIN_SECONDS", 0.1)


def has_no_slot(messages: Messages) -> Messages:
    raise NoUploadSlot(retry_after_seconds=1)


def test_who_has_no_slot_is_waited_for_while_others_go_on(
    fetching: Fetching, peer: FakePeer, other: FakePeer
) -> None:
    other.rate = MODEST
    peer.alter = has_no_slot
    with fetching.running(peer, other) as running:
        eventually(lambda: fetching.states().get("peer0") is SourceState.WAITING)
        waiting = fetching.source(0)
        assert (waiting.reason, waiting.fields) == ("NO_UPLOAD_SLOT", {"retry_after_seconds": "1"})
        assert fetching.log.failures == []
        peer.alter = lambda messages: messages
        fetching.check(running.result())
    assert fetching.source(0).bytes
    assert fetching.source(0).reason == ""


def test_when_all_slots_are_taken_other_downloads_may_have_the_place(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PATIENCE_SECONDS", 0.5)
    peer.alter = has_no_slot
    with fetching.running(peer) as running:
        eventually(lambda: fetching.transfer.held_back() is HeldBack.THEIR_SLOTS)
        with pytest.raises(NoUploadSlot) as caught:
            running.result()
    assert caught.value.fields == {"retry_after_seconds": "1"}


def test_who_says_to_ask_again_at_once_is_not(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_none_at_the_moment(messages: Messages) -> Messages:
        raise NoUploadSlot(retry_after_seconds=0)

    monkeypatch.setattr(download, "_PATIENCE_SECONDS", 0.5)
    peer.alter = has_none_at_the_moment
    with pytest.raises(NoUploadSlot):
        fetching.run(peer)
    assert len(peer.fetches) == 1


def test_who_is_in_line_for_the_next_run_is_not_told_to_send(
    fetching: Fetching, peer: FakePeer
) -> None:
    def in_turns(messages: Messages) -> Messages:
        if len(peer.fetches) > 1:
            peer.hold.wait(60)
        return messages

    peer.has_only(3, 5)
    peer.upload_limit = 1
    peer.alter = in_turns
    with fetching.running(peer):
        eventually(lambda: fetching.states().get("peer0") is SourceState.WAITING)
        assert fetching.transfer.held_back() is HeldBack.THEIR_SLOTS


def test_taken_slots_outweigh_who_is_gone(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PATIENCE_SECONDS", 0.5)
    with fake_peer(b"") as gone:
        pass
    peer.alter = has_no_slot
    with pytest.raises(NoUploadSlot):
        fetching.run(gone.endpoint, peer)
    assert fetching.source(0).reason == "UNREACHABLE"


def test_a_slow_source_that_is_the_only_one_is_kept(fetching: Fetching, peer: FakePeer) -> None:
    peer.rate = 4 * MIB
    fetching.stall_seconds = 0.2  # less than a piece takes
    fetching.succeed(peer)
    assert fetching.log.failures == []


@pytest.mark.usefixtures("quick")
def test_who_failed_is_asked_again_later(fetching: Fetching, peer: FakePeer) -> None:
    def fails_at_first(messages: Messages) -> Messages:
        if len(peer.fetches) == 1:
            raise FileChanged(name="clip.mp4")
        yield from messages

    with fake_peer(DATA) as other:
        peer.alter = fails_at_first
        other.rate = MODEST
        fetching.succeed(peer, other)
    assert [name for name, _ in fetching.log.failures] == ["peer0"]
    assert fetching.source(0).bytes
    assert fetching.source(0).reason == ""


@pytest.mark.usefixtures("quick")
def test_who_was_dropped_and_brought_nothing_since_stays_so(
    fetching: Fetching, peer: FakePeer, other: FakePeer
) -> None:
    fetching.stall_seconds = 2
    peer.alter = lambda messages: peer.hang(messages, after=0)
    other.rate = MIB
    with fetching.running(peer, other) as running:
        eventually(lambda: fetching.log.failures)
        eventually(lambda: fetching.states()["peer0"] is SourceState.CONNECTING)
        other.rate = 0
        fetching.check(running.result())
    assert len(fetching.log.failures) == 1
    assert fetching.source(0).state is SourceState.DROPPED
    assert fetching.source(0).reason == "UNREACHABLE"


def test_a_peer_at_two_places_is_one_source(
    fetching: Fetching, peer: FakePeer, other: FakePeer
) -> None:
    peer.rate = 2 * MODEST
    fetching.succeed(Candidate("ana", peer.endpoint), Candidate("ana", other.endpoint))
    assert len(fetching.transfer.sources()) == 1
    assert other.fetches == []


def test_at_the_second_place_it_is_asked_when_the_first_fails(
    fetching: Fetching, peer: FakePeer, other: FakePeer
) -> None:
    def breaks_off(messages: Messages) -> Messages:
        for message in messages:
            if peer.sent_bytes > MIB:
                raise FileChanged(name="clip.mp4")
            yield message

    peer.alter = breaks_off
    fetching.succeed(Candidate("ana", peer.endpoint), Candidate("ana", other.endpoint))
    (source,) = fetching.transfer.sources()
    assert source.bytes == len(DATA)
    assert source.address == str(other.endpoint)
    assert [type(error) for _, error in fetching.log.failures] == [FileChanged]


def at_work(*transfers: Fetching) -> int:
    """How many sources they have now."""
    ended = (SourceState.DROPPED, SourceState.LEFT)
    return sum(state not in ended for each in transfers for state in each.states().values())


def named(peer: FakePeer, count: int) -> list[Candidate]:
    """A peer under many names."""
    return [Candidate(f"peer{number}", peer.endpoint) for number in range(count)]


def test_at_most_eight_work_at_once(fetching: Fetching, peer: FakePeer) -> None:
    peer.rate = MIB
    most = 0
    with fetching.running(*named(peer, 20)) as running:
        while running.thread.is_alive():
            most = max(most, at_work(fetching))
            running.thread.join(0.01)
        fetching.check(running.result())
    assert most == MOST_SOURCES == 8


def test_at_most_eight_are_asked_for_the_manifest(
    fetching: Fetching, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says_nothing(answer: pb.GetManifestResponse) -> None:
        peer.hold.wait(60)

    monkeypatch.setattr(download, "_NEXT_SOURCE_SECONDS", 0.01)
    peer.alter_manifest = says_nothing
    with fetching.running(*named(peer, 20)):
        eventually(lambda: peer.manifests == MOST_SOURCES)
        time.sleep(0.5)  # in which none may be added
        assert peer.manifests == MOST_SOURCES


def test_all_transfers_have_a_dozen_streams_together(tmp_path: Path, peer: FakePeer) -> None:
    peer.rate = MIB
    transfers = [Fetching(tmp_path / f"{number}", DATA) for number in range(3)]
    streams = transfers[0].streams
    most = 0
    with contextlib.ExitStack() as stack:
        running = []
        for fetching in transfers:
            fetching.stall_seconds = 30
            fetching.streams = streams
            running.append(stack.enter_context(fetching.running(*named(peer, 20))))
        while any(each.thread.is_alive() for each in running):
            most = max(most, at_work(*transfers))
            running[0].thread.join(0.01)
        for fetching, each in zip(transfers, running, strict=True):
            fetching.check(each.result())
    # One source each may have in any case.
    assert 12 <= most <= 13
    assert all(streams.acquire(blocking=False) for _ in range(12))
    assert not streams.acquire(blocking=False)


# The limits


@pytest.mark.parametrize("is_partial", [False, True])
def test_the_limit_holds_whoever_sends(
    fetching: Fetching, peer: FakePeer, other: FakePeer, is_partial: bool
) -> None:
    fetching.limit.rate = 8 * MIB
    if is_partial:  # then it asks for one piece at a time
        peer.has_only(*range(0, PIECES, 2))
        other.has_only(*range(1, PIECES, 2))
    begun = time.monotonic()
    fetching.succeed(peer, other)
    unmetered = 3 * MIB  # a burst, and what each brings last
    assert time.monotonic() - begun > (len(DATA) - unmetered) / fetching.limit.rate


def test_a_limit_that_is_lifted_holds_nobody_back(fetching: Fetching, peer: FakePeer) -> None:
    fetching.limit.rate = 50_000
    with fetching.running(peer) as running:
        eventually(lambda: fetching.log.verified_bytes)
        fetching.limit.rate = 0
        fetching.check(running.result(10))


def test_our_limit_is_named(fetching: Fetching, peer: FakePeer) -> None:
    fetching.limit.rate = 4 * MIB
    with fetching.running(peer):
        eventually(lambda: fetching.transfer.held_back() is HeldBack.OUR_LIMIT)


@pytest.mark.parametrize("limits", [(1, 0), (1, 1)])
def test_their_limit_is_named_when_all_have_one(
    fetching: Fetching, peer: FakePeer, other: FakePeer, limits: tuple[int, int]
) -> None:
    expected = HeldBack.THEIR_LIMIT if all(limits) else HeldBack.NETWORK
    peer.upload_limit, other.upload_limit = limits
    peer.rate = other.rate = MIB
    with fetching.running(peer, other):
        eventually(
            lambda: (
                list(fetching.states().values()) == [SourceState.FETCHING] * 2
                and fetching.transfer.held_back() is expected
            )
        )


def test_the_rate_of_each_is_told_while_it_sends(fetching: Fetching, peer: FakePeer) -> None:
    peer.rate = 2 * MIB
    with fetching.running(peer):
        eventually(lambda: [each for each in fetching.transfer.sources() if each.rate > MIB])


def test_one_that_is_gone_is_not_told_of_as_the_tracker(fetching: Fetching) -> None:
    with fake_peer(b"") as gone:
        pass
    with pytest.raises(Unreachable) as caught:
        fetching.run(gone.endpoint)
    assert caught.value.fields["what"] == "peer"
