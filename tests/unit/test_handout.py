import random
from collections import Counter

from tracker_service.handout import ordered
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import HoldingState, Source


def source(name: str, state: HoldingState = HoldingState.COMPLETE) -> Source:
    return Source(name, state, (Endpoint("10.0.0.1", 1030),))


def test_sources_that_have_everything_come_first() -> None:
    sources = [source("p1", HoldingState.PARTIAL), source("c"), source("p2", HoldingState.PARTIAL)]
    for seed in range(20):
        first, *others = ordered(sources, random.Random(seed), limit=3)
        assert first.peer_name == "c"
        assert {other.peer_name for other in others} == {"p1", "p2"}


def test_equals_take_turns_at_the_front() -> None:
    chance = random.Random(7)
    sources = [source(str(number)) for number in range(4)]
    firsts = Counter(ordered(sources, chance, limit=1)[0].peer_name for _ in range(4_000))
    assert all(800 < count < 1_200 for count in firsts.values())
    assert len(firsts) == 4


def test_no_more_than_the_limit_and_those_with_everything_are_kept() -> None:
    partial = [source(f"p{number}", HoldingState.PARTIAL) for number in range(100)]
    best = ordered([*partial, source("c")], random.Random(1), limit=50)
    assert len(best) == 50
    assert best[0].peer_name == "c"


def test_no_source_is_an_answer() -> None:
    assert ordered([], random.Random(1), limit=50) == ()
