"""Which pieces are asked for."""

from hypothesis import given
from hypothesis import strategies as st

from peer_service.transfer.plan import PieceSet, byte_range, bytes_there
from tests.videos import MIB
from videoteca_core.manifest import Manifest, piece_count

flags = st.lists(st.booleans(), max_size=60).map(bytes)


@given(flags)
def test_every_missing_piece_is_asked_for_once_in_long_runs(there: bytes) -> None:
    pieces = PieceSet.from_bytes(there)
    asked: list[int] = []
    while run := pieces.next_missing():
        numbers = range(run.first, run.first + run.count)
        asked += numbers
        assert run.first + run.count == len(there) or there[run.first + run.count]
        for number in numbers:
            pieces.add(number)
    assert asked == [number for number, flag in enumerate(there) if not flag]


@given(flags)
def test_a_set_survives_being_written(there: bytes) -> None:
    pieces = PieceSet.from_bytes(there)
    assert pieces.to_bytes() == there
    assert pieces == pieces.copy() == PieceSet.from_bytes(pieces.to_bytes())
    assert list(pieces) == [number for number, flag in enumerate(there) if flag]
    assert len(pieces) == sum(there)


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
    while run := pieces.next_missing():
        offset, length = byte_range(run, manifest)
        assert (offset, run.count > 0) == (manifest.piece_range(run.first)[0], True)
        there += length
        for number in range(run.first, run.first + run.count):
            pieces.add(number)
    assert there == size
