"""Reads files again and says which of them are still what they were; changes nothing."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from peer_service.database import PeerDatabase
from peer_service.library.model import FileStamp
from videoteca_core.errors import InvalidRequest
from videoteca_core.manifest import Manifest, digest

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


def verify(database: PeerDatabase, progress: Progress) -> Iterator[VerifiedFile]:
    """Check every file that the peer remembers the digests of, by path.

    Raises:
        DatabaseCorrupt, FileUnreadable: the database can't be used.
    """
    with database.transaction() as connection:
        known = connection.execute(
            "SELECT path, files.size_bytes, modified_ns, inode, video_id, piece_digests "
            "FROM files JOIN manifests USING (video_id) ORDER BY path"
        ).fetchall()
    for path, size, modified, inode, video_id, digests in known:
        try:
            manifest = Manifest.checked(size, digests, video_id)
        except InvalidRequest:  # the digests themselves are damaged: the peer hashes it anew
            continue
        yield _checked(os.fsdecode(path), FileStamp(size, modified, inode), manifest, progress)


def _checked(path: str, stamp: FileStamp, manifest: Manifest, progress: Progress) -> VerifiedFile:
    state: FileState
    damaged: tuple[int, ...] = ()
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path with surrogates
            before = FileStamp.of(os.fstat(file.fileno()))
            if before.size_bytes == stamp.size_bytes:
                differing = tuple(_differing(file.fileno(), path, manifest, progress))
                touched = not before == stamp == FileStamp.of(os.fstat(file.fileno()))
                state, damaged = _verdict(differing, touched=touched)
            else:
                state = FileState.CHANGED
    except FileNotFoundError:
        state = FileState.MISSING
    except OSError:
        state = FileState.UNREADABLE
    return VerifiedFile(path, manifest.video_id, manifest.size_bytes, state, damaged)


def _verdict(differing: tuple[int, ...], *, touched: bool) -> tuple[FileState, tuple[int, ...]]:
    if not differing:
        return FileState.INTACT, ()
    return (FileState.CHANGED, ()) if touched else (FileState.DAMAGED, differing)


def _differing(file: int, path: str, manifest: Manifest, progress: Progress) -> Iterator[int]:
    """The numbers of the pieces that differ; one that the disk can't read differs too."""
    for index in range(manifest.piece_count):
        offset, length = manifest.piece_range(index)
        try:
            same = digest(os.pread(file, length, offset)) == manifest.piece_digest(index)
        except OSError:
            same = False
        if not same:
            yield index
        progress(path, offset + length, manifest.size_bytes)
