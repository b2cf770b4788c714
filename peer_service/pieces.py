"""Which pieces of a video are there. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from videoteca_core.manifest import Manifest

_MISSING, _THERE = 0, 1
_FROM_DIGITS = bytes.maketrans(b"01", bytes((_MISSING, _THERE)))
_TO_DIGITS = bytes.maketrans(bytes((_MISSING, _THERE)), b"01")


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
    def full(cls, piece_count: int) -> Self:
        """The set of all pieces."""
        pieces = cls(0)
        pieces._flags += bytes((_THERE,)) * piece_count
        return pieces

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

    @classmethod
    def from_bitmap(cls, bitmap: bytes, piece_count: int) -> Self:
        """The set of a video of so many pieces that :meth:`to_bitmap` wrote.

        Raises:
            ValueError: it has another length, or a bit behind the last piece is set.
        """
        number = int.from_bytes(bitmap, "little")
        if len(bitmap) != _bitmap_bytes(piece_count) or number >> piece_count:
            raise ValueError(f"not a bitmap of {piece_count} pieces")
        digits = f"{number:0{piece_count}b}".encode()  # the last piece first
        pieces = cls(0)
        pieces._flags += digits[::-1][:piece_count].translate(_FROM_DIGITS)
        return pieces

    def to_bitmap(self) -> bytes:
        """One bit a piece: piece i is bit i % 8, the least significant being 0, of byte i // 8.

        The bits behind the last piece are 0.
        """
        digits = self._flags[::-1].translate(_TO_DIGITS) or b"0"
        return int(digits, 2).to_bytes(_bitmap_bytes(len(self._flags)), "little")

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

    @property
    def is_full(self) -> bool:
        """Whether all pieces are there."""
        return self._flags.find(_MISSING) < 0

    def run_length(self, first: int) -> int:
        """How many pieces from that one on are there without a gap; 0 when it is missing itself."""
        gap = self._flags.find(_MISSING, first)
        return (len(self._flags) if gap < 0 else gap) - first

    def last_run(self, first: int, end: int) -> Run | None:
        """The last pieces without a gap that are there from one piece to before another."""
        last = self._flags.rfind(_THERE, first, end)
        if last < first:
            return None
        start = max(first, self._flags.rfind(_MISSING, first, last) + 1)
        return Run(start, last + 1 - start)

    def without(self, others: "PieceSet") -> "PieceSet":
        """Those of these pieces that are not among the others, which are of the same video."""
        mine, theirs = (int.from_bytes(each.to_bytes(), "little") for each in (self, others))
        return PieceSet.from_bytes((mine & ~theirs).to_bytes(len(self._flags), "little"))


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


def _bitmap_bytes(piece_count: int) -> int:
    return -(-piece_count // 8)
