"""Opens the SQLite files of trackers and peers, always in the same durable way."""

import errno
import os
import sqlite3
import stat
from pathlib import Path
from typing import Final

from videoteca_core.errors import (
    DatabaseCorrupt,
    DatabaseForeign,
    DiskFull,
    FileUnreadable,
    VideotecaError,
)
from videoteca_core.text import N_

_MAGIC: Final = b"SQLite format 3\0"
_ENVIRONMENT: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""SQLite's errors that tell of the machine, not of the database or of this program."""


def open_database(path: Path, application_id: int) -> sqlite3.Connection:
    """Open or create a database: WAL, synchronous=FULL, no implicit transactions.

    The connection may be used by several threads, by one at a time.

    Args:
        path: the file; its folder must exist.
        application_id: the 32-bit mark by which this kind of database is known.

    Raises:
        DatabaseForeign: the file is something else, or another program's database.
        DatabaseCorrupt: the file is a damaged database.
        DiskFull: there is no room for it.
        FileUnreadable: the file can't be opened.
    """
    try:
        _check_header(path, application_id)
        connection = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(path=path) from error
        raise FileUnreadable(path=path, detail=error.strerror) from error
    except sqlite3.DatabaseError as error:
        raise explained(path, error) or error from error
    try:
        _check_content(connection, path, application_id)
        _make_durable(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise explained(path, error) or error from error
    except BaseException:
        connection.close()
        raise
    return connection


def explained(path: Path, error: BaseException | None) -> VideotecaError | None:
    """What SQLite's error about a database means; none for a mistake of this program."""
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _is_full(path)):
        return DiskFull(path=path)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DatabaseCorrupt(path=path, detail=error)
    if primary in _ENVIRONMENT:
        return FileUnreadable(path=path, detail=error)
    return None


def _is_full(path: Path) -> bool:
    """Whether the disk has no room: SQLite calls that an I/O error where the file is mapped."""
    try:
        return os.statvfs(path.parent).f_bavail == 0
    except OSError:
        return False


def _check_header(path: Path, application_id: int) -> None:
    """Look at the file before SQLite may write to it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a FIFO would wait for its writer
            raise FileUnreadable(path=path, detail=N_("it is not a regular file"))
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        path.touch(mode=0o600)
        return
    if not header:
        return
    if not header.startswith(_MAGIC):
        raise DatabaseForeign(path=path)
    if len(header) < 100:
        raise DatabaseCorrupt(path=path, detail=N_("it is cut off"))
    if int.from_bytes(header[68:72], "big") not in (0, application_id):
        raise DatabaseForeign(path=path)


def _check_content(connection: sqlite3.Connection, path: Path, application_id: int) -> None:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found == 0:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables:
            raise DatabaseForeign(path=path)
        connection.execute(f"PRAGMA application_id = {application_id:d}")
    elif found != application_id:
        raise DatabaseForeign(path=path)
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise DatabaseCorrupt(path=path, detail=verdict)


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Only once the database is known to be ours: the journal mode is written into the file."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise FileUnreadable(path=path, detail=N_("it can't be written"))
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
