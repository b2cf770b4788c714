"""How fast bytes come in."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW_SECONDS: Final = 3.0
_STEP_SECONDS: Final = 0.25
_LEAST_SECONDS: Final = 1.0
"""What came in less time than that is taken to have come in so much: it often begins in a burst."""


class RateMeter:
    """Bytes a second over the last three seconds. Usable from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._begun = clock()
        self._steps: deque[tuple[float, int]] = deque()  # when each step began, and its bytes

    def add(self, count: int) -> None:
        """So many bytes came in."""
        now = self._clock()
        with self._guard:
            if self._steps and now - self._steps[-1][0] < _STEP_SECONDS:
                begun, so_far = self._steps.pop()
                self._steps.append((begun, so_far + count))
            else:
                self._steps.append((now, count))
            self._forget(now)

    @property
    def rate(self) -> int:
        """Bytes a second."""
        now = self._clock()
        with self._guard:
            self._forget(now)
            seconds = max(min(now - self._begun, WINDOW_SECONDS), _LEAST_SECONDS)
            return round(sum(count for _, count in self._steps) / seconds)

    def _forget(self, now: float) -> None:
        while self._steps and now - self._steps[0][0] > WINDOW_SECONDS:
            self._steps.popleft()
