"""Tells those who watch a video which of its pieces are here."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Final

from peer_service.library.model import OfferedVideo
from peer_service.partial import PartialVideo
from peer_service.pieces import PieceSet
from videoteca_core.errors import TooManyWatchers, VideoUnknown

MOST_WATCHERS: Final = 1_000
MOST_OF_AN_ADDRESS: Final = 250
_RETRY_AFTER_SECONDS: Final = 5
_GATHER_SECONDS: Final = 0.05
_GATHER_SECONDS_A_WATCHER: Final = 0.001  # all of them together are told so often at most


class Watchers:
    """Those who watch which pieces are here: a bounded number, in all and from one address.

    Belongs to one event loop.

    Args:
        find: the video of an id; raises VideoUnknown.

    Attributes:
        count: how many there are.
        most: how many there may be.
    """

    def __init__(self, find: Callable[[str], OfferedVideo]) -> None:
        self.count = 0
        self.most = MOST_WATCHERS
        self._find = find
        self._by_address: Counter[str] = Counter()

    async def watch(self, video_id: str, address: str) -> AsyncGenerator[PieceSet, None]:
        """The pieces that are here, at once, and then those that are new, until all are.

        What is new is told at once after a quiet while, else gathered; to one that is slow to
        take it, more at a time.

        Raises:
            VideoUnknown: the video is not shared, or not any more and was never complete.
            TooManyWatchers: there are as many as there may be.
        """
        if self.count >= self.most or self._by_address[address] >= MOST_OF_AN_ADDRESS:
            raise TooManyWatchers(retry_after_seconds=_RETRY_AFTER_SECONDS)
        self._count(address, 1)
        try:
            video = self._find(video_id)
            known = None
            while isinstance(video, PartialVideo):
                version = video.pieces.news.version
                now = video.pieces.snapshot()
                new = now.without(known) if known else now
                if known is None or len(new):
                    yield new
                if now.is_full:
                    return
                known = now
                await self._changed(video, version)
                video = self._find_again(video)
            everything = PieceSet.full(video.manifest.piece_count)
            yield everything.without(known) if known else everything
        finally:
            self._count(address, -1)

    def _count(self, address: str, change: int) -> None:
        self.count += change
        self._by_address[address] += change
        if not self._by_address[address]:
            del self._by_address[address]

    async def _changed(self, video: PartialVideo, version: int) -> None:
        """Wait until there is something new of a download, or it is another one."""
        await asyncio.sleep(max(_GATHER_SECONDS, _GATHER_SECONDS_A_WATCHER * self.count))
        if self._find_again(video) is video:  # of another one this one's news does not tell
            await video.pieces.news.changed(version)

    def _find_again(self, video: PartialVideo) -> OfferedVideo:
        """The video as it is shared now, or as it was completed."""
        try:
            return self._find(video.manifest.video_id)
        except VideoUnknown:
            if video.pieces.snapshot().is_full:
                return video
            raise
