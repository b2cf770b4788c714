"""How much one stream sends before it is another's turn: bound by time, so that turns come."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from peer_service.clients import Client

_SECONDS: Final = 4.0
_MOST_BYTES: Final = 256 << 20
_SECONDS_WHEN_OTHERS_WAIT: Final = 2.0
_MOST_BYTES_WHEN_OTHERS_WAIT: Final = 64 << 20

_FIRST_RATE: Final = 16 << 20
_MOST_CLIENTS: Final = 1_000
_INSTANT: Final = 0.001


def grant(offset: int, wanted: int, piece_size: int, *, rate: float, others_wait: bool) -> int:
    """How many bytes of those wanted to send before the slot is given back.

    All of them, or less and then ending where a piece ends.

    Args:
        offset: where to start.
        wanted: how many bytes are wanted, all within the video.
        piece_size: bytes of a piece.
        rate: bytes a second at which they are going to be taken.
        others_wait: whether somebody else waits for a slot.
    """
    if others_wait:
        most = min(rate * _SECONDS_WHEN_OTHERS_WAIT, _MOST_BYTES_WHEN_OTHERS_WAIT)
    else:
        most = min(rate * _SECONDS, _MOST_BYTES)
    most = max(int(most), piece_size)
    if wanted <= most:
        return wanted
    return (offset + most) // piece_size * piece_size - offset


@dataclass
class Stream:
    """What a client takes.

    Attributes:
        started: when it was granted.
        sent_bytes: how much of it was sent.
        rate: bytes a second, known once the client asks for more.
    """

    started: float
    sent_bytes: int = 0
    rate: float | None = None


class Pace:
    """How fast each client takes what it is granted.

    Measured from the grant to the client's next request: what was sent may long be in some buffer
    on the way. Of the clients of the last time, a bounded number is known.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._streams: OrderedDict[Client, Stream] = OrderedDict()

    def asked(self, client: Client) -> float | None:
        """The client has asked for more: bytes a second that its last stream had, if it had one."""
        stream = self._streams.get(client)
        if not stream:
            return None
        if stream.rate is None and stream.sent_bytes:
            stream.rate = stream.sent_bytes / max(self._clock() - stream.started, _INSTANT)
        return stream.rate

    def granted(self, client: Client) -> Stream:
        """The client has been granted something: where to count what it is sent."""
        self._streams[client] = stream = Stream(self._clock())
        self._streams.move_to_end(client)
        if len(self._streams) > _MOST_CLIENTS:
            self._streams.popitem(last=False)
        return stream


def expected_rate(last_rate: float | None, upload_limit: int, uploads: int) -> float:
    """Bytes a second at which a client is going to take what it is granted.

    Args:
        last_rate: what its last stream had, if it had one.
        upload_limit: what all uploads may have together; 0: no limit.
        uploads: how many there are now, with this one.
    """
    if last_rate is None:
        return upload_limit / uploads if upload_limit else _FIRST_RATE
    return min(last_rate, upload_limit) if upload_limit else last_rate
