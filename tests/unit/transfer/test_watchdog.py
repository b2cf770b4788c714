"""Who looks after the calls of a transfer."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from peer_service.transfer import watchdog as module
from peer_service.transfer.watchdog import Watchdog, WatchedCall
from tests.clock import Clock
from tests.waiting import eventually


class Call:
    """A call that only counts how often it is cancelled."""

    def __init__(self) -> None:
        self.cancels = 0

    def cancel(self) -> None:
        self.cancels += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def call() -> Any:
    return Call()


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_who_brings_nothing_in_time_is_cancelled(clock: Clock, call: Any) -> None:
    watched = WatchedCall(call)
    watched.waiting(5)
    clock.advance(4.9)
    watched.look(clock(), stopping=False)
    assert (watched.stalled, call.cancels) == (False, 0)
    clock.advance(0.2)
    watched.look(clock(), stopping=False)
    assert (watched.stalled, call.cancels) == (True, 1)


def test_who_brings_something_has_all_the_time_again(clock: Clock, call: Any) -> None:
    watched = WatchedCall(call)
    for _ in range(3):
        watched.waiting(5)
        clock.advance(4.9)
        watched.received()
        watched.look(clock(), stopping=False)
    assert not watched.stalled


def test_while_we_are_at_work_nothing_is_asked_of_it(clock: Clock, call: Any) -> None:
    watched = WatchedCall(call)
    watched.look(clock(), stopping=False)
    watched.waiting(5)
    watched.received()
    clock.advance(1e6)
    watched.look(clock(), stopping=False)
    assert call.cancels == 0


def test_who_stops_is_not_told_that_it_stalled(clock: Clock, call: Any) -> None:
    watched = WatchedCall(call)
    watched.waiting(5)
    watched.look(clock(), stopping=True)
    assert (watched.stalled, watched.interrupted, call.cancels) == (False, False, 1)


def test_who_is_not_wanted_any_more_is_cancelled_at_once(call: Any) -> None:
    watched = WatchedCall(call)
    watched.interrupt()
    assert (watched.stalled, watched.interrupted, call.cancels) == (False, True, 1)


def test_a_dog_looks_after_calls_until_the_end_of_their_block(
    call: Any, stop: threading.Event
) -> None:
    other: Any = Call()
    with Watchdog(stop) as dog:
        with dog.watch(call):
            assert call.cancels == 0
        assert call.cancels == 1
        with dog.watch(other) as watched:
            watched.waiting(0.0)
            eventually(lambda: watched.stalled)
        assert call.cancels == 1
    assert not dog.is_alive()


def test_a_dog_cancels_all_when_it_is_to_stop(call: Any, stop: threading.Event) -> None:
    with Watchdog(stop) as dog, dog.watch(call):
        stop.set()
        eventually(lambda: call.cancels)
