"""Whatever comes and goes, nobody who waits has less than its part, or has to wait for long."""

from hypothesis import given, settings
from hypothesis import strategies as st

from peer_service.fairness import Share

CHUNK = 10.0

# For each address its connections, and for each of those its streams.
TREES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=4)


def streams_of(whole: Share, tree: list[list[int]]) -> dict[Share, tuple[int, int]]:
    """The streams, and of which address and connection each is."""
    return {
        whole.part(address).part(connection).part(number): (address, connection)
        for address, connections in enumerate(tree)
        for connection, count in enumerate(connections)
        for number in range(count)
    }


def give_turn(whole: Share, credit: float = 0.0) -> Share:
    """The next turn, after which its stream waits again."""
    stream = whole.next()
    stream.stop_waiting()
    stream.take(CHUNK)
    stream.wait(credit)
    return stream


@settings(deadline=None)
@given(tree=TREES, turns=st.integers(1, 200))
def test_all_who_wait_all_the_time_have_the_same(tree: list[list[int]], turns: int) -> None:
    whole = Share()
    streams = streams_of(whole, tree)
    for stream in streams:
        stream.wait(0)
    for _ in range(turns):
        give_turn(whole)
    for parts in (
        whole.parts.values(),
        *(address.parts.values() for address in whole.parts.values()),
        *(it.parts.values() for address in whole.parts.values() for it in address.parts.values()),
    ):
        had = [part.had for part in parts]
        assert max(had) - min(had) <= CHUNK


@settings(deadline=None)
@given(
    tree=TREES,
    steps=st.lists(st.tuples(st.integers(0, 47), st.booleans()), max_size=80),
)
def test_the_turn_is_always_one_s_who_waits(
    tree: list[list[int]], steps: list[tuple[int, bool]]
) -> None:
    whole = Share()
    streams = list(streams_of(whole, tree))
    waiting: set[Share] = set()
    for number, comes in steps:
        stream = streams[number % len(streams)]
        if comes and stream not in waiting:
            stream.wait(CHUNK)
            waiting.add(stream)
        elif not comes and stream in waiting:
            stream.stop_waiting()
            waiting.remove(stream)
        assert whole.waiting == len(waiting)
        if waiting:
            assert give_turn(whole) in waiting
    for stream in streams:
        stream.leave()
    assert not whole.parts


@settings(deadline=None)
@given(before=st.integers(0, 50), away=st.integers(0, 50), credit=st.sampled_from([0.0, 3 * CHUNK]))
def test_who_comes_new_or_comes_back_does_not_hold_up_the_others(
    before: int, away: int, credit: float
) -> None:
    whole = Share()
    first, second = (whole.part(name).part(1).part(1) for name in "ab")
    first.wait(0)
    for _ in range(before):
        give_turn(whole)
    second.wait(credit)
    give_turn(whole)
    second.stop_waiting()
    for _ in range(away):
        assert give_turn(whole) is first
    second.wait(credit)
    in_a_row = 0
    while give_turn(whole, credit) is second:
        in_a_row += 1
    assert in_a_row <= credit / CHUNK + 2


def test_what_was_missed_lately_is_made_up_for() -> None:
    whole, credit = Share(), 5 * CHUNK
    first, second = (whole.part(name).part(1).part(1) for name in "ab")
    first.wait(credit)
    second.wait(credit)
    for _ in range(10):
        give_turn(whole, credit)
    second.stop_waiting()
    for _ in range(3):
        assert give_turn(whole, credit) is first
    second.wait(credit)
    assert [give_turn(whole, credit) for _ in range(3)] == [second] * 3


def test_who_is_new_has_missed_nothing() -> None:
    whole, credit = Share(), 5 * CHUNK
    first = whole.part("a").part(1).part(1)
    first.wait(credit)
    for _ in range(10):
        give_turn(whole, credit)
    new = whole.part("b").part(1).part(1)
    new.wait(credit)
    assert [give_turn(whole, credit) for _ in range(4)].count(new) == 2
