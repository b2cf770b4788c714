"""Pairs of programs: one serves a file, the other downloads it and says what that took."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.files import take_away
from benchmarks.measure import Metric, Sample
from benchmarks.processes import Server, run, serving

OLD_SOCKET: Final = "old socket pair"
TCP_LIMIT: Final = "plain TCP, verified"
_PROGRAMS: Final = {OLD_SOCKET: "old_socket_pair.py", TCP_LIMIT: "tcp_limit_pair.py"}


class Pair:
    """Downloads the file with the client of a pair.

    Args:
        name: what the report calls the pair.
        server: the other half.
        command: the client; its last line is the seconds that the transfer took and the CPU
            seconds meanwhile.
        told: what the client reads from its input.
        target: where it leaves the file.
        size_bytes: of the file.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        command: Sequence[str],
        *,
        told: str = "",
        target: Path,
        size_bytes: int,
    ) -> None:
        self.name = name
        self._server = server
        self._command = command
        self._told = told
        self._target = target
        self._size = size_bytes

    def run(self) -> Sample:
        """Download once."""
        before = self._server.cpu_seconds()
        done = run(self._command, cwd=self._target.parent, told=self._told)
        take_away(self._target, self._size)
        seconds, cpu_seconds = map(float, done.output.splitlines()[-1].split())
        return {
            Metric.TRANSFER_SECONDS: seconds,
            Metric.COMMAND_SECONDS: done.seconds,
            Metric.CLIENT_CPU_SECONDS: cpu_seconds,
            Metric.SERVER_CPU_SECONDS: self._server.cpu_seconds() - before,
            Metric.CLIENT_PEAK_BYTES: done.peak_bytes,
            Metric.SERVER_PEAK_BYTES: self._server.peak_bytes(),
        }


@contextlib.contextmanager
def pair(name: str, video: Path, received: Path) -> Iterator[Pair]:
    """One of the pairs here, its server up; the server's first line is its port.

    Args:
        name: which pair.
        video: the file that is served.
        received: the folder to download into.
    """
    program = _PROGRAMS[name]
    command = [sys.executable, "-P", str(Path(__file__).with_name(program))]
    target = received / f"{program}.bin"
    with serving([*command, "serve", str(video)], log=received / f"{program}.log") as server:
        fetch = [*command, "fetch", server.first_line.strip(), str(target)]
        yield Pair(name, server, fetch, target=target, size_bytes=video.stat().st_size)
