"""Which piece is asked of which source, rule by rule: what is free, and what others have."""

import random
import weakref

import pytest

from peer_service.pieces import PieceSet, Run
from peer_service.transfer.pace import Pace
from peer_service.transfer.plan import Claim, Plan
from tests.plans import FAST, SLOW, First, a_plan, a_set, a_swarm, bring, run_of
from tests.videos import MIB
from videoteca_core.manifest import Manifest

# One source, or several that have everything and have not met


def test_one_source_is_asked_for_everything_once_from_a_random_piece_on() -> None:
    plan = a_plan(20, rng=random.Random(7))
    plan.join("ana")
    late = run_of(plan.claim("ana", {}))
    assert late.stop == 20
    assert [plan.received("ana", piece) for piece in late] == [True] * (len(late) - 1) + [False]
    early = run_of(plan.claim("ana", {}))
    assert early == range(late.start)
    bring(plan, "ana", early)
    assert plan.is_complete
    assert plan.claim("ana", {}) is None


def test_downloaders_begin_at_different_pieces() -> None:
    begun = set()
    for seed in range(40):
        plan = a_plan(8, there=[0, 5], rng=random.Random(seed))
        plan.join("ana")
        run = run_of(plan.claim("ana", {}))
        assert run.stop == (5 if run.start < 5 else 8)
        begun.add(run.start)
    assert begun == {1, 2, 3, 4, 6, 7}


def test_after_the_first_claim_the_longest_free_stretch_goes_first() -> None:
    plan = a_plan(12, there=[2, 6])
    for source in ("ana", "eva", "luz"):
        plan.join(source)
    assert run_of(plan.claim("ana", {})) == range(2)
    assert run_of(plan.claim("eva", {})) == range(7, 12)
    assert run_of(plan.claim("luz", {})) == range(3, 6)


def test_what_was_not_granted_is_free() -> None:
    plan = a_plan(10)
    plan.join("ana")
    plan.join("eva")
    plan.claim("ana", {})
    plan.granted("ana", 4)
    assert run_of(plan.claim("eva", {})) == range(4, 10)
    assert [plan.received("ana", piece) for piece in range(4)] == [True, True, True, False]


def test_what_a_stream_did_not_bring_is_free_when_it_ends() -> None:
    plan = a_plan(10)
    plan.join("ana")
    plan.claim("ana", {})
    bring(plan, "ana", range(3))
    plan.release("ana")
    assert run_of(plan.claim("ana", {})) == range(3, 10)


def test_what_a_source_that_leaves_had_claimed_is_free() -> None:
    plan = a_plan(10)
    plan.join("ana")
    plan.join("eva")
    plan.claim("ana", {})
    plan.leave("ana")
    assert run_of(plan.claim("eva", {})) == range(10)


def test_calls_about_a_source_that_left_are_harmless() -> None:
    plan = a_plan(3)
    plan.join("ana")
    plan.claim("ana", {})
    plan.leave("ana")
    plan.leave("ana")
    plan.granted("ana", 1)
    plan.gained("ana", [1])
    plan.release("ana")
    assert not plan.received("ana", 0)
    assert plan.claim("ana", {}) is None
    plan.join("eva")
    assert run_of(plan.claim("eva", {})) == range(1, 3)


def test_a_source_has_one_run_at_a_time() -> None:
    plan = a_plan(3)
    plan.join("ana")
    plan.claim("ana", {})
    with pytest.raises(AssertionError):
        plan.claim("ana", {})


def test_an_empty_video_is_complete() -> None:
    plan = a_plan(0)
    plan.join("ana")
    assert plan.is_complete
    assert plan.claim("ana", {}) is None


def test_sets_are_copied() -> None:
    there, has = a_set(2, []), a_set(2, [0])
    plan: Plan[str] = Plan(Manifest(2 * MIB, bytes(64)), there, random.Random(0))
    plan.join("ana", has)
    there.add(0)
    has.add(1)
    assert run_of(plan.claim("ana", {})) == range(1)
    bring(plan, "ana", [0])
    assert there == a_set(2, [0])
    assert has == a_set(2, [0, 1])
    assert plan.claim("ana", {}) is None


def test_nothing_of_one_who_has_left_is_kept() -> None:
    class Member:
        pass

    plan: Plan[Member] = Plan(Manifest(2 * MIB, bytes(32 * 2)), PieceSet(2), First())
    slow, fast = Member(), Member()
    plan.join(slow)
    plan.claim(slow, {})
    plan.received(slow, 0)
    plan.join(fast)
    claim = plan.claim(fast, {slow: SLOW, fast: FAST})
    assert claim
    assert claim.revoked is slow
    plan.leave(slow)
    left = weakref.ref(slow)
    del slow, claim
    assert left() is None


# Nothing is free: a share of what another one has not begun


@pytest.mark.parametrize(
    ("slow", "fast", "expected"),
    [
        (SLOW, SLOW, range(11, 21)),
        (Pace(1.0), Pace(3.0), range(6, 21)),
        (Pace(None), Pace(None), range(11, 21)),
        (Pace(None), Pace(5.0), range(11, 21)),  # the mean of those that are known
        (Pace(1.0), Pace(1000.0), range(1, 21)),
        (Pace(15.0), Pace(1.0), range(20, 21)),
        (Pace(0), SLOW, range(1, 21)),
    ],
)
def test_the_end_of_a_run_is_shared_by_what_both_can_do(
    slow: Pace, fast: Pace, expected: range
) -> None:
    plan = a_plan(21)
    plan.join("ana")
    plan.join("eva")
    plan.claim("ana", {})
    assert run_of(plan.claim("eva", {"ana": slow, "eva": fast})) == expected
    mine = range(expected.start)
    assert [plan.received("ana", piece) for piece in mine] == [True] * (len(mine) - 1) + [False]


def test_the_one_who_would_need_longest_is_helped() -> None:
    plan = a_plan(30)
    for source in ("ana", "eva", "luz"):
        plan.join(source)
    plan.claim("ana", {})
    plan.granted("ana", 20)
    assert run_of(plan.claim("eva", {})) == range(20, 30)
    paces = {"ana": FAST, "eva": SLOW, "luz": SLOW}
    assert run_of(plan.claim("luz", paces)) == range(26, 30)  # half of the 9 that are not begun


def test_nothing_is_taken_from_one_who_is_done_sooner() -> None:
    plan = a_plan(5)
    plan.join("ana")
    plan.join("eva")
    plan.claim("ana", {})
    paces = {"ana": Pace(5.1 * MIB), "eva": SLOW}
    assert plan.claim("eva", paces) is None
    paces = {"ana": Pace(4.9 * MIB), "eva": SLOW}
    assert run_of(plan.claim("eva", paces)) == range(4, 5)


def test_what_came_of_a_piece_counts() -> None:
    plan = a_plan(2)
    plan.join("ana")
    plan.join("eva")
    plan.claim("ana", {})
    assert plan.claim("eva", {"ana": Pace(1.6 * MIB, MIB // 2), "eva": SLOW}) is None
    assert run_of(plan.claim("eva", {"ana": Pace(1.6 * MIB), "eva": SLOW})) == range(1, 2)


def test_one_who_has_a_part_takes_the_last_pieces_that_it_has_and_frees_those_behind() -> None:
    plan = a_swarm(30, ana=[], eva=[])
    paces = {"owner": Pace(24.0 * MIB), "ana": Pace(3.0 * MIB)}
    assert run_of(plan.claim("owner", paces)) == range(24)
    plan.gained("ana", [0, 3, 4, 10, 11, 12, 13])
    assert run_of(plan.claim("ana", paces)) == range(11, 14)
    plan.gained("eva", [12, 14])
    assert run_of(plan.claim("eva", paces)) == range(14, 15)
    assert [plan.received("owner", piece) for piece in range(11)] == [True] * 10 + [False]


def test_one_who_has_a_part_takes_no_more_than_it_has() -> None:
    plan = a_swarm(9, ana=[])
    paces = {"owner": FAST, "ana": Pace(90.0 * MIB)}
    assert run_of(plan.claim("owner", paces)) == range(9)
    plan.gained("ana", [2, 3, 4, 6, 7])
    assert run_of(plan.claim("ana", paces)) == range(6, 8)


# Only current pieces of others are left


def two_with_one_piece_left() -> Plan[str]:
    """Ana brings the last piece, and Eva has nothing to do."""
    plan = a_plan(4, there=[0, 1, 2])
    plan.join("ana")
    plan.join("eva")
    plan.claim("ana", {})
    return plan


@pytest.mark.parametrize(
    ("ana", "takes"),
    [
        (Pace(1.0 * MIB), True),
        (Pace(6.0 * MIB), False),
        (Pace(1.0 * MIB, MIB * 7 // 10), True),
        (Pace(1.0 * MIB, MIB * 9 // 10), False),
        (Pace(0), True),
        (Pace(None), False),
    ],
)
def test_a_current_piece_is_taken_over_by_one_twice_as_fast(ana: Pace, takes: bool) -> None:
    plan = two_with_one_piece_left()
    expected = Claim(Run(3, 1), "ana") if takes else None
    assert plan.claim("eva", {"ana": ana, "eva": FAST}) == expected
    assert plan.received("ana", 3) is False
    assert plan.is_complete


def test_the_slowest_current_piece_is_taken_over() -> None:
    plan = a_plan(3)
    for source in ("ana", "eva", "luz"):
        plan.join(source)
    plan.claim("ana", {})
    plan.granted("ana", 1)
    plan.claim("eva", {})
    plan.granted("eva", 1)
    plan.claim("luz", {})
    plan.received("luz", 2)
    paces = {"ana": Pace(1.0 * MIB, MIB // 2), "eva": SLOW, "luz": FAST}
    assert plan.claim("luz", paces) == Claim(Run(1, 1), "eva")


def test_what_is_behind_a_piece_that_was_taken_over_is_free() -> None:
    plan = a_plan(3)
    plan.join("ana")
    plan.claim("ana", {})
    plan.join("eva", a_set(3, [0]))
    paces = {"ana": SLOW, "eva": FAST}
    plan.join("luz", a_set(3, []))
    assert plan.claim("eva", paces) == Claim(Run(0, 1), "ana")
    assert run_of(plan.claim("ana", paces)) in (range(1, 2), range(2, 3))


def test_a_piece_is_not_taken_back() -> None:
    plan = two_with_one_piece_left()
    assert plan.claim("eva", {"ana": SLOW, "eva": FAST})
    assert plan.claim("ana", {"ana": FAST, "eva": Pace(0)}) is None
    plan.join("luz")
    assert plan.claim("luz", {"ana": FAST, "eva": Pace(0)}) == Claim(Run(3, 1), "eva")
    plan.release("luz")
    assert plan.claim("ana", {}) == Claim(Run(3, 1))


def test_one_who_lost_its_piece_may_bring_it_all_the_same() -> None:
    plan = two_with_one_piece_left()
    plan.claim("eva", {"ana": SLOW, "eva": FAST})
    assert plan.received("ana", 3) is False
    assert plan.is_complete
    assert plan.received("eva", 3) is False
    plan.release("ana")
    plan.release("eva")
    assert plan.claim("eva", {}) is None


def test_one_who_brings_a_piece_late_may_have_been_asked_for_others() -> None:
    plan = a_plan(4, there=[1, 2])
    plan.join("ana")
    plan.join("eva")
    plan.claim("ana", {})
    plan.claim("eva", {})
    plan.release("ana")
    plan.release("eva")
    assert run_of(plan.claim("eva", {})) == range(1)
    assert run_of(plan.claim("ana", {})) == range(3, 4)
    assert plan.received("ana", 0) is False
    assert plan.received("eva", 0) is False
    assert plan.received("ana", 3) is False
    assert plan.is_complete


def test_what_is_granted_counts_from_what_was_asked_for() -> None:
    plan = a_plan(10)
    plan.join("ana")
    plan.claim("ana", {})
    bring(plan, "late", [0, 1, 2])
    plan.granted("ana", 5)
    assert [plan.received("ana", piece) for piece in range(5)] == [False, False, True, True, False]
    assert run_of(plan.claim("ana", {})) == range(5, 10)
    bring(plan, "late", [5, 6])
    plan.granted("ana", 1)
    assert run_of(plan.claim("ana", {})) == range(7, 10)


def test_a_piece_that_came_late_is_skipped_by_the_one_who_was_to_bring_it() -> None:
    plan = a_plan(10)
    plan.join("ana")
    plan.claim("ana", {})
    plan.leave("ana")
    plan.join("eva")
    assert run_of(plan.claim("eva", {})) == range(10)
    plan.received("ana", 0)
    assert plan.received("eva", 0) is True
    plan.received("ana", 5)
    assert [plan.received("eva", piece) for piece in range(1, 5)] == [True, True, True, False]
    assert run_of(plan.claim("eva", {})) == range(6, 10)
