import os
from pathlib import Path

import pytest

from peer_service.database import PeerDatabase
from peer_service.library.cache import DigestCache
from peer_service.library.model import FileStamp
from peer_service.library.verify import FileState, VerifiedFile, verify
from videoteca_core.manifest import MIN_PIECE_BYTES, Manifest, digest

_CONTENT = bytes(2 * MIN_PIECE_BYTES) + b"the end"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A file of three pieces that the peer remembers."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(_CONTENT)
    return path


@pytest.fixture
def database(tmp_path: Path, video: Path) -> PeerDatabase:
    pieces = [
        _CONTENT[start : start + MIN_PIECE_BYTES]
        for start in range(0, len(_CONTENT), MIN_PIECE_BYTES)
    ]
    manifest = Manifest(len(_CONTENT), b"".join(map(digest, pieces)))
    database = PeerDatabase(tmp_path / "peer.db")
    DigestCache(database).put(str(video), FileStamp.of(video.stat()), manifest)
    return database


def _verified(database: PeerDatabase) -> VerifiedFile:
    with database:
        (file,) = verify(database, lambda _path, _done, _size: None)
    return file


def _overwrite(video: Path, offset: int, data: bytes) -> None:
    with video.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_an_intact_file(database: PeerDatabase, video: Path) -> None:
    file = _verified(database)

    assert (file.path, file.size_bytes) == (str(video), len(_CONTENT))
    assert (file.state, file.damaged_pieces) == (FileState.INTACT, ())


def test_bytes_that_changed_though_nobody_wrote_are_damage(
    database: PeerDatabase, video: Path
) -> None:
    before = video.stat()
    _overwrite(video, 2 * MIN_PIECE_BYTES, b"T")
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))

    file = _verified(database)

    assert (file.state, file.damaged_pieces) == (FileState.DAMAGED, (2,))


def test_a_file_that_was_written_to_has_changed(database: PeerDatabase, video: Path) -> None:
    _overwrite(video, 0, b"x")
    os.utime(video, ns=(1, 1))

    assert _verified(database).state is FileState.CHANGED


def test_a_file_of_another_size_has_changed(database: PeerDatabase, video: Path) -> None:
    video.write_bytes(b"short")

    assert _verified(database).state is FileState.CHANGED


def test_a_file_that_was_only_touched_is_intact(database: PeerDatabase, video: Path) -> None:
    os.utime(video, ns=(1, 1))

    assert _verified(database).state is FileState.INTACT


def test_a_file_that_is_gone(database: PeerDatabase, video: Path) -> None:
    video.unlink()

    assert _verified(database).state is FileState.MISSING


def test_what_is_no_file_any_more(database: PeerDatabase, video: Path) -> None:
    video.unlink()
    video.mkdir()

    assert _verified(database).state is FileState.UNREADABLE


def test_progress_reaches_the_size(database: PeerDatabase) -> None:
    seen: list[tuple[int, int]] = []
    with database:
        list(verify(database, lambda _path, done, size: seen.append((done, size))))

    assert seen[-1] == (len(_CONTENT), len(_CONTENT))
    assert len(seen) == 3


def _received(database: PeerDatabase, path: Path, content: bytes) -> None:
    """Remember a file as one that was downloaded with that content."""
    video_id = Manifest(len(content), digest(content)).video_id
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO downloads "
            "(name, video_id, size_bytes, owner, state, priority, place, path)"
            " VALUES (?, ?, ?, '', 'done', 0, 1, ?)",
            (path.name, video_id, len(content), str(path)),
        )


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (b"received", FileState.INTACT),
        (b"deceived", FileState.CHANGED),
        (b"receive", FileState.CHANGED),
    ],
)
def test_what_was_received_is_known_by_its_id(
    tmp_path: Path, content: bytes, state: FileState
) -> None:
    path = tmp_path / "received.mp4"
    path.write_bytes(content)
    database = PeerDatabase(tmp_path / "other.db")
    _received(database, path, b"received")

    file = _verified(database)

    assert (file.path, file.state) == (str(path), state)


def test_what_was_received_and_moved_away_is_no_matter(tmp_path: Path) -> None:
    with PeerDatabase(tmp_path / "other.db") as database:
        _received(database, tmp_path / "gone.mp4", b"gone")

        assert list(verify(database, lambda _path, _done, _size: None)) == []
