"""Brings a file from elsewhere into a shared folder, never over another one."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from peer_service.durable import disk_errors, sync
from peer_service.library.reading import open_below
from videoteca_core.errors import FileMissing, FileUnreadable, NameInUse, VideotecaError

_BLOCK_BYTES: Final = 1 << 20
_COPY_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def place_below(path: Path, folders: Iterable[Path]) -> tuple[Path, tuple[str, ...]] | None:
    """Where below one of the folders a file is: the folder, and the way from there.

    Returns:
        None for what is elsewhere, and for what is hidden there.
    """
    real = path.parent.resolve() / path.name
    for folder in folders:
        root = folder.resolve()
        if real.is_relative_to(root):
            parts = real.relative_to(root).parts
            if parts and not any(part.startswith(".") for part in parts):
                return folder, parts
    return None


def place(path: Path, folder: Path, name: str, go_on: Callable[[], None]) -> None:
    """Link a file into a folder, or copy it where it can't be linked; done already is done.

    Args:
        path: the file.
        folder: where to bring it.
        name: its name there.
        go_on: called before each block of a copy; what it raises ends it.

    Raises:
        FileMissing: there is no such file, or it is not a regular one.
        NameInUse: another file has the name in the folder.
        FileUnreadable: the file can't be read, or the folder not be written.
        DiskFull: there is no room for a copy.
    """
    target = folder / name
    try:
        source = open_below(path.parent, (path.name,))
    except OSError as error:
        raise unreadable(path, error) from error
    with open(source, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
        with contextlib.suppress(FileNotFoundError):  # the name is free
            if os.path.samestat(os.fstat(source), target.lstat()):
                return
            raise NameInUse(name=name, path=target)
        with disk_errors(target):
            try:
                if not _link(path, target):
                    copy = folder / f".{name}.copy"
                    try:
                        _copy(file.readinto, copy, go_on)
                        _rename(copy, target)
                    finally:
                        copy.unlink(missing_ok=True)
                sync_folder(folder)
            except FileExistsError as error:
                raise NameInUse(name=name, path=target) from error


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(opened)
    finally:
        os.close(opened)


def unreadable(path: Path, error: OSError) -> VideotecaError:
    """Why a file that its owner wants to share can't be opened."""
    if error.errno in (None, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
        return FileMissing(path=path)
    return FileUnreadable(path=path, detail=error.strerror)


def _link(path: Path, target: Path) -> bool:
    """Whether the file could be linked: not to another file system, nor always to others' files."""
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _copy(
    read_into: Callable[[memoryview], int | None], copy: Path, go_on: Callable[[], None]
) -> None:
    block = memoryview(bytearray(_BLOCK_BYTES))
    with open(os.open(copy, _COPY_FLAGS, 0o644), "wb") as file:  # noqa: PTH123
        while length := read_into(block):
            go_on()
            file.write(block[:length])
        file.flush()
        sync(file.fileno())


def _rename(copy: Path, target: Path) -> None:
    """Give the copy its name, which must be free: a link refuses to overwrite, a rename does not.

    Raises:
        FileExistsError: the name has been taken meanwhile.
    """
    if not _link(copy, target):  # a file system without links: take the name first, then replace
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        copy.replace(target)
