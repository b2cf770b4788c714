"""A video that is not complete yet: its bytes, and which of them can be trusted.

In the folder of partial files there are, for a video with the id ``ID``:

- ``ID.part``: the bytes in their places, with the space for all of them;
- ``ID.manifest``: the digests of its pieces, which prove themselves by hashing to ``ID``;
- ``ID.progress``: which pieces count; see ``note.py``. A piece counts once it is verified,
  written and synced: first the bytes, then this.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from blake3 import blake3

from peer_service.durable import (
    disk_errors,
    replace_file,
    reserve,
    sync,
    sync_data,
    write_all,
)
from peer_service.partial import LivePieces, PartialVideo
from peer_service.pieces import PieceSet, bytes_there
from peer_service.transfer.folder import PARTS_FOLDER, ReceivedFolder
from peer_service.transfer.note import ProgressNote
from peer_service.transfer.syncer import BatchSyncer
from peer_service.transfer.verify import piece_is_good
from videoteca_core.errors import FileUnreadable, InvalidRequest
from videoteca_core.manifest import Manifest
from videoteca_core.text import N_

_PART, _MANIFEST, _PROGRESS = ".part", ".manifest", ".progress"
_NUMBER_BYTES: Final = 8
_NOT_CLEAN: Final = 0
_BLOCK_BYTES: Final = 64 << 10
"""Hashed and then written while it is in the core's own cache."""


class PieceRejected(Exception):
    """A piece without its digest; becomes a BadSource where the source is known."""


def stored_manifest(folder: ReceivedFolder, video_id: str) -> Manifest | None:
    """The manifest that is kept beside a partial file; none when there is no good one."""
    data = _read(folder, video_id + _MANIFEST)
    size_bytes = int.from_bytes(data[:_NUMBER_BYTES], "little")
    try:
        return Manifest.checked(size_bytes, data[_NUMBER_BYTES:], video_id)
    except InvalidRequest:
        return None


def part_ids(folder: ReceivedFolder) -> frozenset[str]:
    """The ids of the videos of which something is kept."""
    return frozenset(map(_video_id, folder.part_names()))


def remove_part(folder: ReceivedFolder, video_id: str) -> None:
    """Remove all that is kept of a video that is not complete."""
    folder.remove_parts(*(name for name in folder.part_names() if _video_id(name) == video_id))


class PartFile:
    """The partial file of one video, opened or begun. Use it in a ``with`` block.

    When the block ends, all that was verified is synced and counts, and is trusted when the file
    is opened again; after an unclean stop the pieces that count are hashed first.

    Attributes:
        pieces: those that were verified and written, of which some may not count yet.

    Args:
        folder: the received folder.
        manifest: the video's, already checked.
        stop: ends the hashing after an unclean stop when it is set.
        on_progress: called with the number of bytes that count, at first and whenever it
            changes, from any thread.

    Raises:
        DiskFull: there is no space for the whole video; what was there is kept.
        FileUnreadable: the file can't be used, or another process is at it.
        Stopped: asked to stop.
    """

    def __init__(
        self,
        folder: ReceivedFolder,
        manifest: Manifest,
        *,
        stop: threading.Event,
        on_progress: Callable[[int], None],
    ) -> None:
        self.manifest = manifest
        self._folder = folder
        self._stop = stop
        self._on_progress = on_progress
        self._name = manifest.video_id + _PART
        self._path = folder.path / PARTS_FOLDER / self._name
        with contextlib.ExitStack() as stack, disk_errors(self._path):
            self._fd = self._open_part()
            stack.callback(os.close, self._fd)
            self._note = stack.enter_context(
                ProgressNote(manifest.video_id + _PROGRESS, folder.parts_fd, manifest)
            )
            counted = self._counted()
            reserve(self._fd, manifest.size_bytes)
            self._store_manifest()
            self.pieces = LivePieces(counted)
            self._on_progress(bytes_there(counted, manifest))
            self._syncer = BatchSyncer(self._settle)
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._open:
            if self._syncer.is_running:
                self._settle_cleanly()

    def writer(self, piece: int) -> "PieceWriter":
        """What takes the bytes of a missing piece; no two may be at the same one."""
        return PieceWriter(self, self._fd, self._path, piece)

    def add(self, piece: int) -> None:
        """Note that a piece was verified and written.

        Raises:
            DiskFull, FileUnreadable: earlier pieces could not be synced.
        """
        self.pieces.add(piece)
        self._syncer.written(self.manifest.piece_range(piece)[1])

    def offer(self, name: str) -> PartialVideo:
        """What others may have of it, as long as the file is not finished or removed."""
        folder = self._folder.path / PARTS_FOLDER
        return PartialVideo(name, self.manifest, folder, self._name, self.pieces)

    def finish(self, name: str) -> Path:
        """Give the complete video its name in the received folder, durably.

        Returns:
            The finished file: under a free name when the name is taken by other content.

        Raises:
            DiskFull, FileUnreadable, FolderUnusable: the disk refuses; the partial file is kept.
            Stopped: asked to stop while comparing with a file that has the name.
        """
        assert self.pieces.snapshot().is_full
        self._settle_cleanly()
        with disk_errors(self._path):
            sync(self._fd)
        path = self._folder.adopt(self._name, name, self.manifest, self._stop)
        remove_part(self._folder, self.manifest.video_id)
        return path

    def _settle_cleanly(self) -> None:
        self._syncer.end()
        self._settle(clean=True)

    def _settle(self, *, clean: bool = False) -> None:
        """Sync the bytes, and then the note of which of them count."""
        pieces = self.pieces.snapshot()
        with disk_errors(self._path):
            sync_data(self._fd)
            noted_at = os.fstat(self._fd).st_mtime_ns if clean else _NOT_CLEAN
            self._note.write(pieces, noted_at)
        self._on_progress(bytes_there(pieces, self.manifest))

    def _counted(self) -> PieceSet:
        """The pieces that count, and are still what they were."""
        pieces = self._note.pieces.copy()
        status = os.fstat(self._fd)
        if (self._note.noted_at, self.manifest.size_bytes) != (status.st_mtime_ns, status.st_size):
            for piece in pieces:
                if not piece_is_good(self._fd, piece, self.manifest, self._stop):
                    pieces.discard(piece)
        return pieces

    def _store_manifest(self) -> None:
        if stored_manifest(self._folder, self.manifest.video_id) is None:
            size = self.manifest.size_bytes.to_bytes(_NUMBER_BYTES, "little")
            name = self.manifest.video_id + _MANIFEST
            data = size + self.manifest.piece_digests
            replace_file(self._folder.parts_fd, name, data)

    def _open_part(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            fd = os.open(self._name, flags, 0o666, dir_fd=self._folder.parts_fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                names = os.fstat(fd).st_nlink
            except BlockingIOError:
                os.close(fd)
                problem = N_("another process is downloading into it")
                raise FileUnreadable(path=self._path, detail=problem) from None
            if names == 1:
                return fd
            os.close(fd)
            if names > 1:  # it got its name, and then the process ended: the file is a finished one
                remove_part(self._folder, self.manifest.video_id)


class PieceWriter:
    """Takes the bytes of one piece in order.

    Bytes are written as they come, so that a big piece needs no memory, and the piece is added to
    the partial file when its digest is right.

    Attributes:
        piece: its number.
        length: how many bytes it has.
        left: how many of them are still to come.
    """

    def __init__(self, part: PartFile, fd: int, path: Path, piece: int) -> None:
        self.piece = piece
        self._offset, self.length = part.manifest.piece_range(piece)
        self.left = self.length
        self._part = part
        self._fd = fd
        self._path = path
        self._hasher = blake3()

    def feed(self, data: memoryview) -> memoryview:
        """Take the next bytes.

        Returns:
            Those that are beyond the end of the piece.

        Raises:
            PieceRejected: the piece is complete, and not what it should be.
            DiskFull, FileUnreadable: the disk refuses.
        """
        mine, rest = data[: self.left], data[self.left :]
        with disk_errors(self._path):
            for start in range(0, len(mine), _BLOCK_BYTES):
                block = mine[start : start + _BLOCK_BYTES]
                self._hasher.update(block)
                write_all(self._fd, block, self._offset)
                self._offset += len(block)
        self.left -= len(mine)
        if not self.left:
            if self._hasher.digest() != self._part.manifest.piece_digest(self.piece):
                raise PieceRejected(self.piece)
            self._part.add(self.piece)
        return rest


def _video_id(part_name: str) -> str:
    return part_name.partition(".")[0]


def _read(folder: ReceivedFolder, name: str) -> bytes:
    """A small file of the folder of partial files; empty when it is not there."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with disk_errors(folder.path / PARTS_FOLDER / name):
        try:
            fd = os.open(name, flags, dir_fd=folder.parts_fd)
        except FileNotFoundError:
            return b""
        with open(fd, "rb") as file:  # noqa: PTH123 - a path would leave the folder that is held
            return file.read()
