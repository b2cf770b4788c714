"""When to try again. Pure but for the jitter."""

import random
from typing import Final

from videoteca_core.errors import Busy

MOST_TRIES: Final = 8
"""After so many failed tries in a row without progress a download is given up."""

MAX_DELAY_SECONDS: Final = 60.0
_MAX_WAIT_SECONDS: Final = 15.0


def delay_after_failure(failed_tries: int) -> float:
    """Seconds until the next try after so many failed ones in a row: 1, 2, 4 … 60, less a bit."""
    return _jittered(min(2.0 ** max(failed_tries - 1, 0), MAX_DELAY_SECONDS))


def delay_while_waiting(waits: int) -> float:
    """Seconds until to look again for a source, after having looked so many times in a row."""
    return _jittered(min(2.0 ** min(waits, 10), _MAX_WAIT_SECONDS))


def retry_after(error: Busy) -> float:
    """Seconds until a busy peer wants to be asked again; it may say anything."""
    text = error.fields.get("retry_after_seconds", "")
    return float(text) if text.isdecimal() else 0.0


def _jittered(seconds: float) -> float:
    """Up to a quarter less, so that those who failed together do not come back together."""
    return seconds * random.uniform(0.75, 1.0)  # noqa: S311 - nothing secret hangs on it
