"""A file from elsewhere is linked or copied into a shared folder, never over another one."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from peer_service.library.placing import place, place_below
from videoteca_core.errors import DiskFull, FileMissing, FileUnreadable, NameInUse

DATA = b"video" * 700_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "clip.mp4"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shared"
    path.mkdir()
    return path


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def go_on() -> None:
    """Nothing stands in the way."""


def refuse_links(monkeypatch: pytest.MonkeyPatch, *, always: bool) -> None:
    """As between two file systems, or on one that has no links at all."""
    real = os.link

    def link(source: Any, target: Any, **options: Any) -> None:
        if always or not Path(source).name.startswith("."):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(source, target, **options)

    monkeypatch.setattr(os, "link", link)


def test_a_file_is_linked_and_to_do_it_again_is_no_error(source: Path, folder: Path) -> None:
    for _ in range(2):
        place(source, folder, "clip.mp4", go_on)
    assert (folder / "clip.mp4").samefile(source)


@pytest.mark.parametrize("always", [False, True])
def test_a_file_that_can_not_be_linked_is_copied(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    refuse_links(monkeypatch, always=always)
    place(source, folder, "clip.mp4", go_on)
    assert (folder / "clip.mp4").read_bytes() == DATA
    assert not (folder / "clip.mp4").samefile(source)
    assert names(folder) == ["clip.mp4"]


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_overwritten(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    (folder / "clip.mp4").write_text("mine")
    if not links:
        refuse_links(monkeypatch, always=True)
    with pytest.raises(NameInUse):
        place(source, folder, "clip.mp4", go_on)
    assert (folder / "clip.mp4").read_text() == "mine"
    assert names(folder) == ["clip.mp4"]


@pytest.mark.parametrize("always", [False, True])
def test_a_name_taken_during_the_copy_is_not_overwritten(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    refuse_links(monkeypatch, always=always)
    with pytest.raises(NameInUse):
        place(source, folder, "clip.mp4", (folder / "clip.mp4").touch)
    assert (folder / "clip.mp4").read_bytes() == b""
    assert names(folder) == ["clip.mp4"]


def test_a_copy_that_is_given_up_leaves_nothing(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch, always=False)

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(FileUnreadable):
        place(source, folder, "clip.mp4", stop)
    assert names(folder) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch, always=False)

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFull):
        place(source, folder, "clip.mp4", full)
    assert names(folder) == []


def test_only_regular_files_are_placed(source: Path, folder: Path) -> None:
    link, fifo = source.with_name("link.mp4"), source.with_name("fifo.mp4")
    link.symlink_to(source)
    os.mkfifo(fifo)
    for path in (link, fifo, source.parent, source.with_name("nothing.mp4"), source / "below"):
        with pytest.raises(FileMissing):
            place(path, folder, "clip.mp4", go_on)
    assert names(folder) == []


def test_where_a_file_is_below_the_shared_folders(tmp_path: Path) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other"
    (shared / "sub" / ".hidden").mkdir(parents=True)
    other.mkdir()
    (shared / "escape").symlink_to(other)
    alias = tmp_path / "alias"
    alias.symlink_to(shared)
    assert place_below(shared / "sub" / "a", [other, shared]) == (shared, ("sub", "a"))
    assert place_below(alias / "sub" / "a", [shared]) == (shared, ("sub", "a"))
    assert place_below(shared / "sub" / "a", [alias]) == (alias, ("sub", "a"))
    assert place_below(shared / "sub" / ".hidden" / "a", [shared]) is None
    assert place_below(shared / "escape" / "a", [shared]) is None
    assert place_below(other / "a", [shared]) is None
