"""Opens the SQLite files of trackers and peers, always in the same durable way."""

import sqlite3
from pathlib import Path

from videoteca_core.errors import DatabaseCorrupt, DatabaseForeign, FileUnreadable

_MAGIC = b"SQLite format 3\0"


def open_database(path: Path, application_id: int) -> sqlite3.Connection:
    """Open or create a database: WAL, synchronous=FULL, no implicit transactions.

    The connection may be used by several threads, by one at a time.

    Args:
        path: the file; its folder must exist.
        application_id: the 32-bit mark by which this kind of database is known.

    Raises:
        DatabaseForeign: the file is something else, or another program's database.
        DatabaseCorrupt: the file is a damaged database.
        FileUnreadable: the file can't be opened.
    """
    try:
        _check_header(path, application_id)
        connection = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.OperationalError) as error:
        raise FileUnreadable(path=path, detail=error) from error
    try:
        _check_content(connection, path, application_id)
        _make_durable(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        raise FileUnreadable(path=path, detail=error) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DatabaseCorrupt(path=path, detail=error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _check_header(path: Path, application_id: int) -> None:
    """Look at the file before SQLite may write to it."""
    try:
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
        raise DatabaseCorrupt(path=path, detail="it is cut off")
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
        raise FileUnreadable(path=path, detail="it can't be written")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
