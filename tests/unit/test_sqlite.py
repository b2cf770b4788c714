"""Databases are opened durably, and nothing but a sound one of ours is opened at all."""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from videoteca_core.errors import DatabaseCorrupt, DatabaseForeign, FileUnreadable
from videoteca_core.sqlite import open_database

OURS: Final = 0x56_54_54_31
OTHER: Final = 0x56_54_50_31
PAGE_BYTES: Final = 4_096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


def fill(path: Path, rows: int = 2_000) -> None:
    """A database of ours with an index, of many pages, closed."""
    with contextlib.closing(open_database(path, OURS)) as connection:
        connection.execute("CREATE TABLE videos (name TEXT PRIMARY KEY, about TEXT) STRICT")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO videos VALUES (?, ?)", ((f"clip {n}.mp4", "x" * 50) for n in range(rows))
        )
        connection.execute("COMMIT")


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_database_is_made_durable_and_private(path: Path) -> None:
    with contextlib.closing(open_database(path, OURS)) as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "application_id")
        }
        assert connection.isolation_level is None
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "application_id": OURS,
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_database_is_opened_again_as_durably(path: Path) -> None:
    fill(path)
    with contextlib.closing(open_database(path, OURS)) as connection:
        assert connection.execute("SELECT count(*) FROM videos").fetchone() == (2_000,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    open_database(path, OURS).close()
    assert int.from_bytes(path.read_bytes()[68:72], "big") == OURS


def test_a_database_that_another_connection_uses_can_be_opened(path: Path) -> None:
    with contextlib.closing(open_database(path, OURS)) as first:
        first.execute("CREATE TABLE videos (name TEXT)")
        with contextlib.closing(open_database(path, OURS)) as second:
            assert second.execute("SELECT count(*) FROM videos").fetchone() == (0,)


@pytest.mark.parametrize(
    "content",
    [b"clip.mp4\n", b"\0" * 8_192, b"x" * 99, b"SQLite format 2\0" + bytes(84)],
    ids=["text", "zeros", "short", "another version"],
)
def test_another_file_is_refused_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DatabaseForeign) as caught:
        open_database(path, OURS)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208 - names are enough


@pytest.mark.parametrize("application_id", [0, OTHER])
def test_another_programs_database_is_refused_untouched(path: Path, application_id: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
    content = path.read_bytes()
    with pytest.raises(DatabaseForeign):
        open_database(path, OURS)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208 - names are enough


@pytest.mark.parametrize("size", [16, 99, PAGE_BYTES, 10 * PAGE_BYTES + 7])
def test_a_truncated_database_is_known_as_damaged(path: Path, size: int) -> None:
    fill(path)
    os.truncate(path, size)
    with pytest.raises(DatabaseCorrupt) as caught:
        open_database(path, OURS)
    assert "backup" in str(caught.value)


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        pytest.param(16, b"\xff\xff", id="page size"),
        pytest.param(28, b"\0\0\0\1", id="page count"),
        pytest.param(100, b"\xff" * 200, id="first page"),
        pytest.param(2 * PAGE_BYTES, b"\xff" * PAGE_BYTES, id="second page"),
        pytest.param(9 * PAGE_BYTES, os.urandom(PAGE_BYTES), id="tenth page"),
        pytest.param(5 * PAGE_BYTES, bytes(PAGE_BYTES), id="a page of zeros"),
    ],
)
def test_a_damaged_database_is_known_as_damaged(path: Path, offset: int, data: bytes) -> None:
    fill(path)
    overwrite(path, offset, data)
    with pytest.raises(DatabaseCorrupt):
        open_database(path, OURS)


def test_a_damaged_mark_is_not_ours(path: Path) -> None:
    fill(path)
    overwrite(path, 0, b"\0" * 16)
    with pytest.raises(DatabaseForeign):
        open_database(path, OURS)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "some.db"
    with pytest.raises(FileUnreadable) as caught:
        open_database(path, OURS)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable):
        open_database(tmp_path, OURS)


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up, for a moment, what root may do in spite of a file's mode."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_read_only_database_is_an_error_at_once(open_folder: Path, mode: int) -> None:
    path = open_folder / "some.db"
    fill(path, rows=3)
    path.chmod(mode)
    open_folder.chmod(0o555)
    with ordinary_user(), pytest.raises(FileUnreadable) as caught:
        open_database(path, OURS)
    assert str(path) in str(caught.value)


def test_a_database_that_cannot_be_made_durable_is_not_used(open_folder: Path) -> None:
    path = open_folder / "some.db"
    fill(path, rows=3)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    path.chmod(0o444)
    with ordinary_user(), pytest.raises(FileUnreadable):
        open_database(path, OURS)


def test_a_database_cannot_be_made_in_a_read_only_folder(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with ordinary_user(), pytest.raises(FileUnreadable):
        open_database(open_folder / "some.db", OURS)


def test_what_is_not_a_file_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(FileUnreadable, match="not a regular file"):
        open_database(path, OURS)


def test_the_system_s_words_are_told_without_its_numbers(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable) as caught:
        open_database(tmp_path / "missing" / "some.db", OURS)
    assert caught.value.fields["detail"] == "No such file or directory"
