"""Who works for a transfer, who may be tried next, and who is not asked again."""

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

import pytest

from peer_service.transfer import roster as module
from peer_service.transfer.model import Candidate, HeldBack, SourceReport, SourceState
from peer_service.transfer.roster import MOST_SOURCES, Roster
from peer_service.transfer.shares import TimeShares
from tests.clock import Clock
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    BadSource,
    FileChanged,
    NoSourceOnline,
    NoUploadSlot,
    RemoteFailure,
    Unreachable,
    VideotecaError,
)

LIE: Final = BadSource(source="ana", problem="a lie")
GONE: Final = Unreachable(what="peer", address="there", detail="gone")
CHANGED: Final = FileChanged(name="clip.mp4")
TAKEN: Final = NoUploadSlot(retry_after_seconds=7)
FAILED: Final = RemoteFailure(code="INTERNAL", detail="it")


def at(peer: str, port: int = 1, *, is_partial: bool = False) -> Candidate:
    return Candidate(peer, Endpoint("127.0.0.1", port), is_partial)


class Fetcher:
    """One that does what the test says."""

    def __init__(self, candidate: Candidate, bytes_before: int, since: float) -> None:
        self.candidate = candidate
        self.bytes_before = bytes_before
        self.bytes = bytes_before
        self.state = SourceState.CONNECTING
        self.error: VideotecaError | None = None
        self.since = since
        self.is_limited = False
        self.is_dismissed = False
        self.shares = TimeShares()
        self.was_started = False

    @property
    def report(self) -> SourceReport:
        return SourceReport(self.candidate.peer_name, str(self.candidate.endpoint), self.bytes)

    @property
    def shown_state(self) -> SourceState:
        return self.state

    def start(self) -> None:
        self.was_started = True

    def dismiss(self) -> None:
        self.is_dismissed = True

    def join(self) -> None:
        if self.state is not SourceState.DROPPED:
            self.state = SourceState.LEFT

    def drop(self, error: VideotecaError) -> None:
        self.error, self.state = error, SourceState.DROPPED

    def become(self, state: SourceState, since: float = 0.0) -> None:
        self.state, self.since = state, since


class Office:
    """A roster, and all that it hired."""

    def __init__(self, clock: Clock, streams: int = 12) -> None:
        self.hired: list[Fetcher] = []
        self.dropped: list[tuple[Candidate, VideotecaError]] = []
        self.streams = threading.Semaphore(streams)
        self._clock = clock
        hire: Any = self._hire
        self.roster = Roster(hire, lambda *args: self.dropped.append(args), self.streams)

    def _hire(self, candidate: Candidate, bytes_before: int) -> Fetcher:
        self.hired.append(Fetcher(candidate, bytes_before, self._clock()))
        return self.hired[-1]

    def fill(self, *candidates: Candidate, most: int = MOST_SOURCES) -> Sequence[Candidate]:
        """Those who are hired now."""
        before = len(self.hired)
        if candidates:
            self.roster.candidates_are(candidates)
        self.roster.fill(most)
        assert all(each.was_started for each in self.hired)
        return [each.candidate for each in self.hired[before:]]

    def free_streams(self) -> int:
        count = 0
        while self.streams.acquire(blocking=False):
            count += 1
        for _ in range(count):
            self.streams.release()
        return count


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def office(clock: Clock) -> Office:
    return Office(clock)


def test_nobody_is_at_work_while_nobody_is_known(office: Office) -> None:
    assert not office.roster.is_informed
    assert not office.roster.fill(MOST_SOURCES)


def test_that_there_is_nobody_is_an_answer(office: Office) -> None:
    office.roster.candidates_are(())
    assert office.roster.is_informed
    assert not office.roster.fill(MOST_SOURCES)


def test_the_best_are_hired_first(office: Office) -> None:
    everybody = [at(f"peer{number}") for number in range(10)]
    assert office.fill(*everybody, most=3) == everybody[:3]
    assert office.fill(most=3) == []
    assert office.fill() == everybody[3:8]


def test_a_peer_at_two_places_is_asked_at_one(office: Office) -> None:
    first, second = at("ana", 1), at("ana", 2)
    assert office.fill(first, second) == [first]
    office.hired[0].drop(GONE)
    assert office.fill() == [second]
    assert office.dropped == [(first, GONE)]


def test_who_failed_is_asked_again_later_and_then_less_and_less_often(
    office: Office, clock: Clock
) -> None:
    ana = at("ana")
    office.fill(ana)
    for seconds in (5, 10, 20, 40, 60, 60, 60):
        office.hired[-1].drop(GONE)
        assert office.fill() == []
        clock.advance(seconds - 0.1)
        assert office.fill() == []
        clock.advance(0.2)
        assert office.fill() == [ana]


@pytest.mark.parametrize(
    "again", [at("ana"), at("ana", 2), at("ana", is_partial=True)], ids=["same", "moved", "partial"]
)
def test_who_lied_is_never_asked_again(office: Office, clock: Clock, again: Candidate) -> None:
    office.fill(at("ana"), at("ben", 3))
    office.hired[0].drop(LIE)
    clock.advance(1e6)
    assert office.fill(again) == []


def test_what_came_before_is_counted_on(office: Office, clock: Clock) -> None:
    office.fill(at("ana"), at("ben", 3))
    office.hired[0].bytes = 7
    office.hired[0].drop(GONE)
    office.fill()
    clock.advance(6)
    office.fill()
    assert office.hired[-1].bytes_before == 7
    assert [each.peer for each in office.roster.reports()] == ["ana", "ben"]


def test_each_holds_a_stream_until_it_ends(clock: Clock) -> None:
    office = Office(clock, streams=2)
    ana, ben, eva = at("ana"), at("ben", 2), at("eva", 3)
    assert office.fill(ana, ben, eva) == [ana, ben]
    assert office.free_streams() == 0
    office.hired[0].become(SourceState.LEFT)
    assert office.fill(eva) == [eva]
    office.roster.end()
    assert office.free_streams() == 2


def test_the_first_one_needs_no_stream(clock: Clock) -> None:
    office = Office(clock, streams=0)
    ana, ben = at("ana"), at("ben", 2)
    assert office.fill(ana, ben) == [ana]
    office.roster.end()
    assert office.free_streams() == 0


def test_who_has_nothing_for_long_makes_place(office: Office, clock: Clock) -> None:
    everybody = [at(f"peer{number}", is_partial=True) for number in range(MOST_SOURCES)]
    office.fill(*everybody)
    idle = office.hired[3]
    idle.become(SourceState.IDLE, clock())
    clock.advance(16)
    office.fill()
    assert not any(each.is_dismissed for each in office.hired)
    other = at("other")
    office.fill(*everybody, other)
    assert [each for each in office.hired if each.is_dismissed] == [idle]
    idle.become(SourceState.LEFT)
    assert office.fill() == [other]
    clock.advance(10)
    office.hired[0].become(SourceState.LEFT)
    assert office.fill() == [everybody[0]]


def test_it_waits_for_all_at_the_end(office: Office) -> None:
    office.fill(at("ana"), at("ben", 2))
    office.hired[1].drop(LIE)
    office.roster.end()
    assert office.hired[0].is_dismissed
    assert office.hired[0].state is SourceState.LEFT
    assert [error for _, error in office.dropped] == [LIE]


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ([GONE, TAKEN, LIE], TAKEN),
        ([LIE, GONE, FAILED], GONE),
        ([CHANGED, LIE], LIE),
        ([FAILED], FAILED),
    ],
)
def test_the_outcome_is_what_says_when_to_try_again(
    office: Office, errors: Sequence[VideotecaError], outcome: VideotecaError
) -> None:
    office.fill(*(at(f"peer{number}", 1 + number) for number in range(len(errors))))
    for fetcher, error in zip(office.hired, errors, strict=True):
        fetcher.drop(error)
    assert office.roster.outcome("clip.mp4") is outcome


def test_without_errors_there_is_nobody(office: Office) -> None:
    office.fill(at("ana"))
    assert isinstance(office.roster.outcome("clip.mp4"), NoSourceOnline)


@pytest.mark.parametrize(
    ("states", "is_busy"),
    [
        ((), False),
        ((SourceState.IDLE, SourceState.WAITING), False),
        ((SourceState.IDLE, SourceState.FETCHING), True),
        ((SourceState.CONNECTING,), True),
    ],
)
def test_who_sends_or_may_soon_is_busy(
    office: Office, states: Sequence[SourceState], is_busy: bool
) -> None:
    office.fill(*(at(f"peer{number}", 1 + number) for number in range(len(states))))
    for fetcher, state in zip(office.hired, states, strict=True):
        fetcher.become(state)
    assert office.roster.is_busy is is_busy


FETCHING, WAITING, IDLE = SourceState.FETCHING, SourceState.WAITING, SourceState.IDLE
DISK, NETWORK, LIMIT = HeldBack.DISK, HeldBack.NETWORK, HeldBack.OUR_LIMIT


@pytest.mark.parametrize(
    ("states", "held_back"),
    [
        ([], None),
        ([SourceState.CONNECTING], None),
        ([SourceState.CONNECTING, IDLE], HeldBack.NO_SOURCE),
        ([IDLE, WAITING], HeldBack.THEIR_SLOTS),
        ([FETCHING, WAITING], None),
    ],
)
def test_what_holds_back_those_who_do_not_fetch(
    office: Office, states: Sequence[SourceState], held_back: HeldBack | None
) -> None:
    office.fill(*(at(f"peer{number}", 1 + number) for number in range(len(states))))
    for fetcher, state in zip(office.hired, states, strict=True):
        fetcher.become(state)
    assert office.roster.held_back() is held_back


@pytest.mark.parametrize(
    ("shares", "limited", "held_back"),
    [
        ([{DISK: 1.0}, {}], "--", DISK),
        ([{DISK: 1.0}, {NETWORK: 0.6, LIMIT: 0.5}], "--", DISK),
        ([{DISK: 1.0, NETWORK: 0.6}, {NETWORK: 0.6}], "--", NETWORK),
        ([{NETWORK: 1.0}, {NETWORK: 1.0}], "l-", NETWORK),
        ([{NETWORK: 1.0}, {NETWORK: 1.0}], "ll", HeldBack.THEIR_LIMIT),
        ([{LIMIT: 1.0}], "l", LIMIT),
    ],
)
def test_what_holds_back_those_who_fetch_is_what_they_spend_most_on(
    office: Office, shares: Sequence[dict[HeldBack, float]], limited: str, held_back: HeldBack
) -> None:
    office.fill(*(at(f"peer{number}", 1 + number) for number in range(len(shares))), at("idle"))
    office.hired[-1].become(IDLE)
    office.hired[-1].shares.add(HeldBack.OUR_LIMIT, 9.0)  # long ago
    for fetcher, spent, mark in zip(office.hired, shares, limited, strict=False):
        fetcher.become(FETCHING)
        fetcher.is_limited = mark == "l"
        for what, seconds in spent.items():
            fetcher.shares.add(what, seconds)
    assert office.roster.held_back() is held_back
