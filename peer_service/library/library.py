"""The library: the one writer of what this peer shares."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from peer_service.database import PeerDatabase
from peer_service.library.cache import DigestCache
from peer_service.library.indexer import Indexer
from peer_service.library.model import (
    FoundFile,
    HashingProgress,
    OfferedVideo,
    SharedVideo,
    ShareProgress,
)
from peer_service.library.placing import place, place_below, unreadable
from peer_service.library.reading import find_file
from peer_service.library.shelf import Shelf
from peer_service.library.watch import Watch
from peer_service.partial import PartialVideo
from peer_service.status import SkippedFile
from peer_service.stop import Stopped
from videoteca_core.catalogue import Holding
from videoteca_core.errors import (
    NameInUse,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.manifest import Manifest, valid_video_id
from videoteca_core.names import valid_name
from videoteca_core.text import printable

_log: Final = structlog.get_logger()

_MOST_TIME_SCANNING: Final = 1 / 20
_LONGEST_INTERVAL_SECONDS: Final = 4.0  # a still file is shared within 10 s
_PROGRESS_SECONDS: Final = 0.2


class Library:
    """What is in the shared folders, hashed and watched.

    Args:
        database: where digests and withheld names are remembered.
        folders: the shared folders; in the first one other files are linked.
        settle_seconds: how long a file must be still before it is hashed.
        interval_seconds: how often to look; less often when a look takes long.
        clock: seconds that never jump.

    Raises:
        DiskFull, DatabaseCorrupt, FileUnreadable: the database can't be used.
    """

    def __init__(
        self,
        database: PeerDatabase,
        folders: Sequence[Path],
        *,
        settle_seconds: float = 2.0,
        interval_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = tuple(dict.fromkeys(folder.absolute() for folder in folders))
        self._interval_seconds = interval_seconds
        # Usable from any thread.
        self._cache = DigestCache(database)
        self._shelf = Shelf(self._cache.is_withheld)
        self._watch = Watch(self._folders, self._shelf, self._cache, settle_seconds, clock)
        self._placing = threading.Lock()
        # Touched on the event loop only.
        self._looked = asyncio.Event()
        self._indexer = Indexer(self._watch, self._shelf, self._cache, clock)

    # What is shared

    @property
    def version(self) -> int:
        """Another number after every change of what is shared."""
        return self._shelf.news.version

    async def changed(self, since: int) -> int:
        """Wait until the version is another one, and return it."""
        return await self._shelf.news.changed(since)

    async def looked(self) -> None:
        """Wait until the folders have been looked at once: before, nothing is shared yet."""
        await self._looked.wait()

    def holdings(self) -> tuple[Holding, ...]:
        """What is shared, by name."""
        return self._shelf.holdings()

    def find(self, *, name: str = "", video_id: str = "") -> SharedVideo:
        """The complete video of that name or id; never blocks, from any thread.

        Raises:
            VideoUnknown: it is not shared.
            InvalidName, InvalidVideoId: it could not be.
        """
        if video_id:
            video = self._shelf.identified(valid_video_id(video_id))
        else:
            video = self._shelf.named(valid_name(name))
        if not video:
            raise VideoUnknown(video=video_id or name)
        return video

    def find_offered(self, *, name: str = "", video_id: str = "") -> OfferedVideo:
        """The same, or else the download of that name or id.

        Raises:
            VideoUnknown, InvalidName, InvalidVideoId: see :meth:`find`.
        """
        try:
            return self.find(name=name, video_id=video_id)
        except VideoUnknown:
            partial = self._shelf.partial(name=name and valid_name(name), video_id=video_id)
            if not partial:
                raise
            return partial

    def skipped(self) -> tuple[SkippedFile, ...]:
        """The files that are not shared, and why."""
        view = self._watch.view
        return (*view.scan.skipped, *view.selection.skipped, *self._indexer.failed())

    def hashing(self) -> HashingProgress:
        """How far it is with the files that wait to be hashed or are being hashed."""
        return self._indexer.progress()

    @property
    def hashed_bytes(self) -> int:
        """Bytes of all files hashed since this peer started."""
        return self._indexer.hashed_bytes

    # What the owner and the downloads ask

    async def share(self, path: Path) -> AsyncIterator[ShareProgress]:
        """Share a file now, and a withheld name again.

        A file of a shared folder is shared where it is; any other is linked into the first one,
        or copied where it can't be.

        Yields:
            The progress of hashing; at the end once with the holding.

        Raises:
            FileMissing: there is no such file, or it is not a regular one.
            InvalidName: its name can't be used.
            NameInUse: another file has the name.
            FileChanged: it was written to meanwhile.
            FileUnreadable, DiskFull: it can't be read, linked or copied.
        """
        name = valid_name(path.name)
        stopped = threading.Event()
        try:
            file = await asyncio.to_thread(self._bring, path, name, stopped)
        finally:
            stopped.set()  # when the caller is gone, a copy under way is given up
        await asyncio.to_thread(self._cache.lift, name)
        job = self._indexer.start(name, file, urgent=True)
        while not job.task.done():
            yield ShareProgress(job.hashed_bytes, file.stamp.size_bytes)
            await asyncio.wait({job.task}, timeout=_PROGRESS_SECONDS)
        video = job.task.result()
        yield ShareProgress(file.stamp.size_bytes, file.stamp.size_bytes, video.holding)

    async def unshare(self, names: Iterable[str]) -> None:
        """Stop sharing videos, all or none, durably, and leave their files where they are.

        Raises:
            VideoUnknown: a name is not shared.
            InvalidName: a name could not be.
        """
        videos = {valid_name(name): self.find_offered(name=name) for name in names}
        await asyncio.to_thread(self._cache.withhold, videos)
        for name, offered in videos.items():
            video = self._shelf.named(name)
            if video:
                self._shelf.withdraw(video)
            if isinstance(offered, PartialVideo):
                self._shelf.end_offer(offered.manifest.video_id)

    def add_received(self, path: Path, manifest: Manifest) -> None:
        """Share a finished download at once, from any thread, if it is in a shared folder.

        What stands in the way, such as its name, is found and reported by the next look.
        """
        where = place_below(path.absolute(), self._folders)
        if not where:
            return
        try:
            file = find_file(*where)
            if file.stamp.size_bytes == manifest.size_bytes:
                self._indexer.remember(file, manifest)
                self._shelf.put(SharedVideo.of(valid_name(path.name), manifest, file))
        except (OSError, VideotecaError) as error:
            _log.warning("download not shared", path=printable(str(path)), problem=str(error))

    def offer(self, partial: PartialVideo) -> None:
        """Share a download as far as it is here, from any thread; never blocks.

        It gives way to a file of the same content as soon as that is shared.
        """
        self._shelf.offer(partial)

    def end_offer(self, video_id: str) -> None:
        """Stop sharing a download, if it is shared, from any thread; never blocks."""
        self._shelf.end_offer(video_id)

    def end_offers(self) -> None:
        """Stop sharing all downloads, so that those who watch them do not wait for more."""
        self._shelf.end_offers()

    # What goes on by itself

    async def run(self) -> None:
        """Look at the folders and hash what is new in them, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_again_and_again())
            tasks.create_task(self._indexer.run())

    async def _look_again_and_again(self) -> None:
        forgotten = False
        while True:
            started = time.monotonic()
            await asyncio.to_thread(self._watch.look)
            self._looked.set()
            self._indexer.look()
            if not forgotten:
                forgotten = True
                await asyncio.to_thread(self._watch.forget_stale)
            enough = (time.monotonic() - started) / _MOST_TIME_SCANNING
            await asyncio.sleep(max(self._interval_seconds, min(enough, _LONGEST_INTERVAL_SECONDS)))

    # One file

    def _bring(self, path: Path, name: str, stopped: threading.Event) -> FoundFile:
        """Find the file in a shared folder, or bring it there."""

        def go_on() -> None:
            if stopped.is_set():
                raise Stopped

        path = path.absolute()
        with self._placing:
            where = place_below(path, self._folders)
            folder, parts = where or (self._folders[0], (name,))
            self._check_free(name, str(folder.joinpath(*parts)))
            if not where:
                place(path, folder, name, go_on)
        try:
            return find_file(folder, parts)
        except OSError as error:
            raise unreadable(path, error) from error

    def _check_free(self, name: str, path: str) -> None:
        """Check that no other file has the name."""
        video = self._shelf.named(name)
        for file in (video and video.file, self._watch.view.selection.chosen.get(name)):
            if file and file.path != path and os.path.lexists(file.path):
                raise NameInUse(name=name, path=file.path)
        if video and video.file.path != path:  # gone, and not noticed yet
            self._shelf.withdraw(video)
