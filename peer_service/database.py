"""The peer's database: identity, digest cache and download queue, in one SQLite file."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from videoteca_core.errors import DatabaseTooNew, FileUnreadable
from videoteca_core.sqlite import explained, open_database

_APPLICATION_ID: Final = 0x56_54_50_31  # "VTP1"

# Each script brings the schema from its place in the list to the next; released ones never change.
_MIGRATIONS: Final = (
    """
    -- Who this peer is at its tracker. Written by identity.py.
    CREATE TABLE identity (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        name TEXT NOT NULL,
        token TEXT NOT NULL,
        tracker TEXT NOT NULL,
        tracker_id TEXT NOT NULL,
        peer_id TEXT NOT NULL
    ) STRICT;

    -- The folders of the last start, for commands that run without a peer. Written by folders.py.
    CREATE TABLE folders (
        place INTEGER PRIMARY KEY,
        role TEXT NOT NULL CHECK (role IN ('shared', 'received')),
        path BLOB NOT NULL
    ) STRICT;

    -- The digest cache: what was in a file when it had this size, time and inode. Written by
    -- library/cache.py.
    CREATE TABLE manifests (
        video_id TEXT PRIMARY KEY,
        size_bytes INTEGER NOT NULL,
        piece_digests BLOB NOT NULL
    ) STRICT;
    CREATE TABLE files (
        path BLOB PRIMARY KEY,
        size_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        video_id TEXT NOT NULL REFERENCES manifests (video_id)
    ) STRICT;
    CREATE INDEX files_by_video ON files (video_id);

    -- Names that their owner does not share, though the files are there. Written by
    -- library/cache.py.
    CREATE TABLE withheld (name TEXT PRIMARY KEY) STRICT;

    -- The download queue. Written by downloads/queue.py.
    CREATE TABLE downloads (
        download_id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        video_id TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        owner TEXT NOT NULL,
        state TEXT NOT NULL,
        priority INTEGER NOT NULL,
        place REAL NOT NULL,
        verified_bytes INTEGER NOT NULL DEFAULT 0,
        failed_tries INTEGER NOT NULL DEFAULT 0,
        next_try_at REAL NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        message TEXT NOT NULL DEFAULT '',
        fields TEXT NOT NULL DEFAULT '{}', -- of the error, as JSON
        path TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX downloads_in_order ON downloads (state, priority DESC, place);
    """,
    """
    -- Who this peer is at the trackers where it was before. Written by identity.py.
    CREATE TABLE former_identities (
        tracker_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        token TEXT NOT NULL,
        tracker TEXT NOT NULL,
        peer_id TEXT NOT NULL
    ) STRICT;
    """,
    """
    -- The peers that a download is fetched from, as JSON; see downloads/sources.py.
    ALTER TABLE downloads ADD COLUMN sources TEXT NOT NULL DEFAULT '[]';
    """,
)


class PeerDatabase:
    """The peer's database, usable from any thread, one transaction at a time.

    Raises:
        DatabaseForeign, DatabaseCorrupt, DatabaseTooNew, FileUnreadable: see their classes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection = open_database(path, _APPLICATION_ID)
        self._connection.row_factory = sqlite3.Row
        self._migrate()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A durable transaction: committed at the end of the block, rolled back by an exception.

        Raises:
            DiskFull, DatabaseCorrupt, FileUnreadable: the database could not be used.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:  # a full disk may have ended it
                    self._connection.execute("ROLLBACK")
                trouble = explained(self._path, error)
                if trouble is None and isinstance(error, sqlite3.OperationalError):
                    trouble = FileUnreadable(path=self._path, detail=error)
                if trouble is None:
                    raise
                raise trouble from error

    def close(self) -> None:
        """Close the file; the database can't be used any more."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _migrate(self) -> None:
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(_MIGRATIONS):
                raise DatabaseTooNew(path=self._path)
            for script in _MIGRATIONS[version:]:
                for statement in _statements(script):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS):d}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, so that all of them run in the caller's transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
