"""Reads files again and says which of them are still what they were; changes nothing."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from peer_service.database import PeerDatabase
from peer_service.downloads.model import DownloadState
from peer_service.library.model import FileStamp
from videoteca_core.errors import InvalidRequest
from videoteca_core.manifest import Manifest, digest, piece_size

Progress = Callable[[str, int, int], None]
"""Told of the path, the bytes read so far, and the size."""


class FileState(Enum):
    """What became of a file since it was hashed."""

    INTACT = "intact"
    DAMAGED = "damaged"  # nobody wrote to it, and yet some pieces differ
    CHANGED = "changed"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class VerifiedFile:
    """A file after it was read again.

    Attributes:
        path: absolute; undecodable bytes are surrogates.
        size_bytes: the size that it should have.
        damaged_pieces: the numbers of the pieces that differ or can't be read, counted from 0;
            only of a damaged file.
    """

    path: str
    video_id: str
    size_bytes: int
    state: FileState
    damaged_pieces: tuple[int, ...] = ()


_Verdict = tuple[FileState, tuple[int, ...]]


def verify(database: PeerDatabase, progress: Progress) -> Iterator[VerifiedFile]:
    """Check every file that is shared, by path, and then what else was received.

    Of what was received and is not shared only the id is known: such a file is intact or changed,
    and one that is gone was moved away by its owner.

    Raises:
        DatabaseCorrupt, FileUnreadable: the database can't be used.
    """
    with database.transaction() as connection:
        shared = connection.execute(
            "SELECT path, files.size_bytes, modified_ns, inode, video_id, piece_digests "
            "FROM files JOIN manifests USING (video_id) ORDER BY path"
        ).fetchall()
        received = connection.execute(
            "SELECT path, size_bytes, video_id FROM downloads WHERE state = ? ORDER BY path",
            (DownloadState.DONE.value,),
        ).fetchall()
    seen = set()
    for raw_path, size, modified, inode, video_id, digests in shared:
        path = os.fsdecode(raw_path)
        seen.add(path)
        try:
            manifest = Manifest.checked(size, digests, video_id)
        except InvalidRequest:  # the digests themselves are damaged: the peer hashes it anew
            continue
        yield _verified(path, manifest, FileStamp(size, modified, inode), progress)
    for path, size, video_id in received:
        if path not in seen and Path(path).exists():
            seen.add(path)
            yield _identified(path, size, video_id, progress)


def _verified(path: str, manifest: Manifest, stamp: FileStamp, progress: Progress) -> VerifiedFile:
    """A file whose digests and stamp are known."""

    def look(file: int) -> _Verdict:
        before = FileStamp.of(os.fstat(file))
        if before.size_bytes != manifest.size_bytes:
            return FileState.CHANGED, ()
        found = _digests(file, path, manifest.size_bytes, progress)
        differing = tuple(
            index for index, piece in enumerate(found) if piece != manifest.piece_digest(index)
        )
        touched = not before == stamp == FileStamp.of(os.fstat(file))
        if differing and not touched:
            return FileState.DAMAGED, differing
        return (FileState.CHANGED if differing else FileState.INTACT), ()

    return VerifiedFile(path, manifest.video_id, manifest.size_bytes, *_looked_at(path, look))


def _identified(path: str, size_bytes: int, expected_id: str, progress: Progress) -> VerifiedFile:
    """A file of which only the id is known."""

    def look(file: int) -> _Verdict:
        if os.fstat(file).st_size == size_bytes:
            pieces = list(_digests(file, path, size_bytes, progress))
            if Manifest(size_bytes, b"".join(filter(None, pieces))).video_id == expected_id:
                return FileState.INTACT, ()
        return FileState.CHANGED, ()

    return VerifiedFile(path, expected_id, size_bytes, *_looked_at(path, look))


def _looked_at(path: str, look: Callable[[int], _Verdict]) -> _Verdict:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path with surrogates
            return look(file.fileno())
    except FileNotFoundError:
        return FileState.MISSING, ()
    except OSError:
        return FileState.UNREADABLE, ()


def _digests(file: int, path: str, size_bytes: int, progress: Progress) -> Iterator[bytes | None]:
    """The digest of each piece; none of one that the disk can't read."""
    length = piece_size(size_bytes)
    for offset in range(0, size_bytes, length):
        try:
            yield digest(os.pread(file, length, offset))
        except OSError:
            yield None
        progress(path, min(offset + length, size_bytes), size_bytes)
