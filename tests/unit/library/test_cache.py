"""Digests and withheld names are remembered, and forgotten when they are stale."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer_service.database import PeerDatabase
from peer_service.library.cache import DigestCache
from peer_service.library.model import FileStamp, FoundFile
from peer_service.library.reading import find_file
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


# Files that had another path before


def video(path: Path, content: bytes = b"one") -> FoundFile:
    path.write_bytes(content)
    os.utime(path, ns=(0, 4))
    return find_file(path.parent, (path.name,))


def renamed(file: FoundFile, name: str) -> FoundFile:
    return find_file(file.folder, (Path(file.path).rename(file.folder / name).name,))


def remember(cache: DigestCache, file: FoundFile, manifest: Manifest) -> None:
    cache.put(file.path, file.stamp, manifest)


def known(cache: DigestCache, file: FoundFile) -> Manifest | None:
    cache.adopt([file])
    return cache.get(file.path, file.stamp)


def test_a_renamed_file_is_known_and_its_old_path_is_forgotten(
    database: PeerDatabase, tmp_path: Path
) -> None:
    cache = DigestCache(database)
    old = video(tmp_path / "a.mp4")
    remember(cache, old, ONE)
    for number in range(3):
        new = renamed(old, f"b{number}.mp4")
        assert known(cache, new) == ONE
        assert old.path not in cache
        old = new
    assert known(DigestCache(database), new) == ONE
    assert (rows(database, "files"), rows(database, "manifests")) == (1, 1)


def test_a_link_is_known_and_so_is_what_it_links_to(database: PeerDatabase, tmp_path: Path) -> None:
    cache = DigestCache(database)
    file = video(tmp_path / "a.mp4")
    remember(cache, file, ONE)
    (tmp_path / "b.mp4").hardlink_to(file.path)
    assert known(cache, find_file(tmp_path, ("b.mp4",))) == ONE
    assert known(DigestCache(database), file) == ONE
    assert rows(database, "files") == 2


def test_files_that_changed_places_are_known(database: PeerDatabase, tmp_path: Path) -> None:
    cache = DigestCache(database)
    remember(cache, renamed(video(tmp_path / "one"), "b.mp4"), OTHER)
    remember(cache, renamed(video(tmp_path / "two"), "a.mp4"), ONE)
    (tmp_path / "a.mp4").rename(tmp_path / "c")
    (tmp_path / "b.mp4").rename(tmp_path / "a.mp4")
    (tmp_path / "c").rename(tmp_path / "b.mp4")
    a, b = (find_file(tmp_path, (name,)) for name in ("a.mp4", "b.mp4"))
    cache.adopt([a, b])
    for each in (cache, DigestCache(database)):
        assert (each.get(a.path, a.stamp), each.get(b.path, b.stamp)) == (OTHER, ONE)


def test_the_file_in_the_place_of_a_renamed_one_is_not_known(
    database: PeerDatabase, tmp_path: Path
) -> None:
    cache = DigestCache(database)
    old = video(tmp_path / "a.mp4")
    remember(cache, old, ONE)
    new = renamed(old, "b.mp4")
    replacement = video(tmp_path / "a.mp4", b"two")
    assert known(cache, replacement) is None
    assert known(cache, new) == ONE


def test_a_stamp_alone_proves_nothing_while_the_known_file_is_there(
    database: PeerDatabase, tmp_path: Path
) -> None:
    """On another disk, another file may have the same size, time and inode."""
    cache = DigestCache(database)
    known_file = video(tmp_path / "a.mp4")
    remember(cache, known_file, ONE)
    other = video(tmp_path / "b.mp4", b"two")._replace(stamp=known_file.stamp)
    assert known(cache, other) is None
    Path(other.path).unlink()
    assert known(cache, other) is None
    assert known(cache, known_file) == ONE


def test_what_two_files_of_one_stamp_were_is_not_guessed(
    database: PeerDatabase, tmp_path: Path
) -> None:
    cache = DigestCache(database)
    file = video(tmp_path / "a.mp4")
    cache.put(str(tmp_path / "disk 1" / "gone.mp4"), file.stamp, ONE)
    cache.put(str(tmp_path / "disk 2" / "gone.mp4"), file.stamp, OTHER)
    assert known(cache, file) is None
    cache.put(str(tmp_path / "disk 2" / "gone.mp4"), file.stamp, ONE)
    assert known(cache, file) == ONE
    assert rows(database, "files") == 1


@pytest.mark.parametrize(
    ("old_folder", "expected"),
    [
        ("a.mp4", ONE),  # a file is where the folder was
        ("loop", None),  # nobody can tell what is there
    ],
)
def test_only_a_path_that_is_free_for_certain_has_been_left(
    database: PeerDatabase, tmp_path: Path, old_folder: str, expected: Manifest | None
) -> None:
    cache = DigestCache(database)
    file = video(tmp_path / "a.mp4")
    (tmp_path / "loop").symlink_to("loop")
    cache.put(str(tmp_path / old_folder / "b.mp4"), file.stamp, ONE)
    assert known(cache, file) == expected


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


def test_a_renamed_file_is_not_known_in_memory_only(database: PeerDatabase, tmp_path: Path) -> None:
    cache = DigestCache(database)
    old = video(tmp_path / "a.mp4")
    remember(cache, old, ONE)
    new = renamed(old, "b.mp4")
    with database.transaction() as connection:
        connection.execute("DROP TABLE files")
    with pytest.raises(FileUnreadable):
        cache.adopt([new])
    assert cache.get(new.path, new.stamp) is None
    assert old.path in cache
