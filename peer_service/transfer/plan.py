"""Which piece to ask of which source. Pure: no thread, no clock, no call."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic

from peer_service.pieces import PieceSet, Run
from peer_service.transfer.pace import Pace, Source, Speeds
from videoteca_core.manifest import Manifest

_MAX_SOURCES: Final = 255  # a byte counts the copies of a piece
_WORTH_IT: Final = 0.5  # take a current piece over if that takes less than so much of the wait
_FOR_THE_SWARM: Final = 2.0  # the same if the one who has it could bring what others lack


@dataclass(frozen=True)
class Claim(Generic[Source]):
    """What a source is to be asked for now.

    Attributes:
        run: the pieces.
        revoked: a source whose current piece was taken from it: its stream is to be ended.
    """

    run: Run
    revoked: Source | None = None


class Plan(Generic[Source]):
    """Shares out the missing pieces of a video among its sources.

    A source *claims* a run of pieces that it has, and brings them in order. The first that it has
    not brought yet is its *current* piece; those behind may be given to another one meanwhile,
    and it learns so when it comes to them. A piece is claimed by one source at a time. Calls about
    a source that has left are harmless.

    While all sources have all pieces, runs are as long as possible. In a *swarm*, where some have
    only part of them, runs are short and begin with what is rarest among the sources.

    The caller calls it from one thread at a time.

    Args:
        manifest: the video's.
        there: the pieces that are there already; copied.
        rng: for the choice among pieces that are equally good, so that many who download the same
            video ask for different ones.
    """

    def __init__(self, manifest: Manifest, there: PieceSet, rng: random.Random) -> None:
        self._manifest = manifest
        self._rng = rng
        self._there = there.copy()
        self._free = bytearray(flag ^ 1 for flag in there.to_bytes())
        self._copies = bytearray(manifest.piece_count)
        self._has: dict[Source, PieceSet] = {}
        self._claimed: dict[Source, _Claimed] = {}
        self._last: dict[Source, int] = {}  # the piece that it brought last
        self._lost: set[tuple[Source, int]] = set()  # which current piece was taken from whom
        self._is_fresh = True

    @property
    def is_complete(self) -> bool:
        """Whether all pieces are there."""
        return self._there.is_full

    def join(self, source: Source, has: PieceSet | None = None) -> None:
        """A source comes, with the pieces that it has: all of them when not said; copied."""
        assert source not in self._has
        assert len(self._has) < _MAX_SOURCES
        self._has[source] = PieceSet.full(self._manifest.piece_count) if has is None else has.copy()
        self._count_copies(source, 1)

    def gained(self, source: Source, pieces: Iterable[int]) -> None:
        """A source has these pieces now besides."""
        if source in self._has:
            for piece in pieces:
                if piece not in self._has[source]:
                    self._has[source].add(piece)
                    self._copies[piece] += 1

    def leave(self, source: Source) -> None:
        """A source goes; all that it claimed is free again."""
        if source in self._has:
            self.release(source)
            self._count_copies(source, -1)
            del self._has[source]
        self._last.pop(source, None)
        self._lost = {(victim, piece) for victim, piece in self._lost if victim != source}

    def claim(self, source: Source, paces: Mapping[Source, Pace]) -> Claim[Source] | None:
        """Choose what a source that is asked for nothing is to be asked for now.

        Args:
            source: the source.
            paces: how it and the others do.

        Returns:
            The claim; none when nothing is left for it as things are.
        """
        assert source not in self._claimed
        if source not in self._has:
            return None
        speeds = Speeds(self._manifest, paces)
        if self._is_swarm:
            self._shorten(speeds)
            run = self._rarest(source, speeds)
        else:
            run = self._longest()
        claim = (
            Claim(run) if run else self._stolen(source, speeds) or self._taken_over(source, speeds)
        )
        if claim:
            self._is_fresh = False
            self._claimed[source] = _Claimed(claim.run)
            self._set_free(claim.run.first, claim.run.first + claim.run.count, free=False)
        return claim

    def granted(self, source: Source, count: int) -> None:
        """A source gives only so many pieces of its claim; the rest is free."""
        if source in self._claimed:
            self._cut(source, self._claimed[source].asked + count)

    def received(self, source: Source, piece: int) -> bool:
        """A piece came from a source, was verified and written.

        Returns:
            Whether the next piece is its own too; if not, its stream is to be ended.
        """
        self._there.add(piece)
        self._free[piece] = 0
        # It may be another's by now, if it was taken from the one who brings it.
        for owner, claimed in list(self._claimed.items()):
            if claimed.first == piece:
                claimed.first += 1
                self._cut(owner, claimed.end)
            elif claimed.first < piece < claimed.end:
                self._cut(owner, piece)
                self._free[piece] = 0
        self._last[source] = piece
        return source in self._claimed and self._claimed[source].first == piece + 1

    def release(self, source: Source) -> None:
        """The stream of a source ended; what it did not bring is free again."""
        if source in self._claimed:
            self._cut(source, self._claimed[source].first)

    @property
    def _is_swarm(self) -> bool:
        return not all(has.is_full for has in self._has.values())

    def _count_copies(self, source: Source, sign: int) -> None:
        flags = _number(self._has[source].to_bytes())
        count = _number(self._copies) + sign * flags
        self._copies[:] = count.to_bytes(len(self._copies), "little")

    def _set_free(self, first: int, end: int, *, free: bool) -> None:
        self._free[first:end] = bytes((free,)) * (end - first)

    def _cut(self, source: Source, end: int) -> None:
        """Free what a source claimed from that piece on."""
        claimed = self._claimed[source]
        if end < claimed.end:
            end = max(end, claimed.first)
            self._set_free(end, claimed.end, free=True)
            claimed.end = end
        if claimed.first == claimed.end:
            del self._claimed[source]

    # What nobody claims.

    def _longest(self) -> Run | None:
        """The longest run that is free, or at the very first a random end of one."""
        if self._is_fresh and 1 in self._free:
            first = self._any_of(self._free, 1)
            return Run(first, _length(self._free, first, len(self._free)))
        longest = max(self._free.strip(b"\0").split(b"\0"), key=len)
        return Run(self._free.find(longest), len(longest)) if longest else None

    def _rarest(self, source: Source, speeds: Speeds[Source]) -> Run | None:
        """Of what is free and the source has, a short run of what the fewest sources have."""
        candidates = _number(self._free) & _number(self._has[source].to_bytes())
        if not candidates:
            return None
        # How many have it where it is a candidate, 0 elsewhere.
        copies = (_number(self._copies) & candidates * 255).to_bytes(len(self._copies), "little")
        fewest = next(count for count in range(1, len(self._has) + 1) if count in copies)
        last = self._last.get(source)
        first = len(copies) if last is None or self._copies[last] > fewest else last + 1
        if not copies.startswith(bytes((fewest,)), first):
            first = self._any_of(copies, fewest)
        return Run(first, _length(copies, first, first + speeds.run_limit(source)))

    def _any_of(self, values: bytes | bytearray, value: int) -> int:
        """A random one of the places where that value is."""
        nth = self._rng.randrange(values.count(value))
        low, high = 0, len(values)
        while high - low > 1:
            middle = (low + high) // 2
            before = values.count(value, low, middle)
            if nth < before:
                high = middle
            else:
                low = middle
                nth -= before
        return low

    def _shorten(self, speeds: Speeds[Source]) -> None:
        """Free what sources claimed beyond what they may in a swarm."""
        for source, claimed in list(self._claimed.items()):
            self._cut(source, claimed.first + speeds.run_limit(source))

    # What others claim.

    def _stolen(self, source: Source, speeds: Speeds[Source]) -> Claim[Source] | None:
        """A share of the end of the run that would take longest, by what both can do."""
        blocks = {
            victim: block
            for victim, claimed in self._claimed.items()
            if (block := self._has[source].last_run(claimed.first + 1, claimed.end))
        }
        if not blocks:
            return None
        rest = {
            victim: speeds.seconds_left(victim, self._claimed[victim].rest) for victim in blocks
        }
        victim = max(blocks, key=rest.__getitem__)
        block, claimed = blocks[victim], self._claimed[victim]
        last = block.first + block.count - 1
        if not speeds.seconds_for(source, last) < rest[victim]:
            return None
        share = speeds.share(source, victim) * (claimed.end - claimed.first - 1)
        count = min(block.count, max(1, round(share)))
        run = Run(last + 1 - count, count)
        self._cut(victim, run.first)
        return Claim(run)

    def _taken_over(self, source: Source, speeds: Speeds[Source]) -> Claim[Source] | None:
        """The current piece that would take longest, if it is worth beginning it again."""
        worth = {
            victim: speeds.seconds_left(victim, Run(claimed.first, 1)) * self._patience(victim)
            for victim, claimed in self._claimed.items()
            if claimed.first in self._has[source] and (source, claimed.first) not in self._lost
        }
        if not worth:
            return None
        victim = max(worth, key=worth.__getitem__)
        piece = self._claimed[victim].first
        if not speeds.seconds_for(source, piece) < worth[victim]:
            return None
        self._lost.add((victim, piece))
        self.release(victim)
        return Claim(Run(piece, 1), victim)

    def _patience(self, victim: Source) -> float:
        has_better = self._has[victim].is_full and 1 in self._free  # which the other one lacks
        return _FOR_THE_SWARM if has_better else _WORTH_IT


class _Claimed:
    """What a source still has to bring: the pieces from ``first`` to before ``end``."""

    def __init__(self, run: Run) -> None:
        self.asked = run.first
        self.first = run.first
        self.end = run.first + run.count

    @property
    def rest(self) -> Run:
        return Run(self.first, self.end - self.first)


def _number(flags: bytes | bytearray) -> int:
    """A byte a piece as one number, to count and compare all of them at once."""
    return int.from_bytes(flags, "little")


def _length(values: bytes | bytearray, first: int, limit: int) -> int:
    """For how many places from the first on, before the limit, the value stays the same."""
    part = values[first:limit]
    return len(part) - len(part.lstrip(part[:1]))
