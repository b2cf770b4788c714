"""The home: the folder where a peer keeps what it must remember, used by one process at a time."""

import contextlib
import fcntl
import hashlib
import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from peer_service.durable import disk_errors
from videoteca_core.errors import FolderUnusable, HomeBusy, NoPeerRunning
from videoteca_core.text import N_

_MAX_SOCKET_BYTES = 100  # a Unix domain socket's path has 104 bytes on macOS, 108 on Linux

_LOCK_SECONDS = 0.5


class Home:
    """The folder of one peer, made when it is missing, entered by its user only.

    Raises:
        FolderUnusable: it can't be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        make_private(self.path)
        self.database_path = self.path / "peer.db"
        self._lock_path = self.path / "lock"

    def socket_path(self, *, public: bool = True) -> Path:
        """Where Control is served: in the home, or in a short path that stands in for it.

        Args:
            public: for other processes to find; otherwise for the process itself.

        Raises:
            FolderUnusable: the socket's folder can't be made, or belongs to somebody else.
        """
        folder = self.path / "run"
        if len(os.fsencode(folder / "foreground.sock")) > _MAX_SOCKET_BYTES:
            digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
            runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
            folder = Path(runtime) / f"videoteca-{os.getuid()}-{digest}"
        make_private(folder)
        return folder / ("control.sock" if public else "foreground.sock")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for this process.

        Raises:
            HomeBusy: another process holds it.
            DiskFull, FileUnreadable: it can't be written to.
        """
        with self._lock_path.open("a+") as file:
            self._lock(file)
            with disk_errors(self._lock_path):
                file.truncate(0)
                os.write(file.fileno(), str(os.getpid()).encode())
            try:
                yield
            finally:
                file.truncate(0)

    def running_socket(self) -> Path:
        """The socket of the peer that runs on this home.

        Raises:
            NoPeerRunning: none does.
            HomeBusy: the process that holds the home is not a peer that can be asked.
        """
        path = self.socket_path()
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                if self._is_locked():
                    raise self._busy() from None
                raise NoPeerRunning(home=self.path) from None
        return path

    def _lock(self, file: IO[str]) -> None:
        """Wait a moment: who asks whether the home is locked holds it for an instant."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._busy() from None
                time.sleep(_LOCK_SECONDS / 10)
            else:
                return

    def _is_locked(self) -> bool:
        with self._lock_path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _busy(self) -> HomeBusy:
        return HomeBusy(home=self.path, pid=self._holder() or "?")

    def _holder(self) -> str:
        return self._lock_path.read_text().strip()


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter, or check that it is one.

    Raises:
        FolderUnusable: it can't be made, or belongs to somebody else.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat(follow_symlinks=folder.parent != Path(tempfile.gettempdir()))
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise FolderUnusable(path=folder, detail=N_("it belongs to somebody else"))
        folder.chmod(0o700)
    except OSError as error:
        raise FolderUnusable(path=folder, detail=error.strerror) from error
