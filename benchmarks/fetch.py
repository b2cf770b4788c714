"""The transfer of a peer without the rest of it: ``ADDRESS VIDEO_ID NAME FOLDER``.

A program, so that it has a process of its own. Prints the seconds from before the first request to
the source until the file is verified, synced and has its name, and the CPU seconds meanwhile.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Final

from peer_service.memory import keep_freed_memory
from peer_service.transfer.download import Candidate, Transfer, Wanted
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import VideotecaError

_NO_DEFAULT: Final = 0  # the port is always given


class Stopwatch:
    """Starts when the first source is asked, and wants to know nothing else."""

    def __init__(self) -> None:
        self._started: tuple[float, float] | None = None

    def read(self) -> tuple[float, float]:
        """Seconds and CPU seconds since the first request."""
        assert self._started
        seconds, cpu_seconds = self._started
        return time.perf_counter() - seconds, time.process_time() - cpu_seconds

    def fetching_from(self, candidate: Candidate) -> None:  # noqa: ARG002 - the Observer's
        """A source is asked."""
        self._started = self._started or (time.perf_counter(), time.process_time())

    def verified(self, count: int) -> None:
        """Bytes came."""

    def progressed(self, verified_bytes: int) -> None:
        """Bytes count."""

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:  # noqa: ARG002 - likewise
        """A source did not do."""
        raise error


def main(source: str, video_id: str, name: str, folder: str) -> None:
    keep_freed_memory()  # as every peer does at its start
    stopwatch = Stopwatch()
    Transfer(
        Wanted(name, video_id),
        [Candidate("source", Endpoint.resolve(source, _NO_DEFAULT))],
        Path(folder),
        observer=stopwatch,
        stop=threading.Event(),
    ).run()
    print(*stopwatch.read())


if __name__ == "__main__":
    main(*sys.argv[1:])
