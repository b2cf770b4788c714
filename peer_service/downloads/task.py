"""A download while it runs."""

import threading
from typing import Final

import structlog

from peer_service.downloads.model import Download
from peer_service.downloads.queue import DownloadQueue
from peer_service.rate import RateMeter
from peer_service.transfer.download import Candidate
from videoteca_core.errors import BadSource, VideotecaError

_log: Final = structlog.get_logger()


class Task:
    """What the transfer of one download says of itself; see ``transfer.download.Observer``.

    Attributes:
        download: the download as it was when it was taken.
        stop: set it to stop the transfer.
        source: the name of the peer it is fetched from now; empty at first.
        received_bytes: bytes received and verified so far.
        liars: the peers that sent something wrong, by name; they are not asked again.
    """

    def __init__(
        self, download: Download, queue: DownloadQueue, liars: dict[str, BadSource]
    ) -> None:
        self.download = download
        self.stop = threading.Event()
        self.source = ""
        self.received_bytes = 0
        self.liars = liars
        self._queue = queue
        self._meter = RateMeter()

    @property
    def rate(self) -> int:
        """Bytes a second over the last seconds."""
        return self._meter.rate

    def fetching_from(self, candidate: Candidate) -> None:
        """A source is tried now."""
        self.source = candidate.peer_name
        self._queue.wake()

    def verified(self, count: int) -> None:
        """So many more bytes were received and verified."""
        self.received_bytes += count
        self._meter.add(count)

    def progressed(self, verified_bytes: int) -> None:
        """So many bytes of the video count now."""
        self._queue.progress(self.download.download_id, verified_bytes)

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:
        """A source did not do."""
        if isinstance(error, BadSource):
            self.liars[candidate.peer_name] = error
        _log.warning(
            "source failed",
            download=self.download.download_id,
            peer=candidate.peer_name,
            endpoint=str(candidate.endpoint),
            reason=error.reason,
            message=str(error),
        )
