"""How fast the sources of a download are, and what can be expected of them. Pure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from peer_service.pieces import Run, byte_range
from videoteca_core.manifest import Manifest

Source = TypeVar("Source", bound=Hashable)

RUN_SECONDS: Final = 1.0
"""How long a run should take in a swarm: a longer one would be chosen by what was rare before."""

_FOREVER: Final = float("inf")


@dataclass(frozen=True)
class Pace:
    """How a source does, as measured by the caller.

    Attributes:
        rate: bytes a second when it was last asked for some; none while that is not known, 0 when
            nothing comes.
        piece_bytes: bytes of its current piece that came already.
    """

    rate: float | None
    piece_bytes: int = 0


_UNKNOWN: Final = Pace(None)


class Speeds(Generic[Source]):
    """What can be expected of each source.

    Args:
        manifest: the video's.
        paces: how the sources do; one that is not among them is not known.
    """

    def __init__(self, manifest: Manifest, paces: Mapping[Source, Pace]) -> None:
        self._manifest = manifest
        self._paces = paces
        known = [pace.rate for pace in paces.values() if pace.rate]
        self._assumed_rate = sum(known) / len(known) if known else 1.0  # the same for all

    def run_limit(self, source: Source) -> int:
        """How many pieces, 1 or more, a source should be asked for at a time in a swarm."""
        rate = self._pace(source).rate or 0
        return max(1, round(rate * RUN_SECONDS / self._manifest.piece_size))

    def seconds_left(self, source: Source, run: Run) -> float:
        """How long a source needs for the rest of a run, which begins with its current piece."""
        left = byte_range(run, self._manifest)[1] - self._pace(source).piece_bytes
        return self._seconds(source, left)

    def seconds_for(self, source: Source, piece: int) -> float:
        """How long a source would need for a piece from its beginning on."""
        return self._seconds(source, self._manifest.piece_range(piece)[1])

    def share(self, source: Source, other: Source) -> float:
        """Of what two sources do together, the part of one whose rate is not 0: 0 to 1."""
        return self._rate(source) / (self._rate(source) + self._rate(other))

    def _seconds(self, source: Source, count: int) -> float:
        rate = self._rate(source)
        return count / rate if rate else _FOREVER

    def _rate(self, source: Source) -> float:
        rate = self._pace(source).rate
        return self._assumed_rate if rate is None else rate

    def _pace(self, source: Source) -> Pace:
        return self._paces.get(source, _UNKNOWN)
