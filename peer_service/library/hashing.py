"""Hashes files into their manifests."""

import asyncio
from typing import Final

from blake3 import blake3

from peer_service.library.model import FoundFile, SharedVideo
from peer_service.library.reading import OpenVideo
from peer_service.stop import Stopped
from videoteca_core.errors import FileChanged, FileUnreadable
from videoteca_core.manifest import Manifest, piece_size

_BLOCK_BYTES: Final = 1 << 20  # pieces are a power of two of it


class HashJob:
    """The hashing of one file, in a thread, until it is done or stopped.

    Attributes:
        hashed_bytes: how far it is.
        task: what ends with the video, once started.
    """

    task: asyncio.Task[SharedVideo]

    def __init__(self, name: str, file: FoundFile) -> None:
        self.name: Final = name
        self.file: Final = file
        self.hashed_bytes = 0
        self._stopped = False

    def stop(self) -> None:
        """Give it up; its task ends with :class:`Stopped`."""
        self._stopped = True

    def run(self, known: Manifest | None) -> Manifest:
        """Read the file once, from beginning to end, and make sure that it is as it was found.

        Args:
            known: what it hashed to before when it looked the same; then it is not read.

        Raises:
            FileChanged: it changed meanwhile, or is gone.
            FileUnreadable: it can't be read.
            Stopped: see :meth:`stop`.
        """
        try:
            with OpenVideo(self.file, self.name) as video:
                if known:
                    return known
                digests = self._piece_digests(video)
                video.check()
        except FileNotFoundError as error:
            raise FileChanged(name=self.name) from error
        except OSError as error:
            detail = error.strerror or error
            raise FileUnreadable(path=self.file.path, detail=detail) from error
        return Manifest(self.file.stamp.size_bytes, digests)

    def _piece_digests(self, video: OpenVideo) -> bytes:
        size_bytes = self.file.stamp.size_bytes
        size = piece_size(size_bytes)
        digests = bytearray()
        for start in range(0, size_bytes, size):
            piece = blake3()
            end = min(start + size, size_bytes)
            for offset in range(start, end, _BLOCK_BYTES):
                if self._stopped:
                    raise Stopped
                length = min(_BLOCK_BYTES, end - offset)
                piece.update(video.read(offset, length))
                self.hashed_bytes += length
            digests += piece.digest()
        return bytes(digests)
