"""The transfer of a peer without the rest of it: ``ADDRESS VIDEO_ID NAME FOLDER``.

A program, so that it has a process of its own. Prints the seconds from before the first request to
the source until the file is verified, synced and has its name, and the CPU seconds meanwhile.
"""

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from peer_service.limits import DownloadLimiter, RateLimit
from peer_service.memory import keep_freed_memory
from peer_service.partial import PartialVideo
from peer_service.transfer.download import Transfer
from peer_service.transfer.model import Candidate, Wanted
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import VideotecaError

_NO_DEFAULT: Final = 0  # the port is always given


class Locator:
    """Knows the one source, and times from when it is first asked who there is."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._started: tuple[float, float] | None = None

    def find(self) -> Sequence[Candidate]:
        """The source."""
        self._started = self._started or (time.perf_counter(), time.process_time())
        return [self._candidate]

    def times(self) -> tuple[float, float]:
        """Seconds and CPU seconds since then."""
        assert self._started
        seconds, cpu_seconds = self._started
        return time.perf_counter() - seconds, time.process_time() - cpu_seconds


class Nobody:
    """An observer that wants to know nothing: what fails, the transfer raises in the end."""

    def verified(self, count: int) -> None:
        """Bytes came."""

    def progressed(self, verified_bytes: int) -> None:
        """Bytes count."""

    def changed(self) -> None:
        """A source does something else."""

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:
        """A source was dropped."""


def _offer(video: PartialVideo) -> None:
    """Nobody fetches from here."""


def main(source: str, video_id: str, name: str, folder: str) -> None:
    keep_freed_memory()  # as every peer does at its start
    locator = Locator(Candidate("source", Endpoint.resolve(source, _NO_DEFAULT)))
    Transfer(
        Wanted(name, video_id),
        Path(folder),
        find=locator.find,
        observer=Nobody(),
        offer=_offer,
        stop=threading.Event(),
        streams=threading.Semaphore(),
        limiter=DownloadLimiter(RateLimit()),
    ).run()
    print(*locator.times())


if __name__ == "__main__":
    main(*sys.argv[1:])
