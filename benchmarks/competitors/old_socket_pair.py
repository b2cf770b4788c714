"""The old design: a plain TCP pair that reads and writes 1,024 bytes at a time, unverified.

A program, one half of the pair: ``serve FILE`` or ``fetch PORT FILE``. It imports nothing of ours,
so that its start costs no more than it did.
"""

import os
import socket
import sys
import time
from pathlib import Path
from typing import Final

_BLOCK_BYTES: Final = 1_024


def serve(video: Path) -> None:
    """Send the file to each who connects, one after the other, until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _address = listener.accept()
            with connection, video.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    connection.sendall(block)


def fetch(port: int, target: Path) -> None:
    """Receive the file, bring it and its name to the disk; print the seconds and CPU seconds."""
    started, cpu_started = time.perf_counter(), time.process_time()
    with socket.create_connection(("127.0.0.1", port)) as connection, target.open("wb") as file:
        while block := connection.recv(_BLOCK_BYTES):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(target.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    print(time.perf_counter() - started, time.process_time() - cpu_started)


def _main(words: list[str]) -> None:
    match words:
        case ["serve", video]:
            serve(Path(video))
        case ["fetch", port, target]:
            fetch(int(port), Path(target))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    _main(sys.argv[1:])
