"""Upload slots: how many videos are sent at once, and whose turn it is."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Final, NamedTuple, Self

from peer_service.clients import Client
from videoteca_core.errors import NoUploadSlot

WAIT_SECONDS: Final = 4.0  # a reader that hears nothing for 5 s gives up
_RETRY_AFTER_SECONDS: Final = 1
_KEEP_SECONDS: Final = 5.0


class _Turn(NamedTuple):
    """One that waits, and its place in the line: lower is earlier."""

    client: Client
    place: int
    come: asyncio.Future[None]


class _Place(NamedTuple):
    """A place in the line, and until when it is kept for who left it."""

    place: int
    until: float


class UploadSlots:
    """A number of slots, shared fairly among those who want them.

    A free slot goes to the client that holds the fewest, counted by address and then by
    connection, and among equals to who has waited longest. Where there are several, the last free
    one is kept for a connection that holds none, so that who comes new need not wait for those who
    take all that they can get.

    Belongs to one event loop.

    Args:
        limit: how many slots there are, 1 or more.
        wait_seconds: how long to wait for one.
        clock: seconds that never jump.

    Attributes:
        in_use: how many are held.
    """

    def __init__(
        self,
        limit: int,
        *,
        wait_seconds: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit: Final = limit
        self.in_use = 0
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._by_address: Counter[str] = Counter()
        self._by_client: Counter[Client] = Counter()
        self._line: list[_Turn] = []
        self._numbers = itertools.count()
        self._kept: dict[Client, _Place] = {}

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._line)

    def others_wait(self, client: Client) -> bool:
        """Whether another client waits for a slot."""
        return any(turn.client != client for turn in self._line)

    def hold(self, client: Client) -> "Slot":
        """A slot, to be waited for and held by ``async with``."""
        return Slot(self, client)

    async def take(self, client: Client) -> None:
        """Wait for a slot and take it.

        Raises:
            NoUploadSlot: none came free in time. The place in the line is kept for a while.
        """
        come = asyncio.get_running_loop().create_future()
        turn = _Turn(client, self._place(client), come)
        self._line.append(turn)
        self._serve()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn.come
        except BaseException as error:
            if turn in self._line:
                self._line.remove(turn)
            elif not turn.come.cancelled():
                self.give_back(client)  # it came when nobody wanted it any more
            if isinstance(error, TimeoutError):
                self._keep(turn)
                raise NoUploadSlot(retry_after_seconds=_RETRY_AFTER_SECONDS) from error
            raise

    def give_back(self, client: Client) -> None:
        """Give a client's slot back, and so to the next one."""
        self._count(client, -1)
        self._serve()

    def _serve(self) -> None:
        """Give the free slots to those who may have them."""
        while free := self.limit - self.in_use:
            is_last = free == 1
            turns = [
                turn
                for turn in self._line
                if not turn.come.done()  # done: cancelled, by somebody who is about to say so
                and not (is_last and self._by_client[turn.client])
            ]
            if not turns:
                return
            turn = min(turns, key=self._order)
            self._line.remove(turn)
            self._count(turn.client, 1)
            turn.come.set_result(None)

    def _order(self, turn: _Turn) -> tuple[int, int, int]:
        client = turn.client
        return self._by_address[client.address], self._by_client[client], turn.place

    def _count(self, client: Client, change: int) -> None:
        self.in_use += change
        self._by_address[client.address] += change
        self._by_client[client] += change
        if not self._by_client[client]:
            del self._by_client[client]
        if not self._by_address[client.address]:
            del self._by_address[client.address]

    def _place(self, client: Client) -> int:
        kept = self._kept.pop(client, None)
        return kept.place if kept and self._clock() < kept.until else next(self._numbers)

    def _keep(self, turn: _Turn) -> None:
        """Keep the first place of a client for it, and forget those that nobody came back for."""
        now, client = self._clock(), turn.client
        self._kept = {client: kept for client, kept in self._kept.items() if now < kept.until}
        place = min(turn.place, self._kept[client].place) if client in self._kept else turn.place
        self._kept[client] = _Place(place, now + _KEEP_SECONDS)


class Slot:
    """One slot, given back at the end of the block or before."""

    def __init__(self, slots: UploadSlots, client: Client) -> None:
        self._slots = slots
        self._client = client
        self._held = False

    def release(self) -> None:
        """Give it back now, if it is still held."""
        if self._held:
            self._held = False
            self._slots.give_back(self._client)

    async def __aenter__(self) -> Self:
        await self._slots.take(self._client)
        self._held = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
