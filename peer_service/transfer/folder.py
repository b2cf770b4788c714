"""The received folder: the hidden place of partial files in it, and how a finished one appears."""

import contextlib
import errno
import os
import stat
import threading
from pathlib import Path
from typing import Final, Self

from peer_service.durable import disk_errors, sync
from peer_service.transfer.verify import piece_is_good
from videoteca_core.errors import FolderUnusable
from videoteca_core.manifest import Manifest
from videoteca_core.names import numbered, valid_name
from videoteca_core.text import N_

PARTS_FOLDER: Final = ".videoteca"

_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class ReceivedFolder:
    """A received folder, held open so that nothing is ever written outside it.

    Attributes:
        path: the folder.
        parts_fd: the folder of partial files in it, entered by this user only.

    Raises:
        FolderUnusable: it is missing, or not to be written; or the folder of partial files is a
            symbolic link, somebody else's, or on another file system.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        with contextlib.ExitStack() as stack:
            with disk_errors(self.path, FolderUnusable):
                self._fd = os.open(self.path, _OPEN_FOLDER)
                stack.callback(os.close, self._fd)
            with disk_errors(self.path / PARTS_FOLDER, FolderUnusable):
                with contextlib.suppress(FileExistsError):  # from an earlier download
                    os.mkdir(PARTS_FOLDER, 0o700, dir_fd=self._fd)
                flags = _OPEN_FOLDER | os.O_NOFOLLOW
                self.parts_fd = os.open(PARTS_FOLDER, flags, dir_fd=self._fd)
                stack.callback(os.close, self.parts_fd)
                self._check_parts()
                os.fchmod(self.parts_fd, 0o700)
            self._open = stack.pop_all()

    def close(self) -> None:
        """Let go of the folder."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def part_names(self) -> tuple[str, ...]:
        """The names in the folder of partial files."""
        with disk_errors(self.path / PARTS_FOLDER, FolderUnusable):
            return tuple(os.listdir(self.parts_fd))  # noqa: PTH208 - a path may have been replaced

    def remove_parts(self, *names: str) -> None:
        """Remove files of the folder of partial files; those that are not there are no matter."""
        with disk_errors(self.path / PARTS_FOLDER, FolderUnusable):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self.parts_fd)
            sync(self.parts_fd)

    def find(self, name: str, manifest: Manifest, stop: threading.Event) -> Path | None:
        """A file under that name, or that name with a number, that is this video already."""
        for candidate in numbered(valid_name(name)):
            taken = self._content(candidate, manifest, stop)
            if taken is None:
                return None
            if taken:
                return self.path / candidate
        raise AssertionError

    def adopt(self, part: str, name: str, manifest: Manifest, stop: threading.Event) -> Path:
        """Give a complete and synced partial file its name in the folder, overwriting nothing.

        The partial file stays, as a second name of the same file, until it is removed.

        Returns:
            The finished file: ``clip (2).mp4`` when ``clip.mp4`` is taken by other content.
        """
        for candidate in numbered(valid_name(name)):
            if self._link(part, candidate):
                with disk_errors(self.path, FolderUnusable):
                    sync(self._fd)
                return self.path / candidate
            if self._content(candidate, manifest, stop):
                return self.path / candidate
        raise AssertionError

    def _link(self, part: str, name: str) -> bool:
        """Whether the name was free and is the partial file's now."""
        folders = {"src_dir_fd": self.parts_fd, "dst_dir_fd": self._fd}
        with disk_errors(self.path, FolderUnusable):
            try:
                os.link(part, name, **folders, follow_symlinks=False)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return self._rename(part, name)
        return True

    def _rename(self, part: str, name: str) -> bool:
        """For file systems without links: take the name with an empty file, and replace that."""
        try:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=self._fd))
        except FileExistsError:
            return False
        os.replace(part, name, src_dir_fd=self.parts_fd, dst_dir_fd=self._fd)
        return True

    def _content(self, name: str, manifest: Manifest, stop: threading.Event) -> bool | None:
        """Whether what has the name is this video; none when nothing has it."""
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError:  # a symbolic link, a socket, not ours to read: something else has the name
            return False
        try:
            with disk_errors(self.path / name):
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode) or status.st_size != manifest.size_bytes:
                    return False
                return all(
                    piece_is_good(fd, piece, manifest, stop)
                    for piece in range(manifest.piece_count)
                )
        finally:
            os.close(fd)

    def _check_parts(self) -> None:
        status, around = os.fstat(self.parts_fd), os.fstat(self._fd)
        if status.st_uid != os.geteuid():
            problem = N_("it belongs to somebody else")
        elif status.st_dev != around.st_dev:
            problem = N_("it is on another file system than the folder around it")
        else:
            return
        raise FolderUnusable(path=self.path / PARTS_FOLDER, detail=problem)
