"""On what a thread spent its time lately."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from peer_service.transfer.model import HeldBack

_WINDOW_SECONDS: Final = 2.0


class TimeShares:
    """Seconds spent waiting for each thing over the last two to four seconds.

    Written by one thread, read by any.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._now: Counter[HeldBack] = Counter()
        self._before: Counter[HeldBack] = Counter()

    def add(self, what: HeldBack, seconds: float) -> None:
        """So many seconds went by for that."""
        now = self._clock()
        if now - self._begun > _WINDOW_SECONDS:
            self._before, self._now, self._begun = self._now, Counter(), now
        self._now[what] += seconds  # type: ignore[assignment]  # a Counter may hold any number

    def lately(self) -> "Counter[HeldBack]":
        """Seconds by what they were spent on."""
        return self._now + self._before
