"""What is shared at this moment."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final

from peer_service.library.model import FoundFile, SharedVideo
from videoteca_core.catalogue import Holding
from videoteca_core.errors import NameInUse

_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Shelf:
    """The shared videos by name and id, usable from any thread and never for long.

    Each name stands for one file, and each file has one name.

    Args:
        is_withheld: whether the owner does not share what has a name.
    """

    def __init__(self, is_withheld: Callable[[str], bool]) -> None:
        self._is_withheld = is_withheld
        self._lock: Final = threading.Lock()
        self._by_name: dict[str, SharedVideo] = {}
        self._by_id: dict[str, dict[str, SharedVideo]] = {}
        self._version = 0
        self._waiters: set[_Waiter] = set()

    @property
    def version(self) -> int:
        """Another number after every change."""
        return self._version

    def named(self, name: str) -> SharedVideo | None:
        """The video of that name."""
        return self._by_name.get(name)

    def has(self, name: str, file: FoundFile) -> bool:
        """Whether that very file, as it was found, is shared under that name."""
        video = self._by_name.get(name)
        return video is not None and video.file == file

    def identified(self, video_id: str) -> SharedVideo | None:
        """A video of that content."""
        with self._lock:
            return next(iter(self._by_id.get(video_id, {}).values()), None)

    def videos(self) -> tuple[SharedVideo, ...]:
        """All of them."""
        with self._lock:
            return tuple(self._by_name.values())

    def holdings(self) -> tuple[Holding, ...]:
        """What can be told to a tracker, by name."""
        return tuple(sorted((video.holding for video in self.videos()), key=lambda it: it.name))

    def put(self, video: SharedVideo) -> None:
        """Share a video in the place of an older one from the same file, unless it is withheld.

        Raises:
            NameInUse: another file has the name.
        """
        name = video.holding.name
        with self._lock:
            older = self._by_name.get(name)
            if older and older.file.path != video.file.path:
                raise NameInUse(name=name, path=older.file.path)
            if older == video or self._is_withheld(name):
                return
            if older:
                self._remove(older)
            self._by_name[name] = video
            self._by_id.setdefault(video.holding.video_id, {})[name] = video
            self._tell()

    def withdraw(self, video: SharedVideo) -> None:
        """Stop sharing exactly this video, unless it has been replaced or withdrawn already."""
        with self._lock:
            if self._by_name.get(video.holding.name) is video:
                self._remove(video)
                self._tell()

    async def changed(self, since: int) -> int:
        """Wait until the version is another one, and return it."""
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        with self._lock:
            if self._version != since:
                return self._version
            self._waiters.add(waiter)
        try:
            await event.wait()
        finally:
            with self._lock:
                self._waiters.discard(waiter)
        return self._version

    def _remove(self, video: SharedVideo) -> None:
        del self._by_name[video.holding.name]
        same = self._by_id[video.holding.video_id]
        del same[video.holding.name]
        if not same:
            del self._by_id[video.holding.video_id]

    def _tell(self) -> None:
        self._version += 1
        for loop, event in self._waiters:
            loop.call_soon_threadsafe(event.set)
        self._waiters.clear()
