"""What is granted is bound by time, ends where a piece does, and follows from what came before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peer_service.clients import Client
from peer_service.grants import Pace, expected_rate, grant
from tests.clock import Clock

MIB = 1 << 20
ANA, BERTA = Client("10.0.0.1", "1"), Client("10.0.0.1", "2")


@pytest.mark.parametrize(
    ("offset", "wanted", "piece", "rate", "others_wait", "granted"),
    [
        (0, 0, MIB, 10 * MIB, False, 0),
        (0, 5 * MIB, MIB, 10 * MIB, True, 5 * MIB),
        (7, 5, MIB, 10 * MIB, True, 5),
        (0, 1000 * MIB, MIB, 10 * MIB, False, 40 * MIB),
        (0, 40 * MIB, MIB, 10 * MIB, False, 40 * MIB),
        (0, 1000 * MIB, MIB, 10 * MIB, True, 20 * MIB),
        (5, 1000 * MIB, MIB, 10 * MIB, True, 20 * MIB - 5),
        (MIB - 1, 1000 * MIB, MIB, 10 * MIB, True, 20 * MIB + 1 - MIB),
        (0, 1000 * MIB, MIB, 900 * MIB, False, 256 * MIB),
        (0, 1000 * MIB, MIB, 900 * MIB, True, 64 * MIB),
        (0, 1000 * MIB, MIB, 1000, False, MIB),
        (MIB - 1, 1000 * MIB, MIB, 0, False, 1),
        (0, 1000 * MIB, 128 * MIB, 900 * MIB, True, 128 * MIB),
        (1, 1000 * MIB, 64 * MIB, 900 * MIB, True, 64 * MIB - 1),
    ],
)
def test_a_grant_is_what_is_wanted_or_ends_where_a_piece_does(
    offset: int, wanted: int, piece: int, rate: float, *, others_wait: bool, granted: int
) -> None:
    assert grant(offset, wanted, piece, rate=rate, others_wait=others_wait) == granted


@settings(deadline=None)
@given(
    offset=st.integers(0, 1 << 40),
    wanted=st.integers(1, 1 << 40),
    piece=st.sampled_from([MIB << shift for shift in range(8)]),
    rate=st.floats(0, 1e12),
    others_wait=st.booleans(),
)
def test_every_grant_keeps_the_rules_of_the_protocol(
    offset: int, wanted: int, piece: int, rate: float, others_wait: bool
) -> None:
    granted = grant(offset, wanted, piece, rate=rate, others_wait=others_wait)
    assert 0 < granted <= wanted
    if granted < wanted:
        assert (offset + granted) % piece == 0
        assert granted <= max(piece, 256 * MIB, 4 * rate)


@pytest.mark.parametrize(
    ("last", "limit", "uploads", "rate"),
    [
        (None, 0, 3, 16 * MIB),  # the first grant: 64 MiB
        (None, 8_000_000, 4, 2_000_000),
        (5e6, 0, 3, 5e6),
        (5e6, 8_000_000, 4, 5e6),
        (5e6, 1_000_000, 4, 1e6),  # the limit was lowered meanwhile
    ],
)
def test_the_rate_is_the_last_one_or_a_part_of_the_limit(
    last: float | None, limit: int, uploads: int, rate: float
) -> None:
    assert expected_rate(last, limit, uploads) == rate


def test_the_pace_is_measured_from_a_grant_to_the_next_request() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.asked(ANA) is None
    stream = pace.granted(ANA)
    stream.sent_bytes += 30
    clock.advance(2)
    stream.sent_bytes += 10
    clock.advance(2)
    assert pace.asked(ANA) == 10
    clock.advance(100)
    assert pace.asked(ANA) == 10  # it waited for a slot, and asked again
    assert pace.asked(BERTA) is None
    pace.granted(ANA).sent_bytes = 1
    clock.advance(1)
    assert pace.asked(ANA) == 1


def test_the_pace_of_a_bounded_number_of_clients_is_known() -> None:
    pace = Pace(Clock())
    others = [Client("10.0.0.2", str(number)) for number in range(3_000)]
    for client in (*others[:2_000], ANA, *others[2_000:2_600], ANA, *others[2_600:]):
        pace.granted(client).sent_bytes = 1
    assert len(pace._streams) == 1_000
    assert pace.asked(ANA)
    assert not pace.asked(others[0])
