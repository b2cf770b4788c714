"""The peer's database tells of each failure as what it is."""

import sqlite3
from pathlib import Path

import pytest

from peer_service import database as peer_database
from peer_service.database import PeerDatabase
from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.queue import DownloadQueue
from peer_service.transfer.model import SourceReport, SourceState


def test_a_transaction_that_sqlite_gave_up_ends_with_its_cause(tmp_path: Path) -> None:
    insert = "INSERT OR ROLLBACK INTO withheld VALUES ('clip.mp4')"
    with PeerDatabase(tmp_path / "peer.db") as database:
        with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
            connection.executemany(insert, ((), ()))
        with database.transaction() as connection:
            assert not connection.execute("SELECT * FROM withheld").fetchall()


def test_a_queue_of_before_there_were_sources_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(peer_database, "_MIGRATIONS", peer_database._MIGRATIONS[:2])
        with PeerDatabase(tmp_path / "peer.db") as old, old.transaction() as connection:
            connection.execute(
                "INSERT INTO downloads (name, video_id, size_bytes, owner, state, priority, place)"
                " VALUES ('clip.mp4', 'abc', 10, 'ana', 'paused', 3, 1)"
            )
    with PeerDatabase(tmp_path / "peer.db") as database:
        queue = DownloadQueue(database)
        paused = Download(1, "clip.mp4", "abc", 10, "ana", DownloadState.PAUSED, priority=3)
        assert queue.downloads() == (paused,)
        sources = (SourceReport("ana", "10.0.0.2:1", 7, state=SourceState.LEFT),)
        queue.note_sources(1, sources)
        assert queue.get(1).sources == sources
