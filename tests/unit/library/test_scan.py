"""What of the shared folders is found, and what of it can be shared."""

import os
import unicodedata
from pathlib import Path

import pytest

from peer_service.library.model import FileStamp, FoundFile
from peer_service.library.reading import find_file, open_below
from peer_service.library.scan import scan, select


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def found(*folders: Path) -> list[str]:
    return list(scan(folders).files)


def file_at(path: str) -> FoundFile:
    return FoundFile(path, Path("/f"), (path.rpartition("/")[2],), FileStamp(1, 2, 3))


def test_files_are_found_in_subfolders_in_sorted_order(tmp_path: Path) -> None:
    names = ["b.mp4", "a/z.mp4", "a/b/c/d/e/deep.mp4", "c.mp4"]
    for name in names:
        write(tmp_path / name)
    assert found(tmp_path) == [
        str(tmp_path / name) for name in ("a/b/c/d/e/deep.mp4", "a/z.mp4", "b.mp4", "c.mp4")
    ]


def test_folders_are_looked_at_in_the_order_given_and_no_file_twice(tmp_path: Path) -> None:
    second, first = write(tmp_path / "a" / "in" / "2.mp4"), write(tmp_path / "b" / "1.mp4")
    assert found(tmp_path / "b", tmp_path / "a", tmp_path / "a" / "in") == [str(first), str(second)]


def test_what_is_hidden_is_passed_over_in_silence(tmp_path: Path) -> None:
    write(tmp_path / ".videoteca" / "part.mp4")
    write(tmp_path / ".hidden.mp4")
    result = scan([tmp_path])
    assert (result.files, result.skipped, result.closed) == ({}, (), ())


def test_what_is_no_regular_file_is_reported_and_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret.mp4")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link.mp4").symlink_to(outside)
    (shared / "linked folder").symlink_to(outside.parent)
    (shared / "dangling.mp4").symlink_to(tmp_path / "nothing")
    (shared / "loop").symlink_to(shared)
    os.mkfifo(shared / "fifo.mp4")
    if os.getuid() == 0:
        os.mknod(shared / "device.mp4", 0o020600, os.makedev(1, 5))
    result = scan([shared])
    assert result.files == {}
    assert sorted(file.path for file in result.skipped) == sorted(
        str(path) for path in shared.iterdir()
    )
    assert {file.reason for file in result.skipped} == {"FILE_UNREADABLE"}


def test_a_folder_that_is_not_there_is_reported_and_the_others_are_found(tmp_path: Path) -> None:
    there = write(tmp_path / "there" / "a.mp4")
    result = scan([tmp_path / "away", tmp_path / "there"])
    assert list(result.files) == [str(there)]
    assert result.closed == (str(tmp_path / "away"),)
    assert [file.reason for file in result.skipped] == ["FOLDER_UNUSABLE"]


def test_folders_without_end_are_given_up_and_reported(tmp_path: Path) -> None:
    write(tmp_path.joinpath(*["d"] * 80) / "far.mp4")
    near = write(tmp_path / "near.mp4")
    result = scan([tmp_path])
    assert list(result.files) == [str(near)]
    assert result.skipped[0].reason == "FOLDER_UNUSABLE"


def test_names_are_checked_and_shared_in_one_form(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Película.mp4")
    for name in (decomposed, "CON.mp4", "-rf.mp4", "a\u202eb.mp4", "x\ny.mp4", "n" * 245 + ".mp4"):
        write(tmp_path / name)
    (tmp_path / os.fsdecode(b"latin\xe9.mp4")).write_text("x")
    selection = select(scan([tmp_path]).files.values(), ())
    assert {name: file.parts for name, file in selection.chosen.items()} == {
        "Película.mp4": (decomposed,)
    }
    assert {file.reason for file in selection.skipped} == {"INVALID_NAME"}
    assert len(selection.skipped) == 6
    for file in selection.skipped:
        assert file.path.isprintable()
        for text in (file.path, file.message, *file.fields.values()):
            text.encode()  # it goes over the wire


def test_the_first_of_a_name_is_chosen_and_the_others_are_reported() -> None:
    files = [file_at("/f/a/clip.mp4"), file_at("/f/b/clip.mp4"), file_at("/f/c/clip.mp4")]
    selection = select(files, ())
    assert selection.chosen == {"clip.mp4": files[0]}
    assert [(file.path, file.reason) for file in selection.skipped] == [
        ("/f/b/clip.mp4", "NAME_IN_USE"),
        ("/f/c/clip.mp4", "NAME_IN_USE"),
    ]
    assert "/f/a/clip.mp4" in selection.skipped[0].message


def test_a_new_file_does_not_take_the_place_of_a_shared_one() -> None:
    files = [file_at("/f/a/clip.mp4"), file_at("/f/b/clip.mp4")]
    assert select(files, {"/f/b/clip.mp4"}).chosen == {"clip.mp4": files[1]}


def test_a_file_is_opened_below_its_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "b" / "c.mp4", "hello")
    opened = open_below(tmp_path, ("a", "b", "c.mp4"))
    assert os.read(opened, 10) == b"hello"
    os.close(opened)
    assert find_file(tmp_path, ("a", "b", "c.mp4")).stamp == FileStamp.of(path.stat())


@pytest.mark.parametrize("swapped", ["a", "a/b", "a/b/c.mp4"])
def test_no_symbolic_link_is_followed_wherever_in_the_path_it_was_put(
    tmp_path: Path, swapped: str
) -> None:
    shared, outside = tmp_path / "shared", tmp_path / "outside"
    write(shared / "a" / "b" / "c.mp4", "ours")
    write(outside / "a" / "b" / "c.mp4", "secret")
    (shared / swapped).rename(tmp_path / "moved away")
    (shared / swapped).symlink_to(outside / swapped)
    with pytest.raises(OSError):  # noqa: PT011 - ELOOP or ENOTDIR, as the system likes
        open_below(shared, ("a", "b", "c.mp4"))


def test_a_fifo_in_the_place_of_a_file_holds_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(OSError, match="not a regular file"):
        open_below(tmp_path, ("clip.mp4",))
