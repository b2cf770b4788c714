"""Remembers what files hash to, and which names their owner does not share."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

from peer_service.database import PeerDatabase
from peer_service.library.model import FileStamp
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
        self._entries = self._load()
        self._withheld = self._load_withheld()

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def get(self, path: str, stamp: FileStamp) -> Manifest | None:
        """The manifest of a file that looked like this when it was hashed."""
        known, manifest = self._entries.get(path, (None, None))
        return manifest if known == stamp else None

    def put(self, path: str, stamp: FileStamp, manifest: Manifest) -> None:
        """Remember what a file hashes to, durably."""
        with self._lock, self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO manifests VALUES (?, ?, ?) ON CONFLICT (video_id) DO UPDATE "
                "SET size_bytes = excluded.size_bytes, piece_digests = excluded.piece_digests",
                (manifest.video_id, manifest.size_bytes, manifest.piece_digests),
            )
            connection.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
                (os.fsencode(path), *stamp, manifest.video_id),
            )
            _, older = self._entries.get(path, (None, manifest))
            connection.execute(
                "DELETE FROM manifests WHERE video_id = ? AND NOT EXISTS "
                "(SELECT 1 FROM files WHERE files.video_id = manifests.video_id)",
                (older.video_id,),
            )
            self._entries[path] = (stamp, manifest)

    def prune(self, is_stale: Callable[[str], bool]) -> None:
        """Forget the files whose paths are stale, durably."""
        with self._lock:
            stale = [path for path in self._entries if is_stale(path)]
            if not stale:
                return
            with self._database.transaction() as connection:
                connection.executemany(
                    "DELETE FROM files WHERE path = ?", [(os.fsencode(path),) for path in stale]
                )
                connection.execute(
                    "DELETE FROM manifests WHERE video_id NOT IN (SELECT video_id FROM files)"
                )
            for path in stale:
                del self._entries[path]

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

    def _load(self) -> dict[str, tuple[FileStamp, Manifest]]:
        manifests: dict[str, Manifest] = {}
        with self._database.transaction() as connection:
            for video_id, size_bytes, digests in connection.execute("SELECT * FROM manifests"):
                try:
                    manifests[video_id] = Manifest.checked(size_bytes, digests, video_id)
                except InvalidRequest:  # damaged: its files are hashed again
                    continue
            return {
                os.fsdecode(path): (FileStamp(size, modified, inode), manifests[video_id])
                for path, size, modified, inode, video_id in connection.execute(
                    "SELECT path, size_bytes, modified_ns, inode, video_id FROM files"
                )
                if video_id in manifests
            }

    def _load_withheld(self) -> frozenset[str]:
        with self._database.transaction() as connection:
            return frozenset(name for (name,) in connection.execute("SELECT name FROM withheld"))
