"""What is shared at this moment."""

import threading
from collections.abc import Callable, Iterator
from typing import Final

from peer_service.library.model import FoundFile, SharedVideo
from peer_service.news import News
from peer_service.partial import PartialVideo
from videoteca_core.catalogue import Holding, HoldingState
from videoteca_core.errors import NameInUse
from videoteca_core.names import fits, numbered


class Shelf:
    """The shared videos by name and id, usable from any thread and never for long.

    Each name stands for one file, and each file has one name. A video that is still being
    downloaded is shared until its file is, under the name that its file is going to get.

    Args:
        is_withheld: whether the owner does not share what has a name.

    Attributes:
        news: told of every change.
    """

    def __init__(self, is_withheld: Callable[[str], bool]) -> None:
        self.news: Final = News()
        self._is_withheld = is_withheld
        self._lock: Final = threading.Lock()
        self._by_name: dict[str, SharedVideo] = {}
        self._by_id: dict[str, dict[str, SharedVideo]] = {}
        self._partials: dict[str, PartialVideo] = {}

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

    def partial(self, *, name: str = "", video_id: str = "") -> PartialVideo | None:
        """The download of that name or content, of which no file is shared yet."""
        with self._lock:
            for own_name, partial in self._partial_names():
                if own_name == name if name else partial.manifest.video_id == video_id:
                    return partial
            return None

    def videos(self) -> tuple[SharedVideo, ...]:
        """All that are complete."""
        with self._lock:
            return tuple(self._by_name.values())

    def holdings(self) -> tuple[Holding, ...]:
        """What can be told to a tracker, by name."""
        with self._lock:
            told = [video.holding for video in self._by_name.values()]
            told += [_holding(name, partial) for name, partial in self._partial_names() if name]
        return tuple(sorted(told, key=lambda it: it.name))

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
            self._tell(self._partials.get(video.holding.video_id))

    def withdraw(self, video: SharedVideo) -> None:
        """Stop sharing exactly this video, unless it has been replaced or withdrawn already."""
        with self._lock:
            if self._by_name.get(video.holding.name) is video:
                self._remove(video)
                self._tell()

    def offer(self, partial: PartialVideo) -> None:
        """Share a download as far as it is here, in the place of an earlier one of that video."""
        with self._lock:
            older = self._partials.get(partial.manifest.video_id)
            self._partials[partial.manifest.video_id] = partial
            self._tell(older)

    def end_offer(self, video_id: str) -> None:
        """Stop sharing a download, if it is shared."""
        with self._lock:
            partial = self._partials.pop(video_id, None)
            if partial and video_id not in self._by_id:
                self._tell(partial)

    def end_offers(self) -> None:
        """Stop sharing all downloads."""
        with self._lock:
            video_ids = tuple(self._partials)
        for video_id in video_ids:
            self.end_offer(video_id)

    def _remove(self, video: SharedVideo) -> None:
        del self._by_name[video.holding.name]
        same = self._by_id[video.holding.video_id]
        del same[video.holding.name]
        if not same:
            del self._by_id[video.holding.video_id]

    def _partial_names(self) -> Iterator[tuple[str, PartialVideo]]:
        """The downloads that are shared, with their names; none where it would be too long."""
        taken: set[str] = set()
        for video_id, partial in self._partials.items():
            if video_id in self._by_id:
                continue
            names = numbered(partial.name)
            name = next(name for name in names if name not in self._by_name and name not in taken)
            taken.add(name)
            if not self._is_withheld(name):
                yield name if fits(name) else "", partial

    def _tell(self, partial: PartialVideo | None = None) -> None:
        """Tell of a change, also those who watch a download that it concerns."""
        self.news.tell()
        if partial:
            partial.pieces.news.tell()


def _holding(name: str, partial: PartialVideo) -> Holding:
    manifest = partial.manifest
    return Holding(
        name, manifest.video_id, manifest.size_bytes, manifest.pieces_root, HoldingState.PARTIAL
    )
