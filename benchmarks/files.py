"""The file that is moved, and how a received one is made safe and taken away again."""

import os
import time
from pathlib import Path
from typing import Final

_MIB: Final = 1 << 20


def make_video(path: Path, size_bytes: int) -> None:
    """Write a file of random bytes and bring it to the disk; it stays in the page cache."""
    with path.open("wb") as file:
        for start in range(0, size_bytes, _MIB):
            file.write(os.urandom(min(_MIB, size_bytes - start)))
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> float:
    """Bring a received file and its name to the disk, for a program that does not; the seconds."""
    started = time.perf_counter()
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return time.perf_counter() - started


def take_away(path: Path, size_bytes: int) -> None:
    """Remove a received file and let the disk come to rest before the next run.

    Raises:
        AssertionError: it does not have its size.
    """
    assert path.stat().st_size == size_bytes, path
    path.unlink()
    os.sync()


def file_system(folder: Path) -> str:
    """The kind of file system a folder is on, such as ext4 or tmpfs."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _device, mounted_at, its_kind, *_rest = line.split()
        is_above = folder.resolve().is_relative_to(mounted_at)
        if is_above and len(mounted_at) >= len(best):
            best, kind = mounted_at, its_kind
    return kind
