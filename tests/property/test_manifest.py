"""Pieces cover a video exactly, whatever its size."""

from hypothesis import given
from hypothesis import strategies as st

from videoteca_core.manifest import (
    MAX_PIECES,
    MAX_SIZE_BYTES,
    MIN_PIECE_BYTES,
    Manifest,
    piece_count,
    piece_size,
    video_id,
)

SIZES = st.integers(0, MAX_SIZE_BYTES) | st.integers(0, 64).flatmap(
    lambda power: st.integers(-1, 1).map(
        lambda step: min(max((1 << power) + step, 0), MAX_SIZE_BYTES)
    )
)


@given(size_bytes=SIZES)
def test_the_piece_size_is_the_smallest_that_is_enough(size_bytes: int) -> None:
    size = piece_size(size_bytes)
    assert size >= MIN_PIECE_BYTES
    assert size.bit_count() == 1
    assert size * MAX_PIECES >= size_bytes
    assert size == MIN_PIECE_BYTES or size // 2 * MAX_PIECES < size_bytes


@given(size_bytes=st.integers(1, MAX_SIZE_BYTES))
def test_pieces_cover_the_video_without_gap_or_overlap(size_bytes: int) -> None:
    manifest = Manifest(size_bytes, b"")
    count = piece_count(size_bytes)
    assert manifest.piece_range(0)[0] == 0
    last_offset, last_length = manifest.piece_range(count - 1)
    assert 1 <= last_length <= manifest.piece_size
    assert last_offset + last_length == size_bytes
    for index in {0, count // 2, count - 1} - {count - 1}:
        assert manifest.piece_range(index) == (index * manifest.piece_size, manifest.piece_size)


@given(one=SIZES, other=SIZES, root=st.binary(min_size=32, max_size=32))
def test_two_sizes_never_share_an_id(one: int, other: int, root: bytes) -> None:
    assert (video_id(one, root) == video_id(other, root)) == (one == other)
