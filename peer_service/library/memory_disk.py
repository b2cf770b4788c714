"""Which files are on a disk that is memory, where no read waits."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")  # Linux only
_MEMORY: Final = ("tmpfs", "ramfs")


@lru_cache
def is_memory_disk(device: int) -> bool:
    """Whether a file system is kept in memory.

    Args:
        device: its number, the ``st_dev`` of its files.
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = _MOUNTS.read_text(errors="replace") if _MOUNTS.exists() else ""
    for line in mounts.splitlines():
        of_mount, _, of_file_system = line.partition(" - ")
        if of_mount.split(" ", 3)[2] == number:
            return of_file_system.split(" ", 1)[0] in _MEMORY
    return False
