"""On what a thread spent its time lately."""

import time
from collections.abc import Callable, Mapping
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
        self._windows = (_nothing(), _nothing())  # the one that goes on, and the one before

    def add(self, what: HeldBack, seconds: float) -> None:
        """So many seconds went by for that."""
        now = self._clock()
        if now - self._begun > _WINDOW_SECONDS:
            self._windows, self._begun = (_nothing(), self._windows[0]), now
        self._windows[0][what] += seconds

    def lately(self) -> Mapping[HeldBack, float]:
        """Seconds by what they were spent on."""
        now, before = self._windows
        return {what: now[what] + before[what] for what in HeldBack}


def _nothing() -> dict[HeldBack, float]:
    return dict.fromkeys(HeldBack, 0.0)  # all of them at once: it may be read while it is written
