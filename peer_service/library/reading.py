"""Opens files below a shared folder so that nothing outside of it can ever be read."""

import errno
import os
import stat
from pathlib import Path
from typing import Final, Self

from peer_service.library.memory_disk import is_memory_disk
from peer_service.library.model import FileStamp, FoundFile, OfferedVideo
from peer_service.partial import PartialVideo
from videoteca_core.errors import FileChanged

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Not blocking: a FIFO put in the file's place must not hold the thread.
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_NO_WAIT: Final[int | None] = getattr(os, "RWF_NOWAIT", None)  # Linux only


def open_below(folder: Path, parts: tuple[str, ...]) -> int:
    """Open a regular file below a folder, following no symbolic link on the way.

    O_NOFOLLOW looks at the last component only, so every folder is opened from the one before.

    Returns:
        A file descriptor.

    Raises:
        OSError: it is not there, can't be read, or is not a regular file.
    """
    at = os.open(folder, FOLDER_FLAGS)
    try:
        for part in parts[:-1]:
            below = os.open(part, FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        # Looked at first, because to open a device may do something.
        _check_regular(os.stat(parts[-1], dir_fd=at, follow_symlinks=False))
        file = os.open(parts[-1], _FILE_FLAGS, dir_fd=at)
    finally:
        os.close(at)
    try:
        _check_regular(os.fstat(file))
    except OSError:
        os.close(file)
        raise
    return file


def find_file(folder: Path, parts: tuple[str, ...]) -> FoundFile:
    """A regular file below a folder, as it is now.

    Raises:
        OSError: see :func:`open_below`.
    """
    opened = open_below(folder, parts)
    try:
        stamp = FileStamp.of(os.fstat(opened))
    finally:
        os.close(opened)
    return FoundFile(str(folder.joinpath(*parts)), folder, parts, stamp)


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        message = "not a regular file"
        raise OSError(message)


class OpenVideo:
    """A shared file, open to be read as long as it is what it was when it was found.

    Args:
        file: the file.
        name: the name of the video.
        grows: whether the file may change meanwhile: the pieces of a download do not.

    Raises:
        FileChanged: it is not.
        OSError: it can't be opened.
    """

    def __init__(self, file: FoundFile, name: str, *, grows: bool = False) -> None:
        self._name = name
        self._stamp = None if grows else file.stamp
        self._no_wait = _NO_WAIT
        self._file = open_below(file.folder, file.parts)
        try:
            self.check()
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, length: int) -> bytes:
        """The bytes of that range, which must be within the file.

        Raises:
            FileChanged: the file changed before they were read.
            OSError: the disk fails.
        """
        data = os.pread(self._file, length, offset)
        while len(data) < length:  # some network file systems give less than they have
            more = os.pread(self._file, length - len(data), offset + len(data))
            if not more:
                raise FileChanged(name=self._name)
            data += more
        self.check()
        return data

    def read_into(self, offset: int, into: memoryview) -> None:
        """Fill a buffer with the bytes from there on, to be believed once :meth:`check` agrees.

        Raises:
            FileChanged: the file is shorter than it was.
            OSError: the disk fails.
        """
        while into:
            length = os.preadv(self._file, [into], offset)
            if not length:
                raise FileChanged(name=self._name)
            into = into[length:]  # some network file systems give less than they have
            offset += length

    def read_cached(self, offset: int, into: memoryview) -> bool:
        """Fill a buffer with the bytes from there on, if the system has them in memory.

        Returns:
            Whether it had; else the buffer holds nothing of use.

        Raises:
            FileChanged: the file changed before they were read.
        """
        if self._no_wait is None:
            return False
        try:
            length = os.preadv(self._file, [into], offset, self._no_wait)
        except OSError as error:  # it would wait, or the file system can't tell
            if error.errno != errno.EOPNOTSUPP or not self._never_waits():
                return False
            self._no_wait = 0
            return self.read_cached(offset, into)
        if length < len(into):
            return False
        self.check()
        return True

    def _never_waits(self) -> bool:
        return is_memory_disk(os.fstat(self._file).st_dev)

    def check(self) -> None:
        """Check that the file has not changed.

        Raises:
            FileChanged: it has.
        """
        if self._stamp and FileStamp.of(os.fstat(self._file)) != self._stamp:
            raise FileChanged(name=self._name)

    def close(self) -> None:
        """Close the file; no read may be under way."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_shared(video: OfferedVideo) -> OpenVideo:
    """Open the file of a video.

    Raises:
        FileChanged: it is no longer what was shared, or can't be read any more.
    """
    try:
        if isinstance(video, PartialVideo):
            return OpenVideo(find_file(video.folder, (video.part,)), video.name, grows=True)
        return OpenVideo(video.file, video.name)
    except OSError as error:
        raise FileChanged(name=video.name) from error
