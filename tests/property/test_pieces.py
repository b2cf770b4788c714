"""Which pieces are there, counted, written and read."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_service.pieces import PieceSet, Run, byte_range, bytes_there
from tests.videos import MIB
from videoteca_core.manifest import Manifest, piece_count

flags = st.lists(st.booleans(), max_size=60).map(bytes)


@given(flags)
def test_a_set_survives_being_written(there: bytes) -> None:
    pieces = PieceSet.from_bytes(there)
    assert pieces.to_bytes() == there
    assert pieces == pieces.copy() == PieceSet.from_bytes(pieces.to_bytes())
    assert list(pieces) == [number for number, flag in enumerate(there) if flag]
    assert len(pieces) == sum(there)


@given(flags)
def test_a_bitmap_has_the_bit_of_each_piece_where_the_protocol_says(there: bytes) -> None:
    pieces = PieceSet.from_bytes(there)
    bitmap = pieces.to_bitmap()
    assert len(bitmap) == (len(there) + 7) // 8
    bits = [byte >> bit & 1 for byte in bitmap for bit in range(8)]
    assert bytes(bits[: len(there)]) == there
    assert not any(bits[len(there) :])
    assert PieceSet.from_bitmap(bitmap, len(there)) == pieces


def test_a_bitmap_counts_its_bits_from_the_least_significant() -> None:
    pieces = PieceSet(11)
    pieces.add(0)
    pieces.add(3)
    pieces.add(9)
    assert pieces.to_bitmap() == bytes((0b1001, 0b10))


@pytest.mark.parametrize(
    ("bitmap", "piece_count"),
    [
        (b"", 1),
        (b"\x01", 0),
        (b"\x01", 9),
        (b"\x01\x00", 8),
        (b"\x08", 3),
        (b"\xff\x80", 15),
    ],
)
def test_a_bitmap_of_another_video_is_refused(bitmap: bytes, piece_count: int) -> None:
    with pytest.raises(ValueError, match="not a bitmap of"):
        PieceSet.from_bitmap(bitmap, piece_count)


@given(flags)
def test_runs_of_pieces_that_are_there_are_measured(there: bytes) -> None:
    pieces = PieceSet.from_bytes(there)
    for first in range(len(there)):
        rest = there[first:]
        assert pieces.run_length(first) == len(rest) - len(rest.lstrip(b"\x01"))


@given(flags, st.integers(0, 60), st.integers(0, 60))
def test_the_last_run_of_a_range_ends_with_the_last_piece_there(
    there: bytes, first: int, end: int
) -> None:
    run = PieceSet.from_bytes(there).last_run(first, end)
    rest = there[first:end].rstrip(b"\x00")
    if not rest:
        assert run is None
    else:
        assert run
        assert run.first + run.count == first + len(rest)
        assert run.count == len(rest) - len(rest.rstrip(b"\x01"))


@given(flags)
def test_a_set_is_full_when_no_piece_is_missing(there: bytes) -> None:
    assert PieceSet.from_bytes(there).is_full == all(there)
    full = PieceSet.full(len(there))
    assert full.is_full
    assert list(full) == list(range(len(there)))


@given(flags, st.integers(0, 59))
def test_a_copy_is_a_set_of_its_own(there: bytes, number: int) -> None:
    pieces = PieceSet.from_bytes(there)
    copy = pieces.copy()
    if number < len(there):
        copy.add(number)
        copy.discard(number)
        assert number not in copy
    assert pieces.to_bytes() == there


@given(st.integers(0, 40 * MIB), st.data())
def test_bytes_and_ranges_fit_the_video(size: int, data: st.DataObject) -> None:
    manifest = Manifest(size, bytes(32 * piece_count(size)))
    count = manifest.piece_count
    pieces = PieceSet.from_bytes(
        bytes(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    )
    there = bytes_there(pieces, manifest)
    assert there == sum(manifest.piece_range(piece)[1] for piece in pieces)
    for is_there, run in itertools.groupby(range(count), pieces.__contains__):
        first, *others = run
        offset, length = byte_range(Run(first, 1 + len(others)), manifest)
        assert offset == manifest.piece_range(first)[0]
        there += 0 if is_there else length
    assert there == size
