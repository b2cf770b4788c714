"""A plan through all that sources may do: every piece is asked for, and of one source at a time."""

import random
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peer_service.pieces import PieceSet
from peer_service.transfer.pace import Pace
from peer_service.transfer.plan import Plan
from tests.videos import MIB
from videoteca_core.manifest import Manifest

RATES = (None, 0, 1.0 * MIB, 3.0 * MIB, 9.0 * MIB, 30.0 * MIB)
MAX_PIECES = 24
MAX_SOURCES = 5
PIECES = st.integers(0, MAX_PIECES - 1)
PLACES = st.integers(0, MAX_SOURCES - 1)


@dataclass
class Stream:
    """What a source was asked for, and what of it is next."""

    piece: int
    end: int
    has_begun: bool = False


class PlanMachine(RuleBasedStateMachine):
    """Sources come, gain, bring, fail and go.

    A source with a stream brings the pieces in order, until it is told that the next one is not
    its own, or that its piece was taken over. Then it may still bring the piece that was on its
    way: such pieces are ``late``.
    """

    @initialize(
        count=st.integers(0, MAX_PIECES) | st.just(MAX_PIECES),
        there=st.sets(PIECES, max_size=4),
        short=st.integers(0, MIB - 1),
        is_swarm=st.booleans(),
        seed=st.integers(0, 99),
    )
    def begin(self, count: int, there: set[int], short: int, is_swarm: bool, seed: int) -> None:
        self.is_swarm = is_swarm
        self.everything = frozenset(range(count))
        self.there = there & self.everything
        self.sources: dict[int, set[int]] = {}
        self.rates: dict[int, float | None] = {}
        self.streams: dict[int, Stream] = {}
        self.late: list[tuple[int, int]] = []
        self.came_late: set[int] = set()
        self.joined = 0
        self.rng = random.Random(seed)
        self.manifest = Manifest(count * MIB - (short if count else 0), bytes(32 * count))
        self.plan: Plan[int] = Plan(self.manifest, self.a_set(self.there), self.rng)
        self.join(set(), all_but=True)
        self.join(there, all_but=False)
        self.rates[0] = RATES[-1]  # long runs, also in a swarm

    # What happens

    @precondition(lambda self: len(self.sources) < MAX_SOURCES)
    @rule(pieces=st.sets(PIECES), all_but=st.booleans())
    def join(self, pieces: set[int], all_but: bool) -> None:
        source, self.joined = self.joined, self.joined + 1
        has = self.everything
        if self.is_swarm:
            has = has - pieces if all_but else has & pieces
        self.sources[source] = set(has)
        self.rates[source] = self.rng.choice(RATES)
        self.plan.join(source, None if has == self.everything else self.a_set(has))

    @rule(at=PLACES, pieces=st.lists(PIECES, max_size=6))
    def gain(self, at: int, pieces: Iterable[int]) -> None:
        source = self.pick(self.sources, at)
        gained = [piece for piece in pieces if piece in self.everything]
        self.sources[source].update(gained)
        self.plan.gained(source, gained)

    @precondition(lambda self: self.streams)
    @rule(at=PLACES, of=PLACES)
    def gain_what_another_is_asked_for(self, at: int, of: int) -> None:
        stream = self.streams[self.pick(self.streams, of)]
        self.gain(at, range(stream.piece, stream.end))

    @rule(at=PLACES, rate=st.sampled_from(RATES))
    def change_pace(self, at: int, rate: float | None) -> None:
        self.rates[self.pick(self.sources, at)] = rate

    @precondition(lambda self: len(self.sources) > 1)
    @rule(at=PLACES)
    def leave(self, at: int) -> None:
        source = self.pick(self.sources, at)
        del self.sources[source]
        self.cut_off(source)
        self.plan.leave(source)

    @precondition(lambda self: self.streams)
    @rule(at=PLACES)
    def end_stream(self, at: int) -> None:
        source = self.pick(self.streams, at)
        self.cut_off(source)
        self.plan.release(source)

    @precondition(lambda self: self.sources.keys() - self.streams)
    @rule(at=PLACES)
    def ask_one(self, at: int) -> None:
        self.ask(self.pick(self.sources.keys() - self.streams, at))

    @rule()
    def ask_all(self) -> None:
        for source in self.sources:
            if source not in self.streams:
                self.ask(source)

    @precondition(lambda self: any(not stream.has_begun for stream in self.streams.values()))
    @rule(at=PLACES, count=st.integers(1, 9))
    def grant(self, at: int, count: int) -> None:
        waiting = {source for source, stream in self.streams.items() if not stream.has_begun}
        source = self.pick(waiting, at)
        stream = self.streams[source]
        stream.has_begun = True
        stream.end = min(stream.end, stream.piece + count)
        self.plan.granted(source, count)

    @precondition(lambda self: self.streams)
    @rule(at=PLACES, count=st.integers(1, 5))
    def bring(self, at: int, count: int) -> None:
        source = self.pick(self.streams, at)
        for _ in range(count):
            if source in self.streams:
                self.receive(source)

    @rule(order=st.lists(PLACES, min_size=5, max_size=15))
    def work(self, order: list[int]) -> None:
        for at in order:
            source = self.pick(self.sources, at)
            if source in self.streams:
                self.receive(source)
            else:
                self.ask(source)

    @precondition(lambda self: self.late)
    @rule(at=PLACES)
    def bring_late(self, at: int) -> None:
        source, piece = self.late.pop(at % len(self.late))
        self.there.add(piece)
        self.came_late.add(piece)
        self.plan.received(source, piece)

    # What must hold

    @invariant()
    def every_missing_piece_is_claimed_by_one_who_has_it_or_free(self) -> None:
        claimed: list[int] = []
        for source, claim in self.plan._claimed.items():
            assert claim.first < claim.end
            claimed += range(claim.first, claim.end)
            assert set(range(claim.first, claim.end)) <= self.sources[source]
        assert sorted([*claimed, *self.free]) == sorted(self.everything - self.there)

    @invariant()
    def who_claims_something_is_bringing_it(self) -> None:
        for source, claim in self.plan._claimed.items():
            stream = self.streams[source]
            skipped = set(range(stream.piece, claim.first))
            assert skipped <= self.there  # brought late by another
            assert claim.end <= stream.end

    @invariant()
    def it_knows_what_is_there(self) -> None:
        assert self.plan.is_complete == (self.there == self.everything)

    def teardown(self) -> None:
        """Those who are there bring all that they have, and then one who has everything."""
        if hasattr(self, "plan"):
            had = set().union(*self.sources.values())
            for _ in range(len(self.everything) * MAX_SOURCES):
                if had <= self.there:
                    break
                self.ask_all()
                for source in list(self.streams):
                    self.receive(source)
                self.every_missing_piece_is_claimed_by_one_who_has_it_or_free()
            assert had <= self.there
            self.join(set(), all_but=True)
            for _ in self.everything:
                self.ask_all()
                for source in list(self.streams):
                    self.receive(source)
            assert self.plan.is_complete

    # How it happens

    def ask(self, source: int) -> None:
        """See what a source is to be asked for."""
        has, free = self.sources[source], self.free
        claim = self.plan.claim(source, {each: self.pace(each) for each in self.sources})
        if claim is None:
            assert not free & has
            return
        run = range(claim.run.first, claim.run.first + claim.run.count)
        assert set(run) <= has - self.there
        if free & has:
            assert {self.copies(piece) for piece in run} == {min(map(self.copies, free & has))}
        if claim.revoked is not None:
            assert self.streams[claim.revoked].piece <= run.start
            self.cut_off(claim.revoked)
        current = {stream.piece for stream in self.streams.values()} - self.there
        assert not current.intersection(run)
        self.streams[source] = Stream(run.start, run.stop)

    def receive(self, source: int) -> None:
        """A source brings the next piece of its stream."""
        stream = self.streams[source]
        piece, stream.piece, stream.has_begun = stream.piece, stream.piece + 1, True
        assert piece not in self.there or piece in self.came_late
        self.there.add(piece)
        if self.plan.received(source, piece):
            assert stream.piece < stream.end
            assert stream.piece not in self.there
        else:
            del self.streams[source]
            self.plan.release(source)

    def cut_off(self, source: int) -> None:
        """A stream ends; what is on its way may come all the same."""
        if stream := self.streams.pop(source, None):
            self.late.append((source, stream.piece))

    # What is known

    @property
    def free(self) -> set[int]:
        return {piece for piece, flag in enumerate(self.plan._free) if flag}

    def copies(self, piece: int) -> int:
        return sum(piece in has for has in self.sources.values())

    def pace(self, source: int) -> Pace:
        stream = self.streams.get(source)
        length = self.manifest.piece_range(stream.piece)[1] if stream else 0
        return Pace(self.rates[source], int(length * self.rng.random()))

    def pick(self, sources: Iterable[int], at: int) -> int:
        ordered = sorted(sources)
        return ordered[at % len(ordered)]

    def a_set(self, pieces: AbstractSet[int]) -> PieceSet:
        return PieceSet.from_bytes(bytes(piece in pieces for piece in sorted(self.everything)))


TestPlan = PlanMachine.TestCase
TestPlan.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
