"""A queue with its worker, over a tracker that is a dictionary."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from peer_service.database import PeerDatabase
from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.worker import DownloadWorker
from peer_service.limits import DownloadLimiter, RateLimit
from peer_service.partial import PartialVideo
from tests.fakes.peer import FakePeer, Messages
from tests.waiting import eventually
from videoteca_core.catalogue import LocatedVideo, VideoQuery
from videoteca_core.errors import VideotecaError, VideoUnknown
from videoteca_core.manifest import Manifest


class Shares:
    """Remembers what it was to share, as :class:`peer_service.library.library.Library` would.

    Attributes:
        offered: the downloads that are shared now, by the id of their video.
        done: the finished videos.
        said: everything in its order: the call, and the id of the video.
        trouble: what sharing a finished video raises.
    """

    def __init__(self) -> None:
        self.offered: dict[str, PartialVideo] = {}
        self.done: list[tuple[Path, Manifest]] = []
        self.said: list[tuple[str, str]] = []
        self.trouble: VideotecaError | None = None

    def offer(self, partial: PartialVideo) -> None:
        """Share a download."""
        self.offered[partial.manifest.video_id] = partial
        self.said.append(("offer", partial.manifest.video_id))

    def end_offer(self, video_id: str) -> None:
        """Stop sharing a download."""
        self.offered.pop(video_id, None)
        self.said.append(("end", video_id))

    def add_received(self, path: Path, manifest: Manifest) -> None:
        """Share a finished video."""
        if self.trouble:
            raise self.trouble
        self.done.append((path, manifest))
        self.said.append(("done", manifest.video_id))


class Downloading:
    """What a test needs to say and see.

    Attributes:
        videos: what the tracker knows, by id.
        tracker_trouble: what asking it raises instead.
        shares: what was to be shared with others.
    """

    def __init__(self, home: Path, folder: Path, **options: Any) -> None:
        self.videos: dict[str, LocatedVideo] = {}
        self.tracker_trouble: VideotecaError | None = None
        self.shares = Shares()
        self.folder = folder
        self.database = PeerDatabase(home / "peer.db")
        self.queue = DownloadQueue(self.database, options.pop("clock", time.time))
        arguments: dict[str, Any] = {
            "locate": self._locate,
            "received_folder": folder,
            "may_use": lambda _endpoint: True,
            "own_name": lambda: "me",
            "library": self.shares,
            "limiter": DownloadLimiter(RateLimit()),
            "stall_seconds": 60.0,
        }
        self.worker = DownloadWorker(self.queue, **(arguments | options))

    def add(self, video: LocatedVideo, **options: Any) -> int:
        """Let the tracker know a video, and queue it."""
        self.videos[video.video_id] = video
        return self.queue.enqueue(video, **options)[0].download_id

    def get(self, number: int) -> Download:
        """A download as the owner sees it."""
        return next(each for each in self.worker.downloads() if each.download_id == number)

    def wait(self, number: int, *states: DownloadState) -> Download:
        """Wait until a download is in one of the states."""
        eventually(lambda: self.queue.get(number).state in states)
        return self.get(number)

    def wait_for(self, number: int, condition: Callable[[Download], object]) -> Download:
        """Wait until a download meets a condition."""
        eventually(lambda: condition(self.get(number)))
        return self.get(number)

    def parts(self) -> list[str]:
        """The names of the partial files."""
        return sorted(part.name for part in (self.folder / ".videoteca").iterdir())

    def _locate(self, query: VideoQuery) -> Sequence[LocatedVideo]:
        if self.tracker_trouble:
            raise self.tracker_trouble
        if query.video_id not in self.videos:
            raise VideoUnknown(video=query)
        return [self.videos[query.video_id]]


def hang_after(peer: FakePeer, pieces: int) -> None:
    """Let a peer send so many pieces of 1 MiB in all, and nothing more until its hold is set."""
    guard, left = threading.Lock(), pieces

    def alter(messages: Messages) -> Messages:
        nonlocal left
        for message in messages:
            if message.chunk:
                with guard:
                    left -= 1
                    may_send = left >= 0
                if not may_send:
                    peer.hold.wait(60)
            yield message

    peer.alter = alter


def honest(peer: FakePeer) -> None:
    """Let a peer send what it is asked for again."""
    peer.alter = lambda messages: messages


@contextlib.contextmanager
def downloading(home: Path, folder: Path, **options: Any) -> Iterator[Downloading]:
    """A worker that runs; the options are those of DownloadWorker, and the queue's clock."""
    folder.mkdir(exist_ok=True)
    running = Downloading(home, folder, **options)
    running.worker.start()
    try:
        yield running
    finally:
        running.worker.stop()
        running.database.close()
