"""Remembers what files hash to, and which names their owner does not share."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from typing import Final

from peer_service.database import PeerDatabase
from peer_service.library.model import FileStamp, FoundFile
from videoteca_core.errors import InvalidRequest
from videoteca_core.manifest import Manifest


class DigestCache:
    """The manifests of files by path and stamp; its only writer, usable from any thread.

    It is read into memory once: the manifests of what is shared are needed there anyway.

    Raises:
        DiskFull, DatabaseCorrupt, FileUnreadable: the database can't be used.
    """

    def __init__(self, database: PeerDatabase) -> None:
        self._database = database
        self._lock: Final = threading.Lock()
        self._entries: dict[str, tuple[FileStamp, Manifest]] = {}
        self._paths: dict[FileStamp, set[str]] = {}
        for path, stamp, manifest in self._load():
            self._enter(path, stamp, manifest)
        self._withheld = self._load_withheld()

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def get(self, path: str, stamp: FileStamp) -> Manifest | None:
        """The manifest of a file that looked like this when it was hashed."""
        known, manifest = self._entries.get(path, (None, None))
        return manifest if known == stamp else None

    def put(self, path: str, stamp: FileStamp, manifest: Manifest) -> None:
        """Remember what a file hashes to, durably."""
        with self._lock:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO manifests VALUES (?, ?, ?) ON CONFLICT (video_id) DO UPDATE "
                    "SET size_bytes = excluded.size_bytes, piece_digests = excluded.piece_digests",
                    (manifest.video_id, manifest.size_bytes, manifest.piece_digests),
                )
                _save(connection, path, stamp, manifest)
                _, older = self._entries.get(path, (None, manifest))
                connection.execute(
                    "DELETE FROM manifests WHERE video_id = ? AND NOT EXISTS "
                    "(SELECT 1 FROM files WHERE files.video_id = manifests.video_id)",
                    (older.video_id,),
                )
            self._enter(path, stamp, manifest)

    def adopt(self, files: Iterable[FoundFile]) -> None:
        """Remember under its own path, durably, what is known under the path that it had before.

        A file that was renamed, moved or linked keeps its size, time and inode. But a file on
        another disk may have the same ones by chance, and an inode is used again. So what is known
        is believed only when it is no longer under its old path, or when both paths are one file.
        The rest of the risk is small, and at worst others refuse a piece: they check every one.
        """
        with self._lock:
            adopted: dict[str, tuple[FileStamp, Manifest]] = {}
            left: set[str] = set()
            for file in files:
                if self.get(file.path, file.stamp):
                    continue
                try:
                    gone, linked = _older_paths(self._paths.get(file.stamp, ()), file)
                except OSError:  # nobody can tell: the file is hashed
                    continue
                manifests = {self._entries[path][1] for path in gone | linked}
                if len(manifests) == 1:
                    adopted[file.path] = (file.stamp, manifests.pop())
                    left |= gone
            left -= adopted.keys()  # two files may have changed places
            if not adopted:
                return
            with self._database.transaction() as connection:
                for path, (stamp, manifest) in adopted.items():
                    _save(connection, path, stamp, manifest)
                _forget(connection, left)
            for path, (stamp, manifest) in adopted.items():
                self._enter(path, stamp, manifest)
            self._leave(left)

    def prune(self, is_stale: Callable[[str], bool]) -> None:
        """Forget the files whose paths are stale, durably."""
        with self._lock:
            stale = [path for path in self._entries if is_stale(path)]
            if not stale:
                return
            with self._database.transaction() as connection:
                _forget(connection, stale)
            self._leave(stale)

    def is_withheld(self, name: str) -> bool:
        """Whether the owner does not share what has that name."""
        return name in self._withheld

    def withhold(self, names: Iterable[str]) -> None:
        """Do not share what has these names, durably."""
        with self._lock:
            names = frozenset(names)
            with self._database.transaction() as connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO withheld VALUES (?)", [(name,) for name in names]
                )
            self._withheld |= names

    def lift(self, name: str) -> None:
        """Share what has that name again, durably."""
        with self._lock:
            if name in self._withheld:
                with self._database.transaction() as connection:
                    connection.execute("DELETE FROM withheld WHERE name = ?", (name,))
                self._withheld -= {name}

    def _enter(self, path: str, stamp: FileStamp, manifest: Manifest) -> None:
        older, _ = self._entries.get(path, (None, None))
        self._entries[path] = (stamp, manifest)
        if older and older != stamp:
            self._unlist(path, older)
        self._paths.setdefault(stamp, set()).add(path)

    def _leave(self, paths: Iterable[str]) -> None:
        for path in paths:
            stamp, _ = self._entries.pop(path)
            self._unlist(path, stamp)

    def _unlist(self, path: str, stamp: FileStamp) -> None:
        self._paths[stamp].remove(path)
        if not self._paths[stamp]:
            del self._paths[stamp]

    def _load(self) -> list[tuple[str, FileStamp, Manifest]]:
        manifests: dict[str, Manifest] = {}
        with self._database.transaction() as connection:
            for video_id, size_bytes, digests in connection.execute("SELECT * FROM manifests"):
                try:
                    manifests[video_id] = Manifest.checked(size_bytes, digests, video_id)
                except InvalidRequest:  # damaged: its files are hashed again
                    continue
            return [
                (os.fsdecode(path), FileStamp(size, modified, inode), manifests[video_id])
                for path, size, modified, inode, video_id in connection.execute(
                    "SELECT path, size_bytes, modified_ns, inode, video_id FROM files"
                )
                if video_id in manifests
            ]

    def _load_withheld(self) -> frozenset[str]:
        with self._database.transaction() as connection:
            return frozenset(name for (name,) in connection.execute("SELECT name FROM withheld"))


def _save(connection: sqlite3.Connection, path: str, stamp: FileStamp, manifest: Manifest) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
        (os.fsencode(path), *stamp, manifest.video_id),
    )


def _forget(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    connection.executemany(
        "DELETE FROM files WHERE path = ?", [(os.fsencode(path),) for path in paths]
    )
    connection.execute("DELETE FROM manifests WHERE video_id NOT IN (SELECT video_id FROM files)")


def _older_paths(paths: Iterable[str], file: FoundFile) -> tuple[set[str], set[str]]:
    """Of the paths that a file may have had: those that it has left, and those that it still has.

    Raises:
        OSError: one of them can't be looked at.
    """
    gone, linked = set(), set()
    for path in paths:
        there = _status(path)
        if there is None or FileStamp.of(there) != file.stamp:
            gone.add(path)
        elif os.path.samestat(there, os.lstat(file.path)):
            linked.add(path)
    return gone, linked


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
