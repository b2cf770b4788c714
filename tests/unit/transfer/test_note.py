"""The note of which pieces count: one of its two places is whole whatever happens."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.pieces import PieceSet
from peer_service.transfer.note import ProgressNote
from tests.videos import MIB, manifest_of, video_bytes

MANIFEST: Final = manifest_of(video_bytes(5 * MIB))
NAME: Final = "clip.progress"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_RDONLY)
    yield opened
    os.close(opened)


def pieces(*numbers: int) -> PieceSet:
    found = PieceSet(MANIFEST.piece_count)
    for number in numbers:
        found.add(number)
    return found


def noted(folder: int) -> tuple[PieceSet, int]:
    with ProgressNote(NAME, folder, MANIFEST) as note:
        return note.pieces, note.noted_at


def test_at_first_nothing_counts(folder: int) -> None:
    assert noted(folder) == (pieces(), 0)


def test_the_last_note_is_what_counts(folder: int) -> None:
    for numbers in ((0,), (0, 1), (0, 1, 4)):
        with ProgressNote(NAME, folder, MANIFEST) as note:
            note.write(pieces(*numbers), 7)
        assert noted(folder) == (pieces(*numbers), 7)


def test_its_size_never_changes(folder: int, tmp_path: Path) -> None:
    with ProgressNote(NAME, folder, MANIFEST) as note:
        size = (tmp_path / NAME).stat().st_size
        for _ in range(3):
            note.write(pieces(1), 0)
            assert (tmp_path / NAME).stat().st_size == size


@pytest.mark.parametrize("written", [1, 2, 3, 4])
def test_of_a_torn_note_the_one_before_is_left(folder: int, tmp_path: Path, written: int) -> None:
    with ProgressNote(NAME, folder, MANIFEST) as note:
        for number in range(written):
            before = (tmp_path / NAME).read_bytes()
            note.write(pieces(*range(number + 1)), number)
    whole = (tmp_path / NAME).read_bytes()
    changed = [at for at in range(len(whole)) if whole[at] != before[at]]
    expected = (pieces(*range(written - 1)), max(written - 2, 0))
    for torn_at in changed[1:]:
        (tmp_path / NAME).write_bytes(whole[:torn_at] + before[torn_at:])
        assert noted(folder) == expected


def test_what_is_no_note_is_none(folder: int, tmp_path: Path) -> None:
    for junk in (b"", b"junk", os.urandom(10_000)):
        (tmp_path / NAME).write_bytes(junk)
        assert noted(folder) == (pieces(), 0)
        with ProgressNote(NAME, folder, MANIFEST) as note:
            note.write(pieces(2), 9)
        assert noted(folder) == (pieces(2), 9)


def test_another_videos_note_is_none(folder: int) -> None:
    with ProgressNote(NAME, folder, MANIFEST) as note:
        note.write(pieces(2), 9)
    other = manifest_of(bytes(5 * MIB))
    with ProgressNote(NAME, folder, other) as note:
        assert (note.pieces, note.noted_at) == (pieces(), 0)


def test_a_link_is_not_followed(folder: int, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        ProgressNote(NAME, folder, MANIFEST)
    assert (tmp_path / "elsewhere").read_bytes() == b"kept"
