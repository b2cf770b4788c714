"""Reads a video for its way to another peer, so that a sleeping disk stops that stream only."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from peer_service.library.model import OfferedVideo
from peer_service.library.reading import OpenVideo, open_shared
from videoteca_core.errors import FileChanged
from videoteca_core.rpc.options import MAX_CHUNK_BYTES

T = TypeVar("T")

_BLOCK_CHUNKS: Final = 2
"""Chunks that a thread reads at once: fewer hops between threads than one, and little memory."""


@dataclass
class UploadCounters:
    """What was sent since this peer started.

    Attributes:
        uploaded_bytes: bytes of video.
    """

    uploaded_bytes: int = 0


class Upload:
    """A range of a video on its way: open it, take its chunks, close it.

    Args:
        video: the video.
        offset: where to start, in bytes.
        length: how many bytes, all within the video.
        readers: the threads that wait for the disk.
    """

    def __init__(self, video: OfferedVideo, offset: int, length: int, readers: Executor) -> None:
        self._video = video
        self._offset = offset
        self._end = offset + length
        self._readers = readers
        self._file: OpenVideo | None = None
        self._chunk = memoryview(bytearray(min(length, MAX_CHUNK_BYTES)))
        self._last_work: Future[Any] | None = None

    async def open(self) -> None:
        """Open the file.

        Raises:
            FileChanged: it is no longer what was shared.
        """
        await asyncio.wrap_future(self._begin(self._open))

    async def chunks(self) -> AsyncIterator[memoryview]:
        """The chunks, of 1 MiB but for the last one, each valid until the next is asked for.

        What the system has in memory is read here, which is fastest by far. From the first chunk
        on that the disk has to be waited for, a thread reads each block while the one before is
        on its way.

        Raises:
            FileChanged: the file is no longer what was shared.
        """
        while cached := self._next_cached():
            yield cached
        ahead = self._begin(self._next_block)
        while block := await asyncio.wrap_future(ahead):
            ahead = self._begin(self._next_block)
            for chunk in block:
                yield memoryview(chunk)

    def close(self) -> None:
        """Close the file: not before the thread is done with it, and not waiting for it either."""
        self._chunk = memoryview(b"")
        if self._last_work:
            self._last_work.add_done_callback(self._close_file)

    def _close_file(self, _: object) -> None:
        file, self._file = self._file, None
        if file:
            file.close()

    def _begin(self, work: Callable[[], T]) -> "Future[T]":
        self._last_work = future = self._readers.submit(work)
        return future

    def _open(self) -> None:
        self._file = open_shared(self._video)

    def _next_cached(self) -> memoryview | None:
        """The next chunk; none at the end, and when the disk has to be waited for."""
        assert self._file
        chunk = self._chunk[: self._next_length()]
        if not chunk or not self._file.read_cached(self._offset, chunk):
            return None
        self._offset += len(chunk)
        return chunk

    def _next_block(self) -> list[bytes]:
        """The chunks of the next block; none at the end."""
        assert self._file
        block: list[bytes] = []
        try:
            while len(block) < _BLOCK_CHUNKS and (length := self._next_length()):
                block.append(self._file.read(self._offset, length))
                self._offset += length
        except OSError as error:
            raise FileChanged(name=self._video.name) from error
        return block

    def _next_length(self) -> int:
        return min(MAX_CHUNK_BYTES, self._end - self._offset)
