"""What others may fetch of the downloads while they are not finished, and until when."""

import threading
from pathlib import Path
from typing import Protocol

from peer_service.downloads.queue import DownloadQueue
from peer_service.partial import PartialVideo
from videoteca_core.manifest import Manifest


class Sharing(Protocol):
    """What shares videos with others; usable from any thread."""

    def offer(self, partial: PartialVideo) -> None:
        """Share a download as far as it is here, in the place of an earlier one of that video."""

    def end_offer(self, video_id: str) -> None:
        """Stop sharing a download, if it is shared."""

    def add_received(self, path: Path, manifest: Manifest) -> None:
        """Share a finished download, if it is in a shared folder."""


class Offers:
    """Shares downloads as long as they run or wait. Usable from any thread.

    Args:
        library: shares them.
        queue: says how long.
    """

    def __init__(self, library: Sharing, queue: DownloadQueue) -> None:
        self._library = library
        self._queue = queue
        self._guard = threading.Lock()
        self._video_ids: set[str] = set()

    def offer(self, partial: PartialVideo) -> None:
        """Share a claimed download as far as it is here."""
        with self._guard:
            self._video_ids.add(partial.manifest.video_id)
            self._library.offer(partial)

    def end_stopped(self) -> None:
        """Stop sharing those that neither run nor wait any more.

        Raises:
            VideotecaError: the queue can't be asked now.
        """
        with self._guard:  # what is asked here stays true until it is done
            for video_id in self._queue.stopped(self._video_ids):
                self._library.end_offer(video_id)
                self._video_ids.discard(video_id)
