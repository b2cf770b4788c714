"""The old design: each side its own process, the transfer as the receiver times it."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.files import take_away
from benchmarks.measure import Metric, Sample
from benchmarks.processes import Server, run, serving

_PAIR: Final = [sys.executable, "-P", str(Path(__file__).with_name("old_socket_pair.py"))]


@contextlib.contextmanager
def old_server(video: Path, log: Path) -> Iterator[Server]:
    """Serve a file; the server's first line is its port."""
    with serving([*_PAIR, "serve", str(video)], log=log) as server:
        yield server


class OldSocket:
    """Downloads the file with the old receiver."""

    name = "old socket pair"

    def __init__(self, server: Server, video: Path, received: Path) -> None:
        self._server = server
        self._size = video.stat().st_size
        self._target = received / "old.bin"

    def run(self) -> Sample:
        """Download once."""
        before = self._server.cpu_seconds()
        port = self._server.first_line.strip()
        done = run([*_PAIR, "fetch", port, str(self._target)], cwd=self._target.parent)
        take_away(self._target, self._size)
        return {
            Metric.TRANSFER_SECONDS: float(done.output),
            Metric.COMMAND_SECONDS: done.seconds,
            Metric.CLIENT_CPU_SECONDS: done.cpu_seconds,
            Metric.SERVER_CPU_SECONDS: self._server.cpu_seconds() - before,
            Metric.CLIENT_PEAK_BYTES: done.peak_bytes,
            Metric.SERVER_PEAK_BYTES: self._server.peak_bytes(),
        }
