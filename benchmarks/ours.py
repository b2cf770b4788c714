"""Videoteca itself: a tracker and a sharing peer, real processes, and those who download."""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks.files import take_away
from benchmarks.measure import Metric, Sample
from benchmarks.processes import ROOT, VIDEOTECA, Finished, ProgramFailed, Server, run, serving

_READY_SECONDS: Final = 120.0


class Home:
    """A home of Videoteca and the commands that are run on it.

    Args:
        path: the folder; made when it is missing. Commands run in it.
        tracker: HOST:PORT.
    """

    def __init__(self, path: Path, tracker: str) -> None:
        self.path = path
        self._tracker = tracker
        path.mkdir(exist_ok=True)

    def run(self, *words: str) -> Finished:
        """Run a command to its end."""
        command = [VIDEOTECA, "--home", str(self.path), "--tracker", self._tracker, *words]
        return run(command, cwd=self.path)

    def ask(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """What a command answers with ``--json``."""
        return json.loads(self.run(*words, "--json").output)


@contextlib.contextmanager
def _server(home: Path, *words: str) -> Iterator[Server]:
    home.mkdir()
    command = [VIDEOTECA, "--home", str(home), "--json", *words]
    with serving(command, log=home / "log") as server:
        yield server


@contextlib.contextmanager
def tracker(folder: Path) -> Iterator[str]:
    """A tracker on a free port of loopback; yields HOST:PORT."""
    with _server(folder / "tracker", "tracker", "--listen", "127.0.0.1:0") as server:
        listen = json.loads(server.first_line)["listen"]
        yield f"{listen['host']}:{listen['port']}"


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
    options = ["--name", "owner", "--tracker", tracker, "--listen", "127.0.0.1:0"]
    options += ["--shared", str(video.parent), "--received", str(folder / "owner" / "received")]
    with _server(folder / "owner", "peer", *options) as server:
        port = json.loads(server.first_line)["listen_port"]
        video_id = _wait_offered(Home(folder / "asker", tracker), video.name)
        yield Sharing(server, f"127.0.0.1:{port}", tracker, video, video_id)


def _wait_offered(home: Home, name: str) -> str:
    """Wait until a video has a source; returns its id."""
    home.run("register", "asker")
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ProgramFailed):  # not published yet
            (video,) = home.ask("locate", name)["videos"]
            if video["sources"]:
                return str(video["video_id"])
        time.sleep(0.2)
    raise ProgramFailed(f"{name} was not offered within {_READY_SECONDS:g} s")


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
