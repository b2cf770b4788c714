"""Hashes files into their manifests, many at once."""

import asyncio
import contextlib
import mmap
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
# What a thread does before it looks what comes first by then: some milliseconds in the page cache.
_RUN_BYTES: Final = 8 << 20


class HashJob:
    """The hashing of one file, in runs of pieces, until it is done, has failed or is stopped.

    Made on the event loop; usable from any thread.

    Args:
        name: under which the file is to be shared.
        file: the file, as it was found.

    Attributes:
        urgent: whether somebody waits for it.
        pieces: how many there are.
        hashed_bytes: how far it is.
        ended: set when no run is left or under way.
        task: what ends with the video, once started.
    """

    task: asyncio.Task[SharedVideo]

    def __init__(self, name: str, file: FoundFile) -> None:
        self.name: Final = name
        self.file: Final = file
        self.urgent = False
        self.pieces: Final = piece_count(self.size_bytes)
        self.hashed_bytes = 0
        self.ended: Final = asyncio.Event()
        self._loop: Final = asyncio.get_running_loop()
        self._piece_size: Final = piece_size(self.size_bytes)
        self._digests: Final = bytearray(DIGEST_BYTES * self.pieces)
        self._lock: Final = threading.Lock()
        self._next = 0
        self._under_way = 0
        self._video: OpenVideo | None = None
        self._error: Exception | None = None
        if not self.pieces:
            self.ended.set()

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.file.stamp.size_bytes

    def begin_run(self) -> range:
        """The numbers of the pieces to hash next; none when no piece is left."""
        with self._lock:
            first = self._next
            self._next = min(first + max(1, _RUN_BYTES // self._piece_size), self.pieces)
            run = range(first, self._next)
            if run:
                self._under_way += 1
            return run

    def end_run(self, error: Exception | None) -> None:
        """Take note that a run is hashed, or why it can't be."""
        with self._lock:
            self._under_way -= 1
            self._go_on(error)

    def stop(self) -> None:
        """Give it up."""
        with self._lock:
            self._go_on(Stopped())

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

    def hash(self, run: range, block: memoryview) -> None:
        """Hash pieces, in a thread, and make sure that the file does not change meanwhile.

        Args:
            run: their numbers.
            block: to read into.

        Raises:
            FileChanged, FileUnreadable, Stopped: see :meth:`manifest`.
        """
        with self._errors():
            video = self._opened()
            for index in run:
                place = index * DIGEST_BYTES
                self._digests[place : place + DIGEST_BYTES] = self._digest(video, index, block)
            video.check()

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

    def _go_on(self, error: Exception | None) -> None:
        """Begin no other piece after an error, and end when nothing is left or under way."""
        if error:
            self._error = self._error or error
            self._next = self.pieces
        if self._next >= self.pieces and not self._under_way:
            if self._video:
                self._video.close()
                self._video = None
            self._loop.call_soon_threadsafe(self.ended.set)


class Hasher:
    """Hashes files in threads of its own, one for each core that the process may use.

    Each thread takes the next run of the file that comes first by then: of one that somebody waits
    for, else of the smallest. So all threads hash a big file, and a small one that comes later does
    not wait for it.

    Attributes:
        threads: how many there are.
    """

    def __init__(self) -> None:
        self.threads: Final = _usable_cores()
        self._executor: Final = ThreadPoolExecutor(self.threads, thread_name_prefix="hash")
        self._lock: Final = threading.Lock()
        self._jobs: list[HashJob] = []
        self._working = 0

    async def hash(self, job: HashJob) -> Manifest:
        """Hash a file.

        Raises:
            FileChanged, FileUnreadable, Stopped: see :meth:`HashJob.manifest`.
        """
        with self._lock:
            self._jobs.append(job)
            idle = min(self.threads - self._working, job.pieces)
            self._working += idle
        try:
            for _ in range(idle):
                self._executor.submit(self._work)
            await job.ended.wait()
        finally:
            with self._lock:
                self._jobs.remove(job)
        return job.manifest()

    def close(self) -> None:
        """Let the threads end; every job must have ended."""
        self._executor.shutdown(wait=False)

    def _work(self) -> None:
        """Hash what comes first, until nothing is left."""
        # It begins with a memory page: a buffer of malloc's begins 16 bytes further, and to copy
        # from the page cache to there takes three times as long.
        block = memoryview(mmap.mmap(-1, _BLOCK_BYTES))
        while begun := self._begin_run():
            job, run = begun
            try:
                job.hash(run, block)
            except Exception as error:  # noqa: BLE001 - raised where the job is waited for
                job.end_run(error)
            else:
                job.end_run(None)

    def _begin_run(self) -> tuple[HashJob, range] | None:
        with self._lock:
            for job in sorted(self._jobs, key=lambda job: (not job.urgent, job.size_bytes)):
                if run := job.begin_run():
                    return job, run
            self._working -= 1
            return None


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
