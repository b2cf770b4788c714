"""Runs the program as a person or a script does: real processes, plain pipes."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import PROGRAM

ANY_PORT = "127.0.0.1:0"
CLIP = bytes(range(256)) * 20_000
"""The content of clip.mp4, which ana shares."""

_ROOT = Path(__file__).parents[1]
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Ended:
    """A process that ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed for a program; the last of it when it followed downloads."""
        return json.loads(self.out.splitlines()[-1])

    @property
    def error(self) -> Any:
        """The error that it printed for a program."""
        return json.loads(self.err)["error"]


@dataclass(frozen=True)
class Machine:
    """A person's machine: a folder to work in, with a home of its own.

    Attributes:
        folder: the working folder; the home is ``home`` in it.
        tracker: what ``VIDEOTECA_TRACKER`` says; nothing when empty.
    """

    folder: Path
    tracker: str = ""

    @property
    def home(self) -> Path:
        """The home."""
        return self.folder / "home"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of its processes: nothing of the one that runs the tests but the path."""
        own = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'generated'}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "VIDEOTECA_HOME": str(self.home),
        }
        return own | ({"VIDEOTECA_TRACKER": self.tracker} if self.tracker else {}) | more

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start the program with its three streams piped."""
        self.folder.mkdir(exist_ok=True)
        return subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment(**environment),
        )

    def run(self, *arguments: object, typed: str = "", **environment: str) -> Ended:
        """Run the program to its end; whatever happens, nobody is shown a traceback."""
        with self.start(*arguments, **environment) as process:
            try:
                out, err = process.communicate(typed, timeout=_TIMEOUT_SECONDS)
            except BaseException:
                process.kill()
                raise
        ended = Ended(process.returncode, out, err)
        assert_for_people(ended)
        return ended

    @contextmanager
    def running(self, *arguments: object) -> Iterator[Any]:
        """A server of this machine while the block lasts; yields what it printed when it began."""
        with self.start(*arguments, "--json") as process:
            assert process.stdout
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            try:
                yield json.loads(line)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    out, err = process.communicate(timeout=_TIMEOUT_SECONDS)
                except BaseException:
                    process.kill()
                    raise
        assert_for_people(Ended(process.returncode, out, ""))
        assert process.returncode == 0, err

    def register(self, name: str) -> None:
        """Give this machine's peer its name."""
        ended = self.run("register", name)
        assert ended.code == 0, ended


def assert_for_people(ended: Ended) -> None:
    """Nothing that is printed has a traceback or a raw control character."""
    for text in (ended.out, ended.err):
        assert "Traceback" not in text, text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text), repr(text)
