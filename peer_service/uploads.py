"""Reads a video for its way to another peer, so that a sleeping disk stops that stream only."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final

from peer_service.library.model import SharedVideo
from peer_service.library.reading import OpenVideo, open_shared
from videoteca_core.errors import FileChanged
from videoteca_core.rpc.options import MAX_CHUNK_BYTES

_BLOCK_CHUNKS: Final = 2
"""Chunks that a thread reads at once: fewer hops between threads than one, and little memory."""


@dataclass
class UploadCounters:
    """What was sent since this peer started.

    Attributes:
        uploaded_bytes: bytes of video.
    """

    uploaded_bytes: int = 0


async def chunks(
    video: SharedVideo, offset: int, length: int, readers: Executor
) -> AsyncGenerator[memoryview, None]:
    """The chunks of a range, of 1 MiB but for the last one, each valid until the next.

    What the system has in memory is read here, which is fastest by far. From the first chunk on
    that the disk has to be waited for, a thread reads each block while the one before is on its
    way.

    Args:
        video: the video.
        offset: where to start, in bytes.
        length: how many bytes, all within the video.
        readers: the threads that wait for the disk.

    Raises:
        FileChanged: the file is no longer what was shared.
    """
    blocks = _Blocks(video, offset, length)
    waiting: Future[Any] = readers.submit(blocks.open)
    try:
        await asyncio.wrap_future(waiting)
        while cached := blocks.next_cached():
            yield cached
        waiting = readers.submit(blocks.next_block)
        while block := await asyncio.wrap_future(waiting):
            waiting = readers.submit(blocks.next_block)
            for chunk in block:
                yield memoryview(chunk)
    finally:
        # Not before the thread is done with the file, and not waiting for it either.
        waiting.add_done_callback(lambda _: blocks.close())


class _Blocks:
    """The blocks of a range, one after the other, read by one thread at a time."""

    def __init__(self, video: SharedVideo, offset: int, length: int) -> None:
        self._video = video
        self._offset = offset
        self._end = offset + length
        self._file: OpenVideo | None = None
        self._chunk = memoryview(bytearray(min(length, MAX_CHUNK_BYTES)))

    def open(self) -> None:
        """Open the file.

        Raises:
            FileChanged: it is no longer what was shared.
        """
        self._file = open_shared(self._video)

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._file:
            self._file.close()

    def next_cached(self) -> memoryview | None:
        """The next chunk; none at the end, and when the disk has to be waited for.

        Raises:
            FileChanged: the file is no longer what was shared.
        """
        assert self._file
        chunk = self._chunk[: self._next_length()]
        if not chunk or not self._file.read_cached(self._offset, chunk):
            return None
        self._offset += len(chunk)
        return chunk

    def next_block(self) -> list[bytes]:
        """The chunks of the next block; none at the end.

        Raises:
            FileChanged: the file is no longer what was shared, or can't be read any more.
        """
        assert self._file
        block: list[bytes] = []
        try:
            while len(block) < _BLOCK_CHUNKS and (length := self._next_length()):
                block.append(self._file.read(self._offset, length))
                self._offset += length
        except OSError as error:
            raise FileChanged(name=self._video.holding.name) from error
        return block

    def _next_length(self) -> int:
        return min(MAX_CHUNK_BYTES, self._end - self._offset)
