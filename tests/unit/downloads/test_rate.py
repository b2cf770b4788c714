"""How fast bytes come in."""

from peer_service.rate import RateMeter
from tests.clock import Clock


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    meter = RateMeter(clock)
    assert meter.rate == 0
    for _ in range(100):
        clock.advance(0.1)
        meter.add(1_000)
    assert 9_000 <= meter.rate <= 11_000
    clock.advance(1.5)
    assert 4_000 <= meter.rate <= 6_000
    clock.advance(10)
    assert meter.rate == 0


def test_the_first_bytes_are_not_overrated() -> None:
    clock = Clock()
    meter = RateMeter(clock)
    clock.advance(0.001)
    meter.add(1_000)
    assert meter.rate == 1_000
    clock.advance(1.999)
    assert meter.rate == 500
