"""Hashes the files of a folder: ``HOW FOLDER``.

A program, so that it has a process of its own. Prints the seconds that it took and the CPU seconds
meanwhile. Every way uses as many threads as there are cores.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from mmap import mmap
from pathlib import Path
from typing import Final

from blake3 import blake3

from peer_service.database import PeerDatabase
from peer_service.library.library import Library
from peer_service.memory import keep_freed_memory

_BLOCK_BYTES: Final = 1 << 20


def library(folder: Path) -> None:
    """As a peer does: into pieces, remembered, and shared."""
    keep_freed_memory()  # as every peer does at its start
    count = len(list(folder.iterdir()))

    async def share(database: PeerDatabase) -> None:
        library = Library(database, [folder], settle_seconds=0)
        running = asyncio.create_task(library.run())
        version = library.version
        while len(library.holdings()) < count:
            version = await library.changed(version)
        running.cancel()
        await asyncio.wait({running})

    with (
        tempfile.TemporaryDirectory(dir=folder.parent) as home,
        PeerDatabase(Path(home) / "peer.db") as database,
    ):
        asyncio.run(share(database))


def mapped(folder: Path) -> None:
    """BLAKE3 of each whole file, mapped into memory."""
    _in_threads(folder, lambda path: blake3().update_mmap(path).digest())


def readinto(folder: Path) -> None:
    """BLAKE3 of each whole file, read into a buffer."""

    def hash_file(path: Path) -> bytes:
        hasher = blake3()
        block = memoryview(mmap(-1, _BLOCK_BYTES))  # whole pages: the fastest to fill
        with path.open("rb", buffering=0) as file:
            while length := file.readinto(block):
                hasher.update(block[:length])
        return hasher.digest()

    _in_threads(folder, hash_file)


def _in_threads(folder: Path, hash_file: Callable[[Path], bytes]) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        list(threads.map(hash_file, sorted(folder.iterdir())))


_WAYS: Final[Mapping[str, Callable[[Path], None]]] = {
    way.__name__: way for way in (library, mapped, readinto)
}


def main(how: str, folder: str) -> None:
    started, cpu_started = time.perf_counter(), time.process_time()
    _WAYS[how](Path(folder))
    print(time.perf_counter() - started, time.process_time() - cpu_started)


if __name__ == "__main__":
    main(*sys.argv[1:])
