"""Holds what is sent to a limit, and shares that fairly among those who wait for it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, NamedTuple

from peer_service.clients import Client
from peer_service.fairness import Share
from peer_service.limits import RateLimit
from videoteca_core.rpc.options import MAX_CHUNK_BYTES

_CHUNK_SECONDS: Final = 0.2  # a reader that hears nothing for 5 s gives up
_LEAST_CHUNK_BYTES: Final = 4 << 10
_CREDIT_SECONDS: Final = 0.5


class _Turn(NamedTuple):
    """A turn that is waited for, and how many bytes could be sent then."""

    most: int
    come: asyncio.Future[int]


class UploadLimiter:
    """Gives the streams their turns to send.

    Each address has the same part of the limit, within it each connection, and within that each
    stream; what one leaves, the others have.

    Belongs to one event loop. The limit may be changed from any thread: as the next turn is never
    further away than one chunk takes, all soon go by the new one.

    Args:
        limit: the limit of all streams together.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._all = Share()
        self._streams = 0
        self._turns: dict[Share, _Turn] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> int:
        """Bytes a second of all streams together; 0: no limit."""
        return self._limit.rate

    async def limited(
        self, chunks: AsyncIterator[memoryview], client: Client
    ) -> AsyncGenerator[memoryview, None]:
        """The chunks of one stream, or parts of them, each once it may be sent."""
        stream = self._all.part(client.address).part(client.connection).part(object())
        self._streams += 1
        try:
            async for chunk in chunks:
                sent = 0
                while sent < len(chunk):
                    length = await self._turn(stream, len(chunk) - sent)
                    yield chunk[sent : sent + length]
                    sent += length
        finally:
            self._streams -= 1
            stream.leave()

    async def _turn(self, stream: Share, most: int) -> int:
        """Wait until a stream may send, and how many bytes; not more than that."""
        rate = self._limit.rate
        if not rate:
            return most
        turn = _Turn(most, asyncio.get_running_loop().create_future())
        self._turns[stream] = turn
        stream.wait(rate * _CREDIT_SECONDS)
        self._give_turns()
        try:
            return await turn.come
        finally:
            if stream in self._turns:  # nobody wants it any more
                self._end_turn(stream)

    def _give_turns(self) -> None:
        """Give the turns that are due, and come back for the next."""
        while self._turns and not self._timer:
            seconds = self._limit.take(0) or self._give_turn()
            if seconds:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(seconds, self._go_on)

    def _give_turn(self) -> float:
        """Give the next turn, and say after how many seconds there may be another."""
        stream = self._all.next()
        turn = self._end_turn(stream)
        if turn.come.done():  # cancelled, by somebody who is about to say so
            return 0.0
        length = min(turn.most, self._chunk_bytes())
        stream.take(length)
        turn.come.set_result(length)
        rate, seconds = self._limit.rate, self._limit.take(length)
        # Time that was lost is made up for at twice the limit, not at once: the others would have
        # turns as long as this one is not back in the line.
        return max(seconds, length / rate / 2) if rate else 0.0

    def _go_on(self) -> None:
        self._timer = None
        self._give_turns()

    def _end_turn(self, stream: Share) -> _Turn:
        stream.stop_waiting()
        return self._turns.pop(stream)

    def _chunk_bytes(self) -> int:
        """How much to send at a time: not so much that the others wait for long."""
        length = int(self._limit.rate * _CHUNK_SECONDS / self._streams)
        return max(_LEAST_CHUNK_BYTES, min(length, MAX_CHUNK_BYTES))
