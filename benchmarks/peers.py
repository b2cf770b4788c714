"""Trackers and peers of Videoteca: real processes, driven as their owners would."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import ROOT, VIDEOTECA, Finished, ProgramFailed, Server, run, serving

_READY_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2


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
class Peer:
    """A peer that runs.

    Attributes:
        server: its process.
        endpoint: where it serves, HOST:PORT.
        home: its home; it receives into a folder there.
    """

    server: Server
    endpoint: str
    home: Home

    def received(self, name: str) -> Path:
        """Where a video is that it downloaded."""
        return _received(self.home.path) / name


@contextlib.contextmanager
def peer(home: Path, tracker: str, *options: str, shared: Path | None = None) -> Iterator[Peer]:
    """A peer on a free port of loopback, with the name of its home.

    Args:
        home: a folder that is not there yet.
        tracker: HOST:PORT.
        options: others of ``videoteca peer``.
        shared: what it shares; nothing by default.
    """
    words = ["--name", home.name, "--tracker", tracker, "--listen", "127.0.0.1:0"]
    words += ["--shared", str(shared or home / "shared"), "--received", str(_received(home))]
    with _server(home, "peer", *words, *options) as server:
        port = json.loads(server.first_line)["listen_port"]
        yield Peer(server, f"127.0.0.1:{port}", Home(home, tracker))


def _received(home: Path) -> Path:
    return home / "received"


def offered(asker: Home, name: str, sources: int = 1) -> str:
    """Wait until a video has so many sources, for who asks from loopback; returns its id."""
    found: list[Any] = []

    def is_offered() -> bool:
        with contextlib.suppress(ProgramFailed):  # not published yet
            found[:] = asker.ask("locate", name)["videos"]
        return len(found) == 1 and len(found[0]["sources"]) == sources

    wait_until(is_offered, f"{name} is offered")
    return str(found[0]["video_id"])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that takes a while.

    Raises:
        ProgramFailed: it does not come.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ProgramFailed(f"waited {_READY_SECONDS:g} s in vain until {what}")
        time.sleep(_LOOK_SECONDS)


def download(receivers: Sequence[Peer], *videos: tuple[str, str]) -> list[float]:
    """Let all of the peers download the same videos, and wait until they have.

    Args:
        receivers: the peers.
        videos: the id and the name of each video.

    Returns:
        The seconds from before the first of them was asked until each had all, sorted.

    Raises:
        ProgramFailed: one does not get there.
    """
    homes = [str(receiver.home.path) for receiver in receivers]
    command = [sys.executable, "-m", "benchmarks.ask", *homes, "--", *chain(*videos)]
    return [float(word) for word in run(command, cwd=ROOT).output.split()]
