"""What a plan is good for: nobody waits for the slowest, and a swarm for its owner only once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peer_service.pieces import PieceSet
from tests.simulation import Simulation
from tests.videos import MIB

# From 100 kB/s to 100 MB/s, evenly over the orders of magnitude.
RATES = st.lists(st.floats(5, 8).map(lambda power: 10**power), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(rates=RATES, size=st.integers(1, 64 * MIB), seed=st.integers(0, 99))
def test_the_last_pieces_do_not_wait_for_the_slowest(
    rates: list[float], size: int, seed: int
) -> None:
    size += 2 * len(rates) * MIB
    simulation = Simulation(size, seed=seed)
    receiver = simulation.receiver("ana", 0)
    owners = [simulation.owner(str(number), rate) for number, rate in enumerate(rates)]
    for owner in owners:
        simulation.connect(receiver, owner)
    at_best, a_piece = size / sum(rates), MIB / max(rates)
    simulation.run(at_best + 6 * a_piece)
    # Of each source at most one piece is taken over and sent again.
    assert sum(owner.sent_bytes for owner in owners) < size + len(owners) * MIB


def test_sources_that_stop_sending_hold_nothing_up() -> None:
    simulation = Simulation(64 * MIB, seed=0)
    receiver = simulation.receiver("ana", 0)
    owners = [simulation.owner(name, 4.0 * MIB) for name in ("eva", "luz", "paz", "sol")]
    for owner in owners:
        simulation.connect(receiver, owner)
    while simulation.clock.now < 1:
        simulation.step()
    for owner in owners[1:]:
        owner.rate = 1
    simulation.run(1 + (64 - 4 * 3 + 1) / 4)


@settings(max_examples=30, deadline=None)
@given(
    fast=st.floats(1, 100),
    slow=st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
    first=st.integers(0, 63),
    end=st.integers(1, 64),
    seed=st.integers(0, 99),
)
def test_slow_sources_of_a_part_do_not_hold_up_an_owner(
    fast: float, slow: list[float], first: int, end: int, seed: int
) -> None:
    simulation = Simulation(64 * MIB, seed=seed)
    receiver = simulation.receiver("ana", 0)
    owner = simulation.owner("owner", fast * MIB)
    simulation.connect(receiver, owner)
    part = PieceSet.from_bytes(bytes(first <= piece < end for piece in range(64)))
    for number, rate in enumerate(slow):
        simulation.connect(receiver, simulation.owner(str(number), rate * MIB, part))
    simulation.run((64 + 10) / fast)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_owner_sends_a_swarm_little_more_than_one_copy(seed: int) -> None:
    size, rate = 256 * MIB, 20.0 * MIB
    simulation = Simulation(size, seed=seed)
    owner = simulation.owner("owner", rate)
    receivers = [simulation.receiver(str(number), rate) for number in range(8)]
    for receiver in receivers:
        for source in (owner, *receivers):
            if source is not receiver:
                simulation.connect(receiver, source)
    simulation.run(1.2 * size / rate)
    assert owner.sent_bytes < 1.15 * size
    assert sum(source.sent_bytes for source in (owner, *receivers)) < 8.2 * size
