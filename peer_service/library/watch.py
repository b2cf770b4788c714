"""Looks at the shared folders, withdraws what is gone and shares what is known."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from peer_service.library.cache import DigestCache
from peer_service.library.model import FoundFile, SharedVideo
from peer_service.library.scan import Scan, Selection, scan, select
from peer_service.library.settling import Settling
from peer_service.library.shelf import Shelf
from videoteca_core.errors import LocalTrouble, NameInUse

_log: Final = structlog.get_logger()


@dataclass(frozen=True)
class View:
    """What a look at the folders found.

    Attributes:
        waiting: files that can be shared and are not hashed yet, by name.
        settled: the paths of those that have been still for long enough.
    """

    scan: Scan
    selection: Selection
    waiting: dict[str, FoundFile]
    settled: frozenset[str]


class Watch:
    """Looks at the folders, in one thread at a time.

    Args:
        folders: the shared folders.
        shelf: what is shared.
        cache: what files hash to.
        settle_seconds: how long a file must be still before it is hashed.
        clock: seconds that never jump.

    Attributes:
        view: what the last look found; replaced as a whole.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        shelf: Shelf,
        cache: DigestCache,
        settle_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.view = View(Scan({}, (), ()), Selection({}, ()), {}, frozenset())
        self._folders = folders
        self._shelf = shelf
        self._cache = cache
        self._settling = Settling(settle_seconds)
        self._clock = clock

    def look(self) -> None:
        """Look once."""
        shared = self._shelf.videos()  # first: what comes while looking is no business of this look
        found = scan(self._folders)
        selection = self.view.selection
        if found.files != self.view.scan.files:
            selection = select(found.files.values(), self._cache)
        for video in shared:
            if selection.chosen.get(video.holding.name) != video.file:
                self._shelf.withdraw(video)
                _log.info("withdrawn", name=video.holding.name)
        unshared = {
            name: file
            for name, file in selection.chosen.items()
            if not (self._shelf.has(name, file) or self._cache.is_withheld(name))
        }
        self.adopt(unshared.values())
        waiting = {}
        for name, file in unshared.items():
            manifest = self._cache.get(file.path, file.stamp)
            if not (manifest and self._put(SharedVideo.of(name, manifest, file))):
                waiting[name] = file
        settled = self._settling.observe(waiting.values(), self._clock())
        self.view = View(found, selection, waiting, settled)

    def _put(self, video: SharedVideo) -> bool:
        try:
            self._shelf.put(video)
        except NameInUse:  # another file of that name has been shared during this look
            return False
        return True

    def adopt(self, files: Iterable[FoundFile]) -> None:
        """Learn which files are known from another path, so that they are not hashed again."""
        try:
            self._cache.adopt(files)
        except LocalTrouble as error:  # they are hashed then
            _log.warning("renamed files not remembered", problem=str(error))

    def forget_stale(self) -> None:
        """Forget the digests of files that are gone, unless their whole folder is away."""
        found = self.view.scan
        closed = tuple(os.path.join(folder, "") for folder in found.closed)  # noqa: PTH118

        def is_stale(path: str) -> bool:
            return not (path in found.files or path.startswith(closed) or os.path.lexists(path))

        try:
            self._cache.prune(is_stale)
        except LocalTrouble as error:
            _log.warning("digests not forgotten", problem=str(error))
