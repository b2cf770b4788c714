"""Plans for tests: pieces of 1 MiB, and chance that is none."""

import random
from collections.abc import Iterable

from peer_service.pieces import PieceSet
from peer_service.transfer.pace import Pace
from peer_service.transfer.plan import Claim, Plan
from tests.videos import MIB
from videoteca_core.manifest import Manifest

SLOW, FAST = Pace(1.0 * MIB), Pace(10.0 * MIB)


class First(random.Random):
    """Chance that always takes the first."""

    def getrandbits(self, _bits: int, /) -> int:
        return 0


def a_set(count: int, pieces: Iterable[int]) -> PieceSet:
    made = PieceSet(count)
    for piece in pieces:
        made.add(piece)
    return made


def a_plan(count: int, *, there: Iterable[int] = (), rng: random.Random | None = None) -> Plan[str]:
    manifest = Manifest(count * MIB, bytes(32 * count))
    return Plan(manifest, a_set(count, there), rng or First())


def run_of(claim: Claim[str] | None) -> range:
    assert claim
    return range(claim.run.first, claim.run.first + claim.run.count)


def bring(plan: Plan[str], source: str, pieces: Iterable[int]) -> None:
    for piece in pieces:
        plan.received(source, piece)


def a_swarm(count: int, **has: Iterable[int]) -> Plan[str]:
    """An owner of everything, and those who have some pieces."""
    plan = a_plan(count)
    plan.join("owner")
    for source, pieces in has.items():
        plan.join(source, a_set(count, pieces))
    return plan
