"""Which piece is asked of whom when some have only a part, rule by rule."""

import random

import pytest

from peer_service.pieces import Run
from peer_service.transfer.pace import Pace
from peer_service.transfer.plan import Claim
from tests.plans import FAST, SLOW, a_plan, a_set, a_swarm, bring, run_of
from tests.videos import MIB


def test_the_rarest_pieces_go_first() -> None:
    plan = a_swarm(6, ana=[0, 1, 2, 3], eva=[0, 1, 2], luz=[5, 0])
    assert run_of(plan.claim("owner", {})) == range(4, 5)
    assert run_of(plan.claim("ana", {})) == range(3, 4)
    assert run_of(plan.claim("eva", {})) in (range(1, 2), range(2, 3))
    assert run_of(plan.claim("luz", {})) == range(5, 6)


def test_among_equally_rare_pieces_downloaders_choose_differently() -> None:
    begun = set()
    for seed in range(60):
        plan = a_plan(6, rng=random.Random(seed))
        plan.join("owner")
        plan.join("ana", a_set(6, [2]))
        begun.add(run_of(plan.claim("owner", {})).start)
    assert begun == {0, 1, 3, 4, 5}


def test_copies_are_counted() -> None:
    plan = a_swarm(3, ana=[2], eva=[1, 2])
    assert run_of(plan.claim("owner", {})) == range(1)
    plan.release("owner")
    plan.gained("eva", [0, 0])  # said twice
    plan.gained("eva", [0])
    assert run_of(plan.claim("owner", {})) == range(1)
    plan.release("owner")
    plan.gained("ana", [0])
    assert run_of(plan.claim("owner", {})) == range(1, 2)


def test_copies_of_one_who_left_are_gone() -> None:
    plan = a_swarm(3, ana=[0], eva=[0, 1], luz=[2])
    assert run_of(plan.claim("owner", {})) == range(1, 2)
    plan.release("owner")
    plan.leave("ana")
    assert run_of(plan.claim("owner", {})) == range(1)


@pytest.mark.parametrize(
    ("pace", "length"),
    [(Pace(None), 1), (Pace(0), 1), (Pace(2.6 * MIB), 3), (Pace(99.0 * MIB), 5)],
)
def test_a_run_takes_about_a_second_and_stays_equally_rare(pace: Pace, length: int) -> None:
    plan = a_swarm(9, ana=[5, 6, 7, 8])
    assert run_of(plan.claim("owner", {"owner": pace})) == range(length)


def test_a_run_ends_before_what_is_claimed_or_there() -> None:
    plan = a_swarm(9, ana=[3])
    plan.received("ana", 6)
    assert run_of(plan.claim("ana", {})) == range(3, 4)
    assert run_of(plan.claim("owner", {"owner": FAST})) == range(3)
    bring(plan, "owner", range(3))
    assert run_of(plan.claim("owner", {"owner": FAST})) == range(4, 6)


def test_a_source_goes_on_where_nobody_followed() -> None:
    for seed in range(20):
        plan = a_plan(20, rng=random.Random(seed))
        plan.join("owner")
        plan.join("ana", a_set(20, [0]))
        plan.received("owner", 7)
        assert run_of(plan.claim("owner", {})) == range(8, 9)


def test_where_others_brought_the_same_a_source_goes_elsewhere() -> None:
    begun = set()
    for seed in range(20):
        plan = a_plan(20, rng=random.Random(seed))
        plan.join("owner")
        plan.join("ana", a_set(20, [7]))
        plan.received("owner", 7)
        begun.add(run_of(plan.claim("owner", {})).start)
    assert len(begun) > 5


def test_long_runs_are_cut_when_a_swarm_begins() -> None:
    plan = a_plan(20)
    plan.join("owner")
    plan.claim("owner", {})
    bring(plan, "owner", range(2))
    plan.join("ana", a_set(20, [9, 15]))
    paces = {"owner": Pace(3.0 * MIB)}
    assert run_of(plan.claim("ana", paces)) in (range(9, 10), range(15, 16))
    assert [plan.received("owner", piece) for piece in range(2, 5)] == [True, True, False]


def test_a_swarm_is_over_when_all_have_everything() -> None:
    plan = a_swarm(9, ana=range(8))
    plan.gained("ana", [8])
    assert run_of(plan.claim("ana", {})) == range(9)


def test_a_swarm_is_over_when_those_who_lack_some_leave() -> None:
    plan = a_swarm(9, ana=range(8))
    plan.leave("ana")
    assert run_of(plan.claim("owner", {})) == range(9)


@pytest.mark.parametrize(
    ("owner_is_needed", "rate", "takes"),
    [(True, 0.6, True), (True, 0.4, False), (False, 1.9, False), (False, 2.1, True)],
)
def test_an_owner_is_freed_for_what_others_lack(
    owner_is_needed: bool, rate: float, takes: bool
) -> None:
    plan = a_swarm(3, ana=[])
    if not owner_is_needed:
        bring(plan, "owner", [1, 2])
    assert run_of(plan.claim("owner", {})) == range(1)
    plan.gained("ana", [0])
    paces = {"owner": Pace(1.0 * MIB), "ana": Pace(rate * MIB)}
    assert plan.claim("ana", paces) == (Claim(Run(0, 1), "owner") if takes else None)


def test_one_who_has_a_part_is_not_freed_for_others() -> None:
    plan = a_swarm(3, ana=[0], eva=[0])
    assert run_of(plan.claim("eva", {})) == range(1)
    assert plan.claim("ana", {"eva": SLOW, "ana": SLOW}) is None
