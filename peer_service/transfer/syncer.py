"""Brings what was written to the disk in batches, beside the one who writes."""

import threading
from collections.abc import Callable
from typing import Final

from videoteca_core.errors import VideotecaError

BATCH_BYTES: Final = 64 << 20
BATCH_SECONDS: Final = 0.5


class BatchSyncer:
    """A thread that settles what was written, after so many bytes or so much time.

    Args:
        settle: syncs all that was written so far.
    """

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle
        self._changed = threading.Condition()
        self._unsettled_bytes = 0
        self._ending = False
        self._failure: VideotecaError | None = None
        self._thread = threading.Thread(target=self._run, name="part-sync", daemon=True)
        self._thread.start()

    def written(self, count: int) -> None:
        """So many more bytes were written.

        Raises:
            DiskFull, FileUnreadable: earlier ones could not be settled.
        """
        with self._changed:
            self._raise_failure()
            first = not self._unsettled_bytes
            self._unsettled_bytes += count
            if first or self._unsettled_bytes >= BATCH_BYTES:
                self._changed.notify()

    def end(self) -> None:
        """End the thread; what it has not settled yet is left to the caller.

        Raises:
            DiskFull, FileUnreadable: earlier bytes could not be settled.
        """
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        self._raise_failure()

    @property
    def is_running(self) -> bool:
        """Whether :meth:`end` is still to come."""
        return not self._ending

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        while self._wait_for_batch():
            try:
                self._settle()
            except VideotecaError as error:
                self._failure = error
                return

    def _wait_for_batch(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._ending or self._unsettled_bytes)
            self._changed.wait_for(
                lambda: self._ending or self._unsettled_bytes >= BATCH_BYTES, BATCH_SECONDS
            )
            self._unsettled_bytes = 0
            return not self._ending
