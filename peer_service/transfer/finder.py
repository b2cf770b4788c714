"""Asks who has a video, and again and again while it is fetched."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from peer_service.transfer.model import Candidate
from videoteca_core.errors import VideotecaError

_log: Final = structlog.get_logger()
_DELAYS: Final = (0.0, 1.0, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each look: those who begin together find each other soon. The last one stays."""


class Finder(threading.Thread):
    """Looks for sources: in a thread of its own, so that a tracker that hangs holds up nobody.

    Args:
        find: asks the tracker.
        found: told what it answers.
        failed: told why there is no first answer, or of a mistake of ours; then it ends.
        over: ends the looking, but not a question that is under way.
    """

    def __init__(
        self,
        find: Callable[[], Sequence[Candidate]],
        found: Callable[[Sequence[Candidate]], None],
        failed: Callable[[Exception], None],
        over: threading.Event,
    ) -> None:
        super().__init__(name="finder", daemon=True)
        self._find = find
        self._found = found
        self._failed = failed
        self._over = over

    def run(self) -> None:
        """Look until it is over."""
        looks = 0
        while not self._over.wait(_DELAYS[min(looks, len(_DELAYS) - 1)]):
            try:
                self._found(self._find())
            except VideotecaError as error:
                if not looks:
                    self._failed(error)
                    return
                # Those who are known may do without the tracker.
                _log.info("no news of sources", reason=error.reason, message=str(error))
            except Exception as error:  # noqa: BLE001 - whoever runs the transfer tells of it
                self._failed(error)
                return
            looks += 1
