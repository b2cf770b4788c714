"""Limits of how fast this peer sends and receives, which may change at any time."""

import threading
import time
from collections.abc import Callable
from typing import Final

from peer_service.stop import check
from videoteca_core.errors import InvalidRequest
from videoteca_core.text import N_

LEAST_LIMIT: Final = 50_000
"""Bytes a second: with less, streams would stall in the eyes of those who watch them."""

_BURST_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.25


class RateLimit:
    """Bytes a second that may pass in all, and when the next may. Usable from any thread.

    Args:
        rate: bytes a second; 0: no limit.
        clock: seconds that never jump.
    """

    def __init__(self, rate: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._rate = 0
        self.rate = rate

    @property
    def rate(self) -> int:
        """Bytes a second; 0: no limit.

        Raises:
            InvalidRequest: too low to be kept; the limit stays as it was.
        """
        return self._rate

    @rate.setter
    def rate(self, rate: int) -> None:
        if rate and rate < LEAST_LIMIT:
            raise InvalidRequest(field="limit", problem=N_("the least limit is 50 kB a second"))
        with self._lock:
            self._rate = rate
            self._free_at = min(self._free_at, self._clock())

    def take(self, count: int) -> float:
        """Let so many bytes pass.

        Returns:
            Seconds to wait, from now, before anything else may pass.
        """
        with self._lock:
            if not self._rate:
                return 0.0
            now = self._clock()
            self._free_at = max(self._free_at, now - _BURST_SECONDS) + count / self._rate
            return max(0.0, self._free_at - now)


class DownloadLimiter:
    """Holds the threads that receive to one limit in all.

    Args:
        limit: the limit.
    """

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit

    def received(self, count: int, stop: threading.Event) -> float:
        """So many bytes came in: wait as long as that is too fast.

        Returns:
            The seconds that were waited.

        Raises:
            Stopped: asked to stop meanwhile.
        """
        waited = 0.0
        seconds = self.limit.take(count)
        while seconds > 0:
            step = min(seconds, _LOOK_SECONDS)
            stop.wait(step)
            check(stop)
            waited += step
            seconds = min(seconds - step, self.limit.take(0))  # it may have been changed
        return waited
