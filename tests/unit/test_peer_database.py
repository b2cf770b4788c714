"""The peer's database tells of each failure as what it is."""

import sqlite3
from pathlib import Path

import pytest

from peer_service.database import PeerDatabase


def test_a_transaction_that_sqlite_gave_up_ends_with_its_cause(tmp_path: Path) -> None:
    insert = "INSERT OR ROLLBACK INTO withheld VALUES ('clip.mp4')"
    with PeerDatabase(tmp_path / "peer.db") as database:
        with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
            connection.executemany(insert, ((), ()))
        with database.transaction() as connection:
            assert not connection.execute("SELECT * FROM withheld").fetchall()
