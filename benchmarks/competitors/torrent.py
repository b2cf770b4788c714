"""libtorrent: seeds and leeches, each a process of its own."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.competitors.pair import Pair
from benchmarks.measure import NotMeasured
from benchmarks.processes import Server, run, serving

LIBTORRENT: Final = "libtorrent"
_PEER: Final = [sys.executable, "-P", str(Path(__file__).with_name("torrent_peer.py"))]


def make_torrent(video: Path, folder: Path) -> Path:
    """Write the torrent of a file into a folder.

    Raises:
        NotMeasured: there is no libtorrent.
    """
    if not importlib.util.find_spec("libtorrent"):
        raise NotMeasured("libtorrent is not installed; 'make bench' does that")
    torrent = folder / "video.torrent"
    run([*_PEER, "make", str(video), str(torrent)], cwd=folder)
    return torrent


def leech_command(torrent: Path, folder: Path, *, upload_limit: int = 0) -> list[str]:
    """What downloads into a folder; see the program for what it reads and prints."""
    return [*_PEER, "leech", str(torrent), str(folder), str(upload_limit)]


@contextlib.contextmanager
def seed(torrent: Path, video: Path, log: Path, *, upload_limit: int = 0) -> Iterator[Server]:
    """Serve the file of a torrent; the server's first line is its port."""
    words = ["seed", str(torrent), str(video.parent), str(upload_limit)]
    with serving([*_PEER, *words], log=log) as server:
        yield server


@contextlib.contextmanager
def libtorrent(video: Path, received: Path) -> Iterator[Pair]:
    """One seed, which is up, and one leech.

    Raises:
        NotMeasured: there is no libtorrent.
    """
    torrent = make_torrent(video, received)
    with seed(torrent, video, received / "seed.log") as server:
        yield Pair(
            LIBTORRENT,
            server,
            leech_command(torrent, received),
            told=server.first_line,
            target=received / video.name,
            size_bytes=video.stat().st_size,
        )
