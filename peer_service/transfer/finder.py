"""Asks again and again who has a video while it is fetched."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from peer_service.transfer.model import Candidate
from videoteca_core.errors import VideotecaError

_log: Final = structlog.get_logger()
_DELAYS: Final = (1.0, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each look: those who begin together find each other soon. The last one stays."""


class Finder(threading.Thread):
    """Looks for sources that come while others are at work.

    Args:
        find: asks the tracker.
        found: told what it answers.
        over: ends the looking, but not a question that is under way.
    """

    def __init__(
        self,
        find: Callable[[], Sequence[Candidate]],
        found: Callable[[Sequence[Candidate]], None],
        over: threading.Event,
    ) -> None:
        super().__init__(name="finder", daemon=True)
        self._find = find
        self._found = found
        self._over = over

    def run(self) -> None:
        """Look until it is over."""
        looks = 0
        while not self._over.wait(_DELAYS[min(looks, len(_DELAYS) - 1)]):
            looks += 1
            try:
                self._found(self._find())
            except VideotecaError as error:  # those who are known may do without the tracker
                _log.info("no news of sources", reason=error.reason, message=str(error))
