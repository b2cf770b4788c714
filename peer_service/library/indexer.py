"""Hashes what is found in the folders and shares it, each video as soon as it is ready."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from peer_service.library.cache import DigestCache
from peer_service.library.hashing import Hasher, HashJob
from peer_service.library.model import FoundFile, HashingProgress, SharedVideo
from peer_service.library.scan import skipped_file
from peer_service.library.shelf import Shelf
from peer_service.library.watch import View, Watch
from peer_service.status import SkippedFile
from peer_service.stop import Stopped
from videoteca_core.errors import FileChanged, LocalTrouble, VideotecaError
from videoteca_core.manifest import Manifest
from videoteca_core.text import printable

_log: Final = structlog.get_logger()
_RETRY_SECONDS: Final = 10.0


@dataclass(frozen=True)
class _Failure:
    """A file that could not be hashed or shared as it is."""

    file: FoundFile
    retry_at: float
    skipped: SkippedFile


class Indexer:
    """Brings files onto the shelf, hashed if they are not known.

    Touched on the event loop only, unless it says otherwise.

    Args:
        watch: what finds the files.
        shelf: where they are shared.
        cache: what they hash to.
        clock: seconds that never jump.

    Attributes:
        hashed_bytes: bytes of all files hashed since this peer started.
    """

    def __init__(
        self, watch: Watch, shelf: Shelf, cache: DigestCache, clock: Callable[[], float]
    ) -> None:
        self.hashed_bytes = 0
        self._watch = watch
        self._shelf = shelf
        self._cache = cache
        self._clock = clock
        self._hasher = Hasher()
        self._news = asyncio.Event()
        self._jobs: dict[FoundFile, HashJob] = {}
        self._failures: dict[str, _Failure] = {}

    def progress(self) -> HashingProgress:
        """How far it is with what waits and what is being hashed, from any thread."""
        sizes = {
            file.path: file.stamp.size_bytes
            for name, file in self._watch.view.waiting.items()
            if not self._shelf.has(name, file) and file.path not in self._failures
        }
        jobs = list(self._jobs.values())
        sizes |= {job.file.path: job.size_bytes for job in jobs}
        return HashingProgress(
            len(sizes), sum(sizes.values()), sum(job.hashed_bytes for job in jobs)
        )

    def failed(self) -> tuple[SkippedFile, ...]:
        """The files that can't be hashed, and why, from any thread."""
        failures = list(self._failures.values())
        return tuple(failure.skipped for failure in failures if self._holds(failure))

    def look(self) -> None:
        """Take note that the watch has a new view."""
        self._news.set()

    async def run(self) -> None:
        """Hash what has settled, the small files first, until cancelled."""
        view = None
        ready: deque[tuple[str, FoundFile]] = deque()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._news.wait()
                    self._news.clear()
                    if view is not self._watch.view:
                        view = self._watch.view
                        ready = self._ready(view)
                    while ready and self._is_next(ready[0][1]):
                        name, file = ready.popleft()
                        # The rest of what is one file under many names is known once this is.
                        if all(file.stamp != other.stamp for other in self._jobs):
                            tasks.create_task(_see_through(self.start(name, file)))
        finally:
            await self._stop()

    def start(self, name: str, file: FoundFile, *, urgent: bool = False) -> HashJob:
        """Hash and share a file, or join the job that does.

        Args:
            name: under which to share it.
            file: the file.
            urgent: whether somebody waits for it: then it goes before all that nobody waits for.
        """
        job = self._jobs.get(file)
        if not job:
            job = self._jobs[file] = HashJob(name, file)
            job.task = asyncio.create_task(self._hash_and_share(job))
            job.task.add_done_callback(lambda _: self._end(job))
        job.urgent = job.urgent or urgent
        return job

    def remember(self, file: FoundFile, manifest: Manifest) -> None:
        """Cache a digest, from any thread; without room for it the video is shared all the same."""
        try:
            self._cache.put(file.path, file.stamp, manifest)
        except LocalTrouble as error:
            _log.warning("digest not remembered", path=printable(file.path), problem=str(error))

    async def _hash_and_share(self, job: HashJob) -> SharedVideo:
        video = self._shelf.named(job.name)
        if video and video.file == job.file:
            return video
        manifest = await asyncio.to_thread(self._known, job.file)
        if not manifest:
            try:
                manifest = await self._hasher.hash(job)
            finally:
                self.hashed_bytes += job.hashed_bytes
            await asyncio.to_thread(self.remember, job.file, manifest)
        # If it has been renamed by now, it is known by what is remembered.
        await asyncio.to_thread(job.check)
        video = SharedVideo.of(job.name, manifest, job.file)
        self._shelf.put(video)
        _log.info("shared", name=job.name, video_id=video.holding.video_id)
        return video

    def _known(self, file: FoundFile) -> Manifest | None:
        self._watch.adopt([file])
        return self._cache.get(file.path, file.stamp)

    def _end(self, job: HashJob) -> None:
        del self._jobs[job.file]
        self._news.set()
        error = None if job.task.cancelled() else job.task.exception()
        # After a change the next look sees what the file is now.
        if isinstance(error, VideotecaError) and not isinstance(error, FileChanged):
            retry_at = self._clock() + _RETRY_SECONDS
            skipped = skipped_file(job.file.path, error)
            self._failures[job.file.path] = _Failure(job.file, retry_at, skipped)

    async def _stop(self) -> None:
        """Give up all that is under way, and wait for the threads that have a part in it."""
        jobs = list(self._jobs.values())
        for job in jobs:
            job.stop()
        if jobs:
            await asyncio.wait({job.task for job in jobs})
        self._hasher.close()

    def _ready(self, view: View) -> deque[tuple[str, FoundFile]]:
        """What has settled and waits to be hashed, in the order in which to do it."""
        now = self._clock()
        self._failures = {
            path: failure
            for path, failure in self._failures.items()
            if self._holds(failure) and now < failure.retry_at
        }
        files = (
            (name, file)
            for name, file in view.waiting.items()
            if file.path in view.settled and file.path not in self._failures
        )
        return deque(sorted(files, key=lambda it: it[1].stamp.size_bytes))

    def _is_next(self, file: FoundFile) -> bool:
        """Whether a thread could take it up: they take up the smallest."""
        smaller = sum(job.size_bytes <= file.stamp.size_bytes for job in self._jobs.values())
        return smaller < self._hasher.threads

    def _holds(self, failure: _Failure) -> bool:
        """Whether a failed file is still as it was."""
        return self._watch.view.scan.files.get(failure.file.path) == failure.file


async def _see_through(job: HashJob) -> None:
    """Wait for a job, and raise what it ended with by a mistake of this program.

    What it reports is recorded, and shown to the owner.
    """
    await asyncio.wait({job.task})
    error = job.task.exception()
    if error and not isinstance(error, VideotecaError | Stopped):
        raise error
