"""A download while it runs."""

import threading
import time
from dataclasses import replace
from typing import Final

import structlog

from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.sources import at_rest, merged
from peer_service.transfer.download import Transfer
from peer_service.transfer.model import Candidate, SourceReport
from videoteca_core.errors import VideotecaError

_log: Final = structlog.get_logger()


class Task:
    """What the transfer of one download says of itself; see ``transfer.model.Observer``.

    Attributes:
        download: the download as it was when it was taken.
        stop: set it to stop the transfer.
    """

    def __init__(self, download: Download, queue: DownloadQueue) -> None:
        self.download = download
        self.stop = threading.Event()
        self._queue = queue
        self._transfer: Transfer | None = None
        self._counting = threading.Lock()
        self._received_bytes = 0
        self._noting = threading.Lock()
        self._noted = download.sources
        self._noted_at = time.monotonic()

    # For the worker

    def follow(self, transfer: Transfer) -> None:
        """This is the transfer."""
        self._transfer = transfer

    @property
    def received_bytes(self) -> int:
        """Bytes received and verified so far."""
        return self._received_bytes

    def live(self, download: Download) -> Download:
        """The download as it is in the queue, with what the transfer knows better."""
        sources = self._sources()
        if download.state is not DownloadState.RUNNING:  # its owner spoke, or it just ended
            return replace(download, sources=at_rest(sources))
        held_back = self._transfer.held_back() if self._transfer else None
        rate = sum(each.rate for each in sources)
        return replace(download, sources=sources, held_back=held_back, rate=rate)

    def note_sources(self, after_seconds: float = 0.0) -> None:
        """Let the queue remember the sources, unless it was done less than so long ago."""
        with self._noting:
            sources = at_rest(self._sources())
            due = time.monotonic() >= self._noted_at + after_seconds
            if due and sources != self._noted:
                self._queue.note_sources(self.download.download_id, sources)
                self._noted, self._noted_at = sources, time.monotonic()

    def _sources(self) -> tuple[SourceReport, ...]:
        return merged(self.download.sources, self._transfer.sources() if self._transfer else ())

    # For the transfer

    def verified(self, count: int) -> None:
        """So many more bytes were received and verified."""
        with self._counting:
            self._received_bytes += count

    def progressed(self, verified_bytes: int) -> None:
        """So many bytes of the video count now."""
        self._queue.progress(self.download.download_id, verified_bytes)

    def changed(self) -> None:
        """A source joined, left, or does something else now."""
        self._queue.wake()

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:
        """A source was dropped."""
        _log.warning(
            "source failed",
            download=self.download.download_id,
            peer=candidate.peer_name,
            endpoint=str(candidate.endpoint),
            reason=error.reason,
            message=str(error),
        )
