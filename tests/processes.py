"""Real videoteca processes for tests: started, asked, killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download
from peer_service.home import Home
from tests.waiting import eventually

PROGRAM = (sys.executable, "-m", "cli.main")
_ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """This process's environment, without what would change the program's ways."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("VIDEOTECA")}
    ours |= {"LANGUAGE": "en", "PYTHONPATH": f"{_ROOT}:{_ROOT / 'generated'}"}
    return ours


def run(
    home: Path, *words: str, check: bool = True, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; unless ``check`` is off, it must succeed."""
    done = subprocess.run(
        [*PROGRAM, "--home", str(home), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        **options,
    )
    assert "Traceback" not in done.stdout + done.stderr
    if check:
        assert done.returncode == 0, done.stderr
    return done


def run_json(home: Path, *words: str, **options: Any) -> Any:
    """What a command prints for a program; the last of it when it followed downloads."""
    return json.loads(run(home, "--json", *words, **options).stdout.splitlines()[-1])


@dataclass
class Server:
    """A tracker or a peer in a process of its own."""

    process: subprocess.Popen[str]
    started: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, home: Path, *words: str) -> Self:
        """Start it and wait until it serves."""
        home.mkdir(parents=True, exist_ok=True)
        with (home / "log").open("a") as log:
            process = subprocess.Popen(
                [*PROGRAM, "--home", str(home), "--json", *words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(),
            )
        assert process.stdout
        line = process.stdout.readline()
        assert line, (home / "log").read_text()
        return cls(process, json.loads(line))

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self._reap()

    def stop(self) -> None:
        """End it gracefully; it must leave with 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self._reap()
            assert self.process.returncode == 0, f"{self.process.args!r} left otherwise"

    def _reap(self) -> None:
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert self.process.stdout
        self.process.stdout.close()


class Crew:
    """A tracker and peers, each with a home below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: dict[str, Server] = {}
        self.tracker = ""

    def start_tracker(self) -> None:
        """Start the tracker, at the same address as before if it ran already."""
        listen = self.tracker or "127.0.0.1:0"
        server = Server.start(self.folder / "tracker", "tracker", "--listen", listen)
        self.servers["tracker"] = server
        where = server.started["listen"]
        self.tracker = f"{where['host']}:{where['port']}"

    def start_peer(self, name: str, *options: str) -> ControlClient:
        """Start a peer, with the home and the folders of that name."""
        self.servers[name] = Server.start(
            self.home(name),
            *("peer", "--name", name, "--tracker", self.tracker, "--listen", "127.0.0.1:0"),
            *("--shared", str(self.shared(name)), "--received", str(self.received(name))),
            *options,
        )
        return ControlClient(Home(self.home(name)).running_socket())

    def stop_peers(self) -> None:
        """Stop every peer gracefully."""
        with ExitStack() as stack:
            for name in self.servers.keys() - {"tracker"}:
                stack.callback(self.servers[name].stop)

    def home(self, name: str) -> Path:
        """The home of a peer."""
        return self.folder / name

    def shared(self, name: str) -> Path:
        """The shared folder of a peer, made when it is missing."""
        folder = self.folder / name / "shared"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def received(self, name: str) -> Path:
        """The received folder of a peer."""
        return self.folder / name / "received"

    def sources(self, asking: str, name: str) -> list[str]:
        """The names of the live sources of a video; none when it is not known."""
        answer = run(self.home(asking), "--json", "locate", name, check=False)
        if answer.returncode:
            return []
        return [source["peer_name"] for source in json.loads(answer.stdout)["videos"][0]["sources"]]

    def wait_for_sources(self, asking: str, name: str, *expected: str) -> None:
        """Wait until exactly these peers offer a video."""
        eventually(lambda: sorted(self.sources(asking, name)) == sorted(expected))


@contextmanager
def crew(folder: Path) -> Iterator[Crew]:
    """A running tracker, to which peers can be added; all end with the block."""
    them = Crew(folder)
    with ExitStack() as stack:
        them.start_tracker()
        stack.callback(lambda: them.servers["tracker"].stop())  # noqa: PLW0108 - the one that runs then
        stack.callback(them.stop_peers)
        yield them


def wait_for_state(control: ControlClient, download_id: int, *states: str) -> Download:
    """Wait until a download is in one of these states, and return it as it is then."""

    def now() -> Download | None:
        (download,) = (each for each in control.downloads() if each.download_id == download_id)
        return download if download.state.value in states else None

    found = eventually(now, 60)
    assert found
    return found
