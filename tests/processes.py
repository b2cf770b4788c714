"""Real videoteca processes for tests: started, asked, killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download
from peer_service.home import Home
from tests.waiting import eventually
from videoteca_core.catalogue import VideoQuery
from videoteca_core.errors import VideoUnknown

PROGRAM = (sys.executable, "-m", "cli.main")
_ROOT = Path(__file__).parents[1]


def environment(*python_path: Path) -> dict[str, str]:
    """This process's environment, without what would change the program's ways.

    Args:
        python_path: folders of modules, besides those of the program.
    """
    ours = {key: value for key, value in os.environ.items() if not key.startswith("VIDEOTECA")}
    modules = os.pathsep.join(map(str, (_ROOT, _ROOT / "generated", *python_path)))
    return ours | {"LANGUAGE": "en", "PYTHONPATH": modules}


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
    def start(cls, home: Path, *words: str, python_path: Sequence[Path] = ()) -> Self:
        """Start it and wait until it serves."""
        home.mkdir(parents=True, exist_ok=True)
        with (home / "log").open("a") as log:
            process = subprocess.Popen(
                [*PROGRAM, "--home", str(home), "--json", *words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(*python_path),
            )
        assert process.stdout
        line = process.stdout.readline()
        assert line, (home / "log").read_text()
        return cls(process, json.loads(line))

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self._reap()

    def freeze(self) -> None:
        """Let it hang."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it gracefully; it must leave with 0."""
        if self.process.poll() is None:
            self.thaw()
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

    def start_peer(
        self, name: str, *options: str, python_path: Sequence[Path] = ()
    ) -> ControlClient:
        """Start a peer, with the home and the folders of that name."""
        self.servers[name] = Server.start(
            self.home(name),
            *("peer", "--name", name, "--tracker", self.tracker, "--listen", "127.0.0.1:0"),
            *("--shared", str(self.shared(name)), "--received", str(self.received(name))),
            *options,
            python_path=python_path,
        )
        return ControlClient(Home(self.home(name)).running_socket())

    def start_peers(self, *names: str, options: Sequence[str] = ()) -> list[ControlClient]:
        """Start several peers at once, with the same options."""
        with ThreadPoolExecutor(len(names)) as pool:
            return list(pool.map(lambda name: self.start_peer(name, *options), names))

    def stop_peers(self) -> None:
        """Stop every peer gracefully, all at once."""
        peers = [self.servers[name] for name in self.servers.keys() - {"tracker"}]
        with ThreadPoolExecutor(max(1, len(peers))) as pool, ExitStack() as stack:
            for stopped in [pool.submit(peer.stop) for peer in peers]:
                stack.callback(stopped.result)

    def check_logs(self) -> None:
        """Nothing went wrong in a way that nobody thought of, and no library wrote on its own."""
        for name in self.servers:
            for line in (self.home(name) / "log").read_text().splitlines():
                assert line.startswith("{"), line
                assert "Traceback" not in line

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

    def add_video(self, name: str, size: int, *owners: str) -> bytes:
        """Let these peers share a video of random bytes under that name; returns the bytes."""
        data = os.urandom(size)
        for owner in owners:
            (self.shared(owner) / name).write_bytes(data)
        return data

    def located(self, asking: str, name: str) -> dict[str, str]:
        """The live sources of a video and the state of each; none when it is not known."""
        answer = run(self.home(asking), "--json", "locate", name, check=False)
        if answer.returncode:
            return {}
        video = json.loads(answer.stdout)["videos"][0]
        return {source["peer_name"]: source["state"] for source in video["sources"]}

    def sources(self, asking: str, name: str) -> list[str]:
        """The names of the live sources of a video; none when it is not known."""
        return list(self.located(asking, name))

    def wait_for_sources(self, asking: str, name: str, *expected: str) -> None:
        """Wait until exactly these peers offer a video."""
        eventually(lambda: sorted(self.sources(asking, name)) == sorted(expected))


@contextmanager
def crew(folder: Path) -> Iterator[Crew]:
    """A running tracker, to which peers can be added; all end with the block."""
    them = Crew(folder)
    with ExitStack() as stack:
        them.start_tracker()
        stack.callback(them.check_logs)
        stack.callback(lambda: them.servers["tracker"].stop())  # noqa: PLW0108 - the one that runs then
        stack.callback(them.stop_peers)
        yield them


def enqueue(control: ControlClient, name: str) -> Download:
    """Queue a video as soon as somebody has published it."""

    def now() -> Download | None:
        try:
            return control.enqueue(VideoQuery(name=name))[0]
        except VideoUnknown:
            return None

    found = eventually(now)
    assert found
    return found


def download_of(control: ControlClient, download_id: int) -> Download:
    """A download as it is now."""
    (download,) = (each for each in control.downloads() if each.download_id == download_id)
    return download


def wait_until(
    control: ControlClient,
    download_id: int,
    condition: Callable[[Download], object],
    timeout_seconds: float = 60.0,
) -> Download:
    """Wait until a download is as the condition says, and return it as it is then."""

    def now() -> Download | None:
        download = download_of(control, download_id)
        return download if condition(download) else None

    found = eventually(now, timeout_seconds, pause_seconds=0.1)
    assert found
    return found


def wait_for_state(control: ControlClient, download_id: int, *states: str) -> Download:
    """Wait until a download is in one of these states, and return it as it is then."""
    return wait_until(control, download_id, lambda download: download.state.value in states)
