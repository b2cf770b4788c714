from ipaddress import ip_address

import pytest

from tests.clock import Clock
from tracker_service.dialback import Pace

ANA, EVA = ip_address("10.0.0.1"), ip_address("10.0.0.2")


def test_each_callers_dials_are_spread_over_time() -> None:
    clock = Clock(0)
    pace = Pace(a_second=10, max_delay_seconds=1, clock=clock)
    assert [pace.delay(ANA) for _ in range(3)] == pytest.approx([0, 0.1, 0.2])
    assert pace.delay(EVA) == 0
    clock.advance(0.25)
    assert pace.delay(ANA) == pytest.approx(0.05)
    clock.advance(60)
    assert pace.delay(ANA) == 0


def test_what_would_wait_too_long_is_refused_until_there_is_room() -> None:
    clock = Clock(0)
    pace = Pace(a_second=10, max_delay_seconds=1, clock=clock)
    delays = [pace.delay(ANA) for _ in range(20)]
    assert delays[-1] is None
    assert max(delay for delay in delays if delay is not None) <= 1
    clock.advance(0.5)
    assert pace.delay(ANA) is not None


def test_callers_of_long_ago_are_forgotten() -> None:
    clock = Clock(0)
    pace = Pace(a_second=10, max_delay_seconds=1, clock=clock)
    for number in range(5_000):
        pace.delay(ip_address(number))
        clock.advance(1)
    assert len(pace._free_at) <= 1_001
