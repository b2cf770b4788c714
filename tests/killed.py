"""Downloads in processes that are killed.

As a program (``python -m tests.killed``) it runs a download for each line of its standard input,
in a process of its own: it answers with the number of that process, and when that has ended with
its exit code. Forking spares each of them the time in which a program is loaded.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.downloading import downloading
from tests.fakes.peer import FakePeer
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import HoldingState, LocatedVideo, Source

NEVER: Final = 1_000_000
NAME: Final = "clip.mp4"
_ROOT: Final = Path(__file__).parents[1]
_CHANGES: Final = (
    "mkdir",
    "posix_fallocate",
    "pwrite",
    "fdatasync",
    "fsync",
    "replace",
    "link",
    "unlink",
)


class Downloads:
    """Runs downloads that may be killed, one at a time, in the block of a ``with``."""

    def __enter__(self) -> Self:
        path = os.pathsep.join(map(str, (_ROOT, _ROOT / "generated")))
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.killed"],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self._program:
            self._program.kill()

    def begin(
        self, home: Path, folder: Path, peers: Sequence[FakePeer], *, dies_at_change: int = NEVER
    ) -> int:
        """Begin to download what the peers have.

        Args:
            home: where the queue is.
            folder: where the video is to be.
            peers: its sources.
            dies_at_change: the process is killed before the so-manieth call that changes the disk.

        Returns:
            The number of the process.
        """
        manifest = peers[0].manifest
        order = {
            "home": str(home),
            "folder": str(folder),
            "video_id": manifest.video_id,
            "size_bytes": manifest.size_bytes,
            "endpoints": [str(peer.endpoint) for peer in peers],
            "dies_at_change": dies_at_change,
        }
        assert self._program.stdin
        self._program.stdin.write(json.dumps(order) + "\n")
        self._program.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """How the download ended: with 0 when it is done, and -9 when it was killed."""
        return self._answer()

    def _answer(self) -> int:
        assert self._program.stdout
        return int(self._program.stdout.readline())


def main() -> None:
    """Be the program."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _download(**json.loads(line))
            os._exit(0)
        _answer(child)
        _, status = os.waitpid(child, 0)
        _answer(os.waitstatus_to_exitcode(status))


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _download(
    *,
    home: str,
    folder: str,
    video_id: str,
    size_bytes: int,
    endpoints: Sequence[str],
    dies_at_change: int,
) -> None:
    sources = tuple(
        Source(f"peer{number}", HoldingState.COMPLETE, (Endpoint.resolve(endpoint, 0),))
        for number, endpoint in enumerate(endpoints)
    )
    owners = tuple(source.peer_name for source in sources)
    video = LocatedVideo(NAME, video_id, size_bytes, sources, owners, len(owners))
    _die_at_change(dies_at_change)
    with downloading(Path(home), Path(folder)) as running:
        number = running.add(video)
        while not running.get(number).state.is_final:
            running.queue.wait_changed(running.queue.version, 0.05)


def _die_at_change(calls: int) -> None:
    guard = threading.Lock()
    left = calls

    def deadly(name: str) -> None:
        real = getattr(os, name)

        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            with guard:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        setattr(os, name, call)

    for name in _CHANGES:
        if hasattr(os, name):
            deadly(name)


if __name__ == "__main__":
    main()
