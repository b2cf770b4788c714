"""Videoteca itself, in the contest with others: those who download from a sharing peer."""

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.files import take_away
from benchmarks.measure import Metric, Sample
from benchmarks.peers import Home, offered, peer
from benchmarks.processes import ROOT, Finished, Server, run


@dataclass(frozen=True)
class Sharing:
    """A peer that shares one video, hashed and published.

    Attributes:
        endpoint: HOST:PORT.
        tracker: HOST:PORT of the tracker that offers it.
    """

    server: Server
    endpoint: str
    tracker: str
    video: Path
    video_id: str


@contextlib.contextmanager
def sharing_peer(folder: Path, tracker: str, video: Path) -> Iterator[Sharing]:
    """A peer that shares the folder of a video, once downloaders are told of it."""
    asker = Home(folder / "asker", tracker)
    asker.run("register", "asker")
    with peer(folder / "owner", tracker, shared=video.parent) as owner:
        video_id = offered(asker, video.name)
        yield Sharing(owner.server, owner.endpoint, tracker, video, video_id)


class Transfer:
    """Downloads with the transfer alone, as a peer that is up and has located its source does."""

    name = "videoteca, transfer"

    def __init__(self, sharing: Sharing, folder: Path) -> None:
        self._sharing = sharing
        self._folder = folder / "transfer"
        self._folder.mkdir()

    def run(self) -> Sample:
        """Download once."""
        video = self._sharing.video
        words = [self._sharing.endpoint, self._sharing.video_id, video.name]
        command = [sys.executable, "-m", "benchmarks.fetch", *words, str(self._folder)]
        before = self._sharing.server.cpu_seconds()
        done = run(command, cwd=ROOT)
        take_away(self._folder / video.name, video.stat().st_size)
        seconds, cpu_seconds = map(float, done.output.split())
        return {
            **_costs(done, self._sharing.server, before),
            Metric.TRANSFER_SECONDS: seconds,
            Metric.CLIENT_CPU_SECONDS: cpu_seconds,
        }


class Command:
    """Downloads with ``videoteca download NAME``, each time from a home that never did before."""

    name = "videoteca download"

    def __init__(self, sharing: Sharing, folder: Path) -> None:
        self._sharing = sharing
        self._folder = folder
        self._numbers = count(1)

    def run(self) -> Sample:
        """Download once; the registration before it does not count."""
        video = self._sharing.video
        name = f"downloader-{next(self._numbers)}"
        home = Home(self._folder / name, self._sharing.tracker)
        home.run("register", name)
        before = self._sharing.server.cpu_seconds()
        done = home.run("download", video.name)
        take_away(home.path / "videos_recibidos" / video.name, video.stat().st_size)
        shutil.rmtree(home.path)
        return {
            Metric.COMMAND_SECONDS: done.seconds,
            **_costs(done, self._sharing.server, before),
        }


def _costs(done: Finished, server: Server, server_cpu_before: float) -> dict[Metric, float]:
    return {
        Metric.CLIENT_CPU_SECONDS: done.cpu_seconds,
        Metric.SERVER_CPU_SECONDS: server.cpu_seconds() - server_cpu_before,
        Metric.CLIENT_PEAK_BYTES: done.peak_bytes,
        Metric.SERVER_PEAK_BYTES: server.peak_bytes(),
    }


class TimedCommand:
    """A command that is measured from its start to its end."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self._command = command
        self._folder = folder

    def run(self) -> Sample:
        """Run it once."""
        done = run(self._command, cwd=self._folder)
        return {
            Metric.COMMAND_SECONDS: done.seconds,
            Metric.CLIENT_CPU_SECONDS: done.cpu_seconds,
            Metric.CLIENT_PEAK_BYTES: done.peak_bytes,
        }
