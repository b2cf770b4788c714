"""On what a thread spent its time lately."""

import pytest

from peer_service.transfer.model import HeldBack
from peer_service.transfer.shares import TimeShares
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shares(clock: Clock) -> TimeShares:
    return TimeShares(clock)


def spent(shares: TimeShares) -> dict[HeldBack, float]:
    return {what: seconds for what, seconds in shares.lately().items() if seconds}


def test_at_first_there_is_nothing(shares: TimeShares) -> None:
    assert spent(shares) == {}
    assert set(shares.lately()) == set(HeldBack)


def test_it_adds_up(shares: TimeShares) -> None:
    shares.add(HeldBack.NETWORK, 0.5)
    shares.add(HeldBack.DISK, 0.25)
    shares.add(HeldBack.NETWORK, 0.5)
    shares.add(HeldBack.OUR_LIMIT, 0.0)
    assert spent(shares) == {HeldBack.NETWORK: 1.0, HeldBack.DISK: 0.25}


def test_what_was_before_is_forgotten(shares: TimeShares, clock: Clock) -> None:
    shares.add(HeldBack.NETWORK, 2.0)
    clock.advance(2.1)
    shares.add(HeldBack.DISK, 1.0)
    assert spent(shares) == {HeldBack.NETWORK: 2.0, HeldBack.DISK: 1.0}
    clock.advance(1.0)
    shares.add(HeldBack.DISK, 1.0)
    assert spent(shares) == {HeldBack.NETWORK: 2.0, HeldBack.DISK: 2.0}
    clock.advance(1.1)
    shares.add(HeldBack.OUR_LIMIT, 0.5)
    assert spent(shares) == {HeldBack.DISK: 2.0, HeldBack.OUR_LIMIT: 0.5}


def test_what_was_read_does_not_change(shares: TimeShares) -> None:
    before = shares.lately()
    shares.add(HeldBack.NETWORK, 1.0)
    assert not any(before.values())
