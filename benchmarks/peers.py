"""Trackers and peers of Videoteca: real processes, driven as their owners would."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import VIDEOTECA, Finished, ProgramFailed, Server, run, serving
from peer_service.control_client import ControlClient
from peer_service.home import Home as PeerHome
from videoteca_core.catalogue import VideoQuery

_READY_SECONDS: Final = 120.0
_DOWNLOAD_SECONDS: Final = 600.0
_ASK_SECONDS: Final = 0.2
_LOOK_SECONDS: Final = 0.005


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
        received: where its downloads go.
        control: what its owner asks it.
    """

    server: Server
    endpoint: str
    received: Path
    control: ControlClient


@contextlib.contextmanager
def peer(home: Path, tracker: str, *options: str, shared: Path | None = None) -> Iterator[Peer]:
    """A peer on a free port of loopback, once it is registered under the name of its home.

    Args:
        home: a folder that is not there yet.
        tracker: HOST:PORT.
        options: others of ``videoteca peer``.
        shared: what it shares; nothing by default.
    """
    received = home / "received"
    words = ["--name", home.name, "--tracker", tracker, "--listen", "127.0.0.1:0"]
    words += ["--shared", str(shared or home / "shared"), "--received", str(received), *options]
    with _server(home, "peer", *words) as server:
        port = json.loads(server.first_line)["listen_port"]
        with ControlClient(PeerHome(home).running_socket()) as control:
            wait_until(lambda: control.status().registered, f"{home.name} registers")
            yield Peer(server, f"127.0.0.1:{port}", received, control)


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
        time.sleep(_ASK_SECONDS)


def download(receivers: Sequence[Peer], *videos: tuple[str, str]) -> list[float]:
    """Let all of the peers download the same videos, and wait until they have.

    A file is looked for under its name, which it gets once it is verified and synced.

    Args:
        receivers: the peers.
        videos: the id and the name of each video.

    Returns:
        The seconds from before the first of them was asked until each had all, sorted.

    Raises:
        ProgramFailed: one does not get there.
    """

    def enqueue(receiver: Peer) -> None:
        for video_id, _name in videos:
            receiver.control.enqueue(VideoQuery(video_id=video_id))

    missing = {
        receiver.endpoint: [receiver.received / name for _video_id, name in videos]
        for receiver in receivers
    }
    took: list[float] = []
    with ThreadPoolExecutor(len(receivers)) as pool:
        started = time.perf_counter()
        list(pool.map(enqueue, receivers))
        while missing:
            for endpoint, paths in tuple(missing.items()):
                if all(path.exists() for path in paths):
                    del missing[endpoint]
                    took.append(time.perf_counter() - started)
            if time.perf_counter() > started + _DOWNLOAD_SECONDS:
                states = [receiver.control.downloads() for receiver in receivers]
                raise ProgramFailed(f"not all downloads ended: {states}")
            time.sleep(_LOOK_SECONDS)
    return took
