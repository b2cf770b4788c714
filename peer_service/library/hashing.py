"""Hashes files into their manifests, many at once."""

import asyncio
import contextlib
import mmap
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from blake3 import blake3

from peer_service.library.model import FoundFile, SharedVideo
from peer_service.library.reading import OpenVideo
from peer_service.stop import Stopped
from videoteca_core.errors import FileChanged, FileUnreadable
from videoteca_core.manifest import DIGEST_BYTES, Manifest, piece_count, piece_size

# Pieces are a power of two of it. The threads hand the interpreter lock over with every block: two
# of them took a third longer with 128 KiB, and twice as long with 32 KiB.
_BLOCK_BYTES: Final = 1 << 20
# What a thread does before it looks what comes first by then: 8 ms from the page cache, a sixth of
# a second from a disk that spins.
_RUN_BYTES: Final = 16 << 20


class HashJob:
    """The hashing of one file, in runs of pieces, until it is done, has failed or is stopped.

    Touched on the event loop only, but for :meth:`hash` and :meth:`check`.

    Args:
        name: under which the file is to be shared.
        file: the file, as it was found.

    Attributes:
        urgent: whether somebody waits for it.
        hashed_bytes: how far it is.
        ended: set when no run of it is left or under way.
        task: what ends with the video, once started.
    """

    task: asyncio.Task[SharedVideo]

    def __init__(self, name: str, file: FoundFile) -> None:
        self.name: Final = name
        self.file: Final = file
        self.urgent = False
        self.hashed_bytes = 0
        self.ended: Final = asyncio.Event()
        self._lock: Final = threading.Lock()
        self._video: OpenVideo | None = None
        self._piece_size: Final = piece_size(self.size_bytes)
        pieces = range(piece_count(self.size_bytes))
        length = max(1, _RUN_BYTES // self._piece_size)
        # An empty file has a run as well: it is opened, to see whether it still is one.
        self._runs = deque(pieces[at : at + length] for at in range(0, len(pieces) or 1, length))
        self._under_way = 0
        self._digests: Final = bytearray(DIGEST_BYTES * len(pieces))
        self._error: BaseException | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.file.stamp.size_bytes

    def begin_run(self) -> range | None:
        """The pieces to hash next; none when no run is left."""
        if not self._runs:
            return None
        self._under_way += 1
        return self._runs.popleft()

    def end_run(self, error: BaseException | None) -> None:
        """Take note that a run is done, or has failed."""
        self._under_way -= 1
        self._go_on(error)

    def stop(self) -> None:
        """Give it up."""
        self._go_on(Stopped())

    def _go_on(self, error: BaseException | None) -> None:
        if error:
            self._error = self._error or error
            self._runs.clear()
        if not self._runs and not self._under_way and not self.ended.is_set():
            if self._video:
                self._video.close()
            self.ended.set()

    def manifest(self) -> Manifest:
        """What the file hashes to, once ended.

        Raises:
            FileChanged: it changed meanwhile, or is gone.
            FileUnreadable: it can't be read.
            Stopped: see :meth:`stop`.
        """
        if self._error:
            raise self._error
        return Manifest(self.size_bytes, bytes(self._digests))

    def hash(self, pieces: range, block: memoryview) -> None:
        """Hash pieces, in a thread, and make sure that the file does not change meanwhile.

        Args:
            pieces: which ones.
            block: to read into.

        Raises:
            FileChanged, FileUnreadable, Stopped: see :meth:`manifest`.
        """
        with self._errors():
            video = self._opened()
            for index in pieces:
                place = index * DIGEST_BYTES
                self._digests[place : place + DIGEST_BYTES] = self._digest(video, index, block)

    def check(self) -> None:
        """Make sure, in a thread, that the file is as it was found and where it was found.

        Raises:
            FileChanged, FileUnreadable: see :meth:`manifest`.
        """
        with self._errors(), OpenVideo(self.file, self.name):
            pass

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise FileChanged(name=self.name) from error
        except OSError as error:
            detail = error.strerror or error
            raise FileUnreadable(path=self.file.path, detail=detail) from error

    def _opened(self) -> OpenVideo:
        """The file, opened once: it may be renamed while it is hashed."""
        with self._lock:
            if not self._video:
                self._video = OpenVideo(self.file, self.name)
            return self._video

    def _digest(self, video: OpenVideo, index: int, block: memoryview) -> bytes:
        piece = blake3()
        start = index * self._piece_size
        end = min(start + self._piece_size, self.size_bytes)
        for offset in range(start, end, len(block)):
            if self._error:
                raise Stopped
            part = block[: end - offset]
            video.read_into(offset, part)
            piece.update(part)
            with self._lock:
                self.hashed_bytes += len(part)
        return piece.digest()


class Hasher:
    """Hashes files in threads of its own, one for each core that the process may use.

    Each thread takes the next run of the file that comes first by then: of one that somebody waits
    for, else of the smallest. So all threads hash a big file, and a small one that comes later does
    not wait for it.

    Touched on the event loop only.

    Attributes:
        threads: how many there are.
    """

    def __init__(self) -> None:
        self.threads: Final = _usable_cores()
        self._executor: Final = ThreadPoolExecutor(self.threads, thread_name_prefix="hash")
        # One for each thread that is free. At the start of a memory page: a buffer of malloc's
        # lies 16 bytes further, and to copy from the page cache to there takes three times as long.
        self._blocks = [memoryview(mmap.mmap(-1, _BLOCK_BYTES)) for _ in range(self.threads)]
        self._jobs: list[HashJob] = []

    async def hash(self, job: HashJob) -> Manifest:
        """Hash a file.

        Raises:
            FileChanged, FileUnreadable, Stopped: see :meth:`HashJob.manifest`.
        """
        self._jobs.append(job)
        try:
            self._go_on()
            await job.ended.wait()
        finally:
            self._jobs.remove(job)
        return job.manifest()

    def close(self) -> None:
        """Let the threads end; every job must have ended."""
        self._executor.shutdown(wait=False)

    def _go_on(self) -> None:
        """Give a run to every thread that has none."""
        loop = asyncio.get_running_loop()
        in_order = sorted(self._jobs, key=lambda job: (not job.urgent, job.size_bytes))
        for job in in_order:
            while self._blocks and (pieces := job.begin_run()) is not None:
                block = self._blocks.pop()
                run = loop.run_in_executor(self._executor, job.hash, pieces, block)
                run.add_done_callback(partial(self._end_run, job, block))

    def _end_run(self, job: HashJob, block: memoryview, run: asyncio.Future[None]) -> None:
        self._blocks.append(block)
        job.end_run(run.exception())
        self._go_on()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
