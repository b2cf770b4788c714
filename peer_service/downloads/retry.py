"""When to try again. Pure but for the jitter."""

import random
from typing import Final

MOST_TRIES: Final = 8
"""After so many failed tries in a row without progress a download is given up."""

MAX_DELAY_SECONDS: Final = 60.0
_MAX_WAIT_SECONDS: Final = 15.0

SPACE_SECONDS: Final = 5.0
"""At least so long a download waits before it looks whether there is space on the disk now."""


def delay_after_failure(failed_tries: int) -> float:
    """Seconds until the next try after so many failed ones in a row: 1, 2, 4 … 60, less a bit."""
    return _jittered(min(2.0 ** max(failed_tries - 1, 0), MAX_DELAY_SECONDS))


def delay_while_waiting(waits: int) -> float:
    """Seconds until to look again for a source, after having looked so many times in a row."""
    return _jittered(min(2.0 ** min(waits, 10), _MAX_WAIT_SECONDS))


def _jittered(seconds: float) -> float:
    """Up to a quarter less, so that those who failed together do not come back together."""
    return seconds * random.uniform(0.75, 1.0)  # noqa: S311 - nothing secret hangs on it
