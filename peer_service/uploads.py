"""Reads a video for its way to another peer: ahead of the wire, and off the event loop."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from peer_service.library.model import SharedVideo
from peer_service.library.reading import OpenVideo, open_shared
from videoteca_core.errors import FileChanged
from videoteca_core.rpc.options import MAX_CHUNK_BYTES

_BLOCK_CHUNKS: Final = 2
"""Chunks that are read at once: fewer hops between threads than one, and little memory."""


@dataclass
class UploadCounters:
    """What was sent since this peer started.

    Attributes:
        uploaded_bytes: bytes of video.
    """

    uploaded_bytes: int = 0


async def chunks(
    video: SharedVideo, offset: int, length: int, readers: Executor
) -> AsyncGenerator[bytes, None]:
    """The chunks of a range, of 1 MiB but for the last one.

    Each block is read by a thread while the one before is on its way: a disk that sleeps stops
    this stream only.

    Args:
        video: the video.
        offset: where to start, in bytes.
        length: how many bytes, all within the video.
        readers: the threads that read.

    Raises:
        FileChanged: the file is no longer what was shared.
    """
    blocks = _Blocks(video, offset, length)
    ahead = readers.submit(blocks.read_next)
    try:
        while block := await asyncio.wrap_future(ahead):
            ahead = readers.submit(blocks.read_next)
            for chunk in block:
                yield chunk
    finally:
        # Not before the thread is done with the file, and not waiting for it either.
        ahead.add_done_callback(lambda _: blocks.close())


class _Blocks:
    """The blocks of a range, one after the other, read by one thread at a time."""

    def __init__(self, video: SharedVideo, offset: int, length: int) -> None:
        self._video = video
        self._offset = offset
        self._end = offset + length
        self._file: OpenVideo | None = None

    def read_next(self) -> list[bytes]:
        """The chunks of the next block; none at the end.

        Raises:
            FileChanged: the file is no longer what was shared, or can't be read any more.
        """
        if not self._file:
            self._file = open_shared(self._video)
        read: list[bytes] = []
        try:
            while self._offset < self._end and len(read) < _BLOCK_CHUNKS:
                length = min(MAX_CHUNK_BYTES, self._end - self._offset)
                read.append(self._file.read(self._offset, length))
                self._offset += length
        except OSError as error:
            raise FileChanged(name=self._video.holding.name) from error
        return read

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._file:
            self._file.close()
