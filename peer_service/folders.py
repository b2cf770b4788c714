"""The folders that a peer shares and receives into, remembered for commands without a peer."""

import os
from dataclasses import dataclass
from pathlib import Path

from peer_service.database import PeerDatabase
from videoteca_core.errors import FolderUnusable


@dataclass(frozen=True)
class Folders:
    """Absolute paths."""

    shared: tuple[Path, ...]
    received: Path

    def make(self) -> None:
        """Make the folders that are missing.

        Raises:
            FolderUnusable: one can't be made, or is not a folder.
        """
        for folder in (*self.shared, self.received):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FolderUnusable(path=folder, detail=error.strerror) from error


class FolderStore:
    """Keeps the folders of the last start in the peer's database; the only writer of them."""

    def __init__(self, database: PeerDatabase) -> None:
        self._database = database

    def load(self) -> Folders | None:
        """The folders of the last start; none before the first."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT role, path FROM folders ORDER BY place").fetchall()
        if not rows:
            return None
        shared = tuple(Path(os.fsdecode(path)) for role, path in rows if role == "shared")
        (received,) = (Path(os.fsdecode(path)) for role, path in rows if role == "received")
        return Folders(shared, received)

    def save(self, folders: Folders) -> None:
        """Replace the folders, durably."""
        rows = [("shared", os.fsencode(path)) for path in folders.shared]
        rows.append(("received", os.fsencode(folders.received)))
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM folders")
            connection.executemany(
                "INSERT INTO folders (role, path, place) VALUES (?, ?, ?)",
                [(role, path, place) for place, (role, path) in enumerate(rows)],
            )
