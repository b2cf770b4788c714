"""What may happen to a download in each state, and what it becomes. Pure."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from peer_service.downloads.model import DownloadState

_WAITING = DownloadState.WAITING
_RUNNING = DownloadState.RUNNING
_PAUSED = DownloadState.PAUSED
_DONE = DownloadState.DONE
_FAILED = DownloadState.FAILED
_CANCELLED = DownloadState.CANCELLED


class Event(Enum):
    """What happens to a download."""

    # by its owner
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    CANCEL = "cancel"
    MOVE = "move"
    # by the worker
    TAKE = "take"
    PUT_BACK = "put back"
    GIVE_UP = "give up"
    FINISH = "finish"


TRANSITIONS: Final[Mapping[tuple[DownloadState, Event], DownloadState]] = MappingProxyType(
    {
        (_WAITING, Event.TAKE): _RUNNING,
        (_WAITING, Event.PAUSE): _PAUSED,
        (_WAITING, Event.RESUME): _WAITING,
        (_WAITING, Event.RETRY): _WAITING,
        (_WAITING, Event.CANCEL): _CANCELLED,
        (_WAITING, Event.MOVE): _WAITING,
        (_RUNNING, Event.TAKE): _RUNNING,  # left running by a worker that is no more
        (_RUNNING, Event.PUT_BACK): _WAITING,
        (_RUNNING, Event.GIVE_UP): _FAILED,
        (_RUNNING, Event.PAUSE): _PAUSED,
        (_RUNNING, Event.RESUME): _RUNNING,
        (_RUNNING, Event.CANCEL): _CANCELLED,
        (_RUNNING, Event.MOVE): _RUNNING,
        (_PAUSED, Event.PAUSE): _PAUSED,
        (_PAUSED, Event.RESUME): _WAITING,
        (_PAUSED, Event.CANCEL): _CANCELLED,
        (_PAUSED, Event.MOVE): _PAUSED,
        (_FAILED, Event.RETRY): _WAITING,
        (_FAILED, Event.CANCEL): _CANCELLED,
        (_CANCELLED, Event.RETRY): _WAITING,
        (_CANCELLED, Event.CANCEL): _CANCELLED,
        # The owner spoke while the last bytes came in: the file is there, so it is done.
        (_RUNNING, Event.FINISH): _DONE,
        (_WAITING, Event.FINISH): _DONE,
        (_PAUSED, Event.FINISH): _DONE,
        (_CANCELLED, Event.FINISH): _DONE,
    }
)
"""What is not here is not possible."""
