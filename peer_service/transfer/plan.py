"""Which pieces are there, and which to ask for next. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from videoteca_core.manifest import Manifest

_MISSING, _THERE = 0, 1


@dataclass(frozen=True)
class Run:
    """Neighbouring pieces: the number of the first, and how many."""

    first: int
    count: int


class PieceSet:
    """The pieces of a video that are there."""

    def __init__(self, piece_count: int) -> None:
        self._flags = bytearray(piece_count)

    @classmethod
    def from_bytes(cls, flags: bytes) -> Self:
        """The set that :meth:`to_bytes` wrote.

        Raises:
            ValueError: nothing that it could have written.
        """
        if flags.strip(bytes((_MISSING, _THERE))):
            raise ValueError(flags)
        pieces = cls(0)
        pieces._flags += flags
        return pieces

    def to_bytes(self) -> bytes:
        """One byte a piece, in order: 1 where it is there, 0 where it is missing."""
        return bytes(self._flags)

    def copy(self) -> "PieceSet":
        """A set that changes apart from this one."""
        return PieceSet.from_bytes(self.to_bytes())

    def add(self, piece: int) -> None:
        """A piece is there now."""
        self._flags[piece] = _THERE

    def discard(self, piece: int) -> None:
        """A piece is missing after all."""
        self._flags[piece] = _MISSING

    def __contains__(self, piece: int) -> bool:
        return self._flags[piece] == _THERE

    def __iter__(self) -> Iterator[int]:
        piece = self._flags.find(_THERE)
        while piece >= 0:
            yield piece
            piece = self._flags.find(_THERE, piece + 1)

    def __len__(self) -> int:
        return self._flags.count(_THERE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PieceSet) and self._flags == other._flags

    __hash__ = None  # type: ignore[assignment]  # it changes

    def next_missing(self) -> Run | None:
        """The first run of missing pieces, as long as it goes; none when all are there."""
        first = self._flags.find(_MISSING)
        if first < 0:
            return None
        end = self._flags.find(_THERE, first)
        return Run(first, (len(self._flags) if end < 0 else end) - first)


def bytes_there(pieces: PieceSet, manifest: Manifest) -> int:
    """How many bytes of the video the pieces are."""
    if not manifest.piece_count:
        return 0
    last = manifest.piece_count - 1
    missing_in_last = manifest.piece_size - manifest.piece_range(last)[1]
    return len(pieces) * manifest.piece_size - (missing_in_last if last in pieces else 0)


def byte_range(run: Run, manifest: Manifest) -> tuple[int, int]:
    """Offset and length, in bytes, of a run of pieces."""
    offset = run.first * manifest.piece_size
    return offset, min(run.count * manifest.piece_size, manifest.size_bytes - offset)
