"""Writing so that it survives a power cut, and what to say when the disk refuses."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from videoteca_core.errors import DiskFull, FileUnreadable, FolderUnusable

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# For a long write Linux takes long runs of free memory, which a hypervisor has often taken back:
# there a write of 1 MiB cost up to ten times as much as its bytes in pieces of this size.
_WRITE_BYTES: Final = 64 << 10
_FIRST_ALLOCATION_BYTES: Final = 1 << 20
_ALLOCATION_SECONDS: Final = 0.05
_NOTED_BYTES_A_SECOND: Final = 20e9  # ext4 notes ten times as much, tmpfs fills a tenth of it
_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
_FULL_SYNC: Final[int | None] = getattr(fcntl, "F_FULLFSYNC", None)


@contextlib.contextmanager
def disk_errors(
    path: Path, otherwise: type[FileUnreadable] | type[FolderUnusable] = FileUnreadable
) -> Iterator[None]:
    """Turn what the system says inside the block into errors about that path.

    Raises:
        DiskFull: no space or no quota is left.
        FileUnreadable, FolderUnusable: anything else, whichever is given.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(path=path) from error
        raise otherwise(path=path, detail=error.strerror) from error


def sync(fd: int) -> None:
    """Bring a file's content, or a folder's names, to the disk itself."""
    if _FULL_SYNC is not None:  # on macOS fsync stops at the disk's own cache
        with contextlib.suppress(OSError):  # not every file system has it; fsync is what is left
            fcntl.fcntl(fd, _FULL_SYNC)
            return
    os.fsync(fd)


def sync_data(fd: int) -> None:
    """Bring a file's bytes to the disk itself, without its times."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        sync(fd)


def write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of the data at the offset; the system may take it in parts."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest[:_WRITE_BYTES], offset)
        rest = rest[written:]
        offset += written


def reserve(fd: int, size_bytes: int) -> None:
    """Give a file its size, and the space for it where the file system can just note that.

    Some can't: they fill what they reserve with zeros, or the C library does it for them, which
    takes as long as the video itself will. There the rest is only looked for.

    Raises:
        OSError: there is not so much space; the file's own size is as before.
    """
    status = os.fstat(fd)
    missing = size_bytes - status.st_blocks * 512
    if size_bytes == status.st_size and missing <= 0:
        return
    disk = os.fstatvfs(fd)
    if missing > disk.f_bavail * disk.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if hasattr(os, "posix_fallocate"):
        try:
            _allocate(fd, size_bytes)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.ftruncate(fd, status.st_size)  # gives back what it got before space ran out
                raise
    os.ftruncate(fd, size_bytes)


def _allocate(fd: int, size_bytes: int) -> None:
    begun = time.monotonic()
    offset, length = 0, _FIRST_ALLOCATION_BYTES
    while offset < size_bytes:
        os.posix_fallocate(fd, offset, min(length, size_bytes - offset))
        offset += length
        length *= 2
        if time.monotonic() - begun > _ALLOCATION_SECONDS + offset / _NOTED_BYTES_A_SECOND:
            return


def replace_file(folder_fd: int, name: str, data: bytes) -> None:
    """Write a small file of a folder anew, so that it is the old or the new one at any moment.

    After a power cut it may be neither: who reads it must be able to tell.

    Args:
        folder_fd: the folder.
        name: the file in it; ``name`` with ``.new`` behind it is used on the way.
        data: its new content.
    """
    temporary = f"{name}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600, dir_fd=folder_fd)
    try:
        write_all(fd, data, 0)
    finally:
        os.close(fd)
    os.replace(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
