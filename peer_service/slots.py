"""Upload slots: how many videos are sent at once, and how much before it is another's turn."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Self

from videoteca_core.errors import NoUploadSlot

WAIT_SECONDS: Final = 10.0
_RETRY_AFTER_SECONDS: Final = 5
_GRANT_BYTES: Final = 256 << 20
_GRANT_WHEN_OTHERS_WAIT_BYTES: Final = 32 << 20


class UploadSlots:
    """A number of slots, given to those who wait in the order in which they came.

    Belongs to one event loop.

    Args:
        limit: how many slots there are, 1 or more.
        wait_seconds: how long to wait for one.
    """

    def __init__(self, limit: int, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.limit: Final = limit
        self.in_use = 0
        self._wait_seconds = wait_seconds
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._queue)

    def hold(self) -> "Slot":
        """A slot, to be waited for and held by ``async with``."""
        return Slot(self)

    async def take(self) -> None:
        """Wait for a slot and take it.

        Raises:
            NoUploadSlot: none came free in time.
        """
        if self.in_use < self.limit:
            self.in_use += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except BaseException as error:
            if turn in self._queue:
                self._queue.remove(turn)
            elif not turn.cancelled():
                self.give_back()  # it came in the very moment in which nobody wanted it any more
            if isinstance(error, TimeoutError):
                raise NoUploadSlot(retry_after_seconds=_RETRY_AFTER_SECONDS) from error
            raise

    def give_back(self) -> None:
        """Give a slot to the next one who waits."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():  # done: cancelled, by somebody who is about to say so
                turn.set_result(None)
                return
        self.in_use -= 1


class Slot:
    """One slot, given back at the end of the block or before."""

    def __init__(self, slots: UploadSlots) -> None:
        self._slots = slots
        self._held = False

    def release(self) -> None:
        """Give it back now, if it is still held."""
        if self._held:
            self._held = False
            self._slots.give_back()

    async def __aenter__(self) -> Self:
        await self._slots.take()
        self._held = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def grant(offset: int, wanted: int, piece_size: int, *, others_wait: bool) -> int:
    """How many bytes of those wanted to send before the slot is given back.

    All of them, or less and then ending where a piece ends.

    Args:
        offset: where to start.
        wanted: how many bytes are wanted, all within the video.
        piece_size: bytes of a piece.
        others_wait: whether somebody waits for a slot.
    """
    most = max(_GRANT_WHEN_OTHERS_WAIT_BYTES if others_wait else _GRANT_BYTES, piece_size)
    if wanted <= most:
        return wanted
    return (offset + most) // piece_size * piece_size - offset
