"""Digests and withheld names are remembered, and forgotten when they are stale."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer_service.database import PeerDatabase
from peer_service.library.cache import DigestCache
from peer_service.library.model import FileStamp
from videoteca_core.errors import FileUnreadable
from videoteca_core.manifest import Manifest, digest

STAMP = FileStamp(3, 4, (1 << 63) - 1)
ONE = Manifest(3, digest(b"one"))
OTHER = Manifest(3, digest(b"other"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PeerDatabase]:
    with PeerDatabase(tmp_path / "peer.db") as opened:
        yield opened


def rows(database: PeerDatabase, table: str) -> int:
    with database.transaction() as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def test_a_digest_is_known_again_after_a_restart_for_the_same_stamp_only(
    database: PeerDatabase,
) -> None:
    path = os.fsdecode(b"/f/latin\xe9 \xc3\xb1.mp4")
    DigestCache(database).put(path, STAMP, ONE)
    again = DigestCache(database)
    assert again.get(path, STAMP) == ONE
    assert path in again
    for other in (
        STAMP._replace(size_bytes=1),
        STAMP._replace(modified_ns=1),
        STAMP._replace(inode=1),
    ):
        assert again.get(path, other) is None
    assert again.get("/f/other", STAMP) is None


def test_a_changed_file_leaves_no_manifest_behind(database: PeerDatabase) -> None:
    cache = DigestCache(database)
    cache.put("/f/a", STAMP, ONE)
    cache.put("/f/copy of a", STAMP, ONE)
    cache.put("/f/a", STAMP, OTHER)
    assert rows(database, "manifests") == 2
    cache.put("/f/copy of a", STAMP, OTHER)
    assert (rows(database, "files"), rows(database, "manifests")) == (2, 1)


def test_the_stale_is_forgotten(database: PeerDatabase) -> None:
    cache = DigestCache(database)
    cache.put("/f/gone", STAMP, ONE)
    cache.put("/f/there", STAMP, OTHER)
    cache.prune(lambda path: path == "/f/gone")
    assert "/f/gone" not in cache
    assert DigestCache(database).get("/f/there", STAMP) == OTHER
    assert (rows(database, "files"), rows(database, "manifests")) == (1, 1)


def test_a_damaged_manifest_is_hashed_again_and_replaced(database: PeerDatabase) -> None:
    DigestCache(database).put("/f/a", STAMP, ONE)
    with database.transaction() as connection:
        connection.execute("UPDATE manifests SET piece_digests = ?", (bytes(32),))
    cache = DigestCache(database)
    assert cache.get("/f/a", STAMP) is None
    cache.put("/f/a", STAMP, ONE)
    assert DigestCache(database).get("/f/a", STAMP) == ONE


def test_withheld_names_are_remembered_until_they_are_lifted(database: PeerDatabase) -> None:
    cache = DigestCache(database)
    cache.withhold(["a.mp4", "b.mp4"])
    cache.withhold(["a.mp4"])
    cache.lift("b.mp4")
    cache.lift("never withheld")
    again = DigestCache(database)
    assert (again.is_withheld("a.mp4"), again.is_withheld("b.mp4")) == (True, False)


def test_memory_is_not_ahead_of_the_disk(database: PeerDatabase) -> None:
    cache = DigestCache(database)
    with database.transaction() as connection:
        connection.execute("DROP TABLE withheld")
        connection.execute("DROP TABLE files")
    with pytest.raises(FileUnreadable):
        cache.withhold(["a.mp4"])
    with pytest.raises(FileUnreadable):
        cache.put("/f/a", STAMP, ONE)
    assert not cache.is_withheld("a.mp4")
    assert cache.get("/f/a", STAMP) is None
