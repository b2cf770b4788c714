"""A plan through all that sources may do: every piece is asked for, and of one source at a time."""

import random
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peer_service.pieces import PieceSet
from peer_service.transfer.pace import Pace
from peer_service.transfer.plan import Plan
from tests.videos import MIB
from videoteca_core.manifest import Manifest

RATES = st.sampled_from((None, 0, 1_000.0, 1e6, 3e6, 100e6))
MAX_SOURCES = 6


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
        there=st.lists(st.booleans(), max_size=24),
        short=st.integers(0, MIB - 1),
        seed=st.integers(0, 99),
    )
    def begin(self, there: list[bool], short: int, seed: int) -> None:
        self.count = len(there)
        self.there = {piece for piece, flag in enumerate(there) if flag}
        self.sources: dict[int, set[int]] = {}
        self.streams: dict[int, Stream] = {}
        self.late: list[tuple[int, int]] = []
        self.came_late: set[int] = set()
        self.paces: dict[int, Pace] = {}
        self.joined = 0
        size = self.count * MIB - short if self.count else 0
        self.manifest = Manifest(size, bytes(32 * self.count))
        self.plan: Plan[int] = Plan(
            self.manifest, PieceSet.from_bytes(bytes(there)), random.Random(seed)
        )

    # What happens

    @precondition(lambda self: len(self.sources) < MAX_SOURCES)
    @rule(has=st.none() | st.sets(st.integers(0, 23)))
    def join(self, has: set[int] | None) -> None:
        source, self.joined = self.joined, self.joined + 1
        everything = set(range(self.count))
        self.sources[source] = everything if has is None else has & everything
        self.plan.join(source, None if has is None else self.a_set(self.sources[source]))

    @precondition(lambda self: self.sources and self.count)
    @rule(data=st.data())
    def gain(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(sorted(self.sources)))
        pieces = data.draw(st.lists(st.integers(0, self.count - 1), max_size=4))
        self.sources[source] |= set(pieces)
        self.plan.gained(source, pieces)

    @precondition(lambda self: self.sources)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(sorted(self.sources)))
        del self.sources[source]
        self.cut_off(source)
        self.plan.leave(source)

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def end_stream(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(sorted(self.streams)))
        self.cut_off(source)
        self.plan.release(source)

    @precondition(lambda self: self.sources)
    @rule(data=st.data(), rate=RATES, share=st.floats(0, 0.99))
    def measure(self, data: st.DataObject, rate: float | None, share: float) -> None:
        source = data.draw(st.sampled_from(sorted(self.sources)))
        stream = self.streams.get(source)
        length = self.manifest.piece_range(stream.piece)[1] if stream else 0
        self.paces[source] = Pace(rate, int(length * share))

    @precondition(lambda self: self.sources.keys() - self.streams)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(sorted(self.sources.keys() - self.streams)))
        self.claim(source)

    @precondition(lambda self: any(not stream.has_begun for stream in self.streams.values()))
    @rule(data=st.data(), count=st.integers(1, 9))
    def grant(self, data: st.DataObject, count: int) -> None:
        waiting = sorted(source for source, stream in self.streams.items() if not stream.has_begun)
        source = data.draw(st.sampled_from(waiting))
        stream = self.streams[source]
        stream.has_begun = True
        stream.end = min(stream.end, stream.piece + count)
        self.plan.granted(source, count)

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def bring(self, data: st.DataObject) -> None:
        self.receive(data.draw(st.sampled_from(sorted(self.streams))))

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def bring_late(self, data: st.DataObject) -> None:
        source, piece = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
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
        assert sorted([*claimed, *self.free]) == sorted(set(range(self.count)) - self.there)

    @invariant()
    def who_claims_something_is_bringing_it(self) -> None:
        for source, claim in self.plan._claimed.items():
            stream = self.streams[source]
            skipped = set(range(stream.piece, claim.first))
            assert skipped <= self.there  # brought late by another
            assert claim.end <= stream.end

    @invariant()
    def it_knows_what_is_there(self) -> None:
        assert self.plan.is_complete == (len(self.there) == self.count)
        for source in range(self.joined):
            assert self.plan.wants(source) == bool(self.sources.get(source, set()) - self.there)

    def teardown(self) -> None:
        """Those who are there bring all that they have, and then one who has everything."""
        if not hasattr(self, "plan"):
            return
        for _ in range(self.count * (len(self.sources) + 1)):
            for source in self.sources:
                if source not in self.streams:
                    self.claim(source)
            for source in list(self.streams):
                if source in self.streams:
                    self.receive(source)
                self.every_missing_piece_is_claimed_by_one_who_has_it_or_free()
        had = set().union(*self.sources.values())
        assert had <= self.there
        self.sources[self.joined] = set(range(self.count))
        self.plan.join(self.joined)
        while self.claim(self.joined):
            while self.joined in self.streams:
                self.receive(self.joined)
        assert self.plan.is_complete

    # How it happens

    def claim(self, source: int) -> bool:
        """Ask what a source is to be asked for, and check the answer."""
        has, free = self.sources[source], self.free
        claim = self.plan.claim(source, self.paces)
        if claim is None:
            assert not free & has
            return False
        run = range(claim.run.first, claim.run.first + claim.run.count)
        assert set(run) <= has - self.there
        if free & has:
            assert {self.copies(piece) for piece in run} == {min(map(self.copies, free & has))}
        elif not self.free & has:  # nobody was made to leave some
            assert not free.intersection(run)
        if claim.revoked is not None:
            assert self.streams[claim.revoked].piece <= run.start
            self.cut_off(claim.revoked)
        for other, stream in self.streams.items():  # nobody else's current piece
            assert stream.piece not in run or stream.piece in self.there, other
        self.streams[source] = Stream(run.start, run.stop)
        return True

    def receive(self, source: int) -> None:
        """A source brings the next piece of its stream."""
        stream = self.streams[source]
        piece = stream.piece
        assert piece not in self.there or piece in self.came_late
        self.there.add(piece)
        stream.has_begun = True
        stream.piece += 1
        if not self.plan.received(source, piece):
            del self.streams[source]
            self.plan.release(source)
        else:
            assert stream.piece < stream.end
            assert stream.piece not in self.there

    def cut_off(self, source: int) -> None:
        """A stream ends; what is on its way may come all the same."""
        if stream := self.streams.pop(source, None):
            self.late.append((source, stream.piece))

    @property
    def free(self) -> set[int]:
        return {piece for piece, flag in enumerate(self.plan._free) if flag}

    def copies(self, piece: int) -> int:
        return sum(piece in has for has in self.sources.values())

    def a_set(self, pieces: set[int]) -> PieceSet:
        return PieceSet.from_bytes(bytes(piece in pieces for piece in range(self.count)))


TestPlan = PlanMachine.TestCase
TestPlan.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
