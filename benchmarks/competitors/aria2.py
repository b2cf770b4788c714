"""aria2c with four connections to the same nginx: nothing is verified."""

from pathlib import Path
from typing import Final

from benchmarks.competitors.debian import program
from benchmarks.competitors.nginx import Site
from benchmarks.files import sync_file, take_away
from benchmarks.measure import Metric, Sample
from benchmarks.processes import run

_OPTIONS: Final = (
    "--no-conf",
    "--no-proxy=*",
    "--quiet",
    "--split=4",
    "--max-connection-per-server=4",
    "--min-split-size=1M",  # the least: all four from the start
    "--file-allocation=falloc",  # "your best choice" on newer file systems, says its manual
    "--disk-cache=0",  # the system's own does; with aria2's 16 MiB it took a seventh more CPU
)


class Aria2:
    """Downloads the file with aria2c."""

    name = "aria2c from nginx"

    def __init__(self, site: Site, video: Path, received: Path) -> None:
        self._target = received / "aria2.bin"
        self._command = [program("aria2c", "aria2"), *_OPTIONS, f"--dir={received}"]
        self._command += [f"--out={self._target.name}", site.url(video)]
        self._server = site.server
        self._size = video.stat().st_size

    def run(self) -> Sample:
        """Download once; the file and its name are synced, which counts.

        It does not tell how long the transfer took: that is its whole run, of which the start takes
        a few hundredths of a second.
        """
        before = self._server.cpu_seconds()
        done = run(self._command, cwd=self._target.parent)
        seconds = done.seconds + sync_file(self._target)
        take_away(self._target, self._size)
        return {
            Metric.TRANSFER_SECONDS: seconds,
            Metric.COMMAND_SECONDS: seconds,
            Metric.CLIENT_CPU_SECONDS: done.cpu_seconds,
            Metric.SERVER_CPU_SECONDS: self._server.cpu_seconds() - before,
            Metric.CLIENT_PEAK_BYTES: done.peak_bytes,
            Metric.SERVER_PEAK_BYTES: self._server.peak_bytes(),
        }
