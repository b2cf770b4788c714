"""The limit is never exceeded, is shared fairly, and holds from the moment that it is changed."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from peer_service.clients import Client
from peer_service.limits import LEAST_LIMIT, RateLimit
from peer_service.upload_limiter import UploadLimiter

MIB = 1 << 20
ANA, ANA_TOO, BERTA = Client("10.0.0.1", "1"), Client("10.0.0.1", "2"), Client("10.0.0.2", "3")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60))


async def endless() -> AsyncIterator[memoryview]:
    while True:
        yield memoryview(bytes(MIB))


class Sent:
    """What streams send over a limiter, until they are ended."""

    def __init__(self, limiter: UploadLimiter) -> None:
        self.by_client: Counter[Client] = Counter()
        self.longest_chunk, self.shortest_chunk = 0, MIB
        self.longest_wait = 0  # in turns that others had meanwhile
        self._turns = 0
        self._limiter = limiter
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = time.monotonic()

    def begin(self, *clients: Client) -> None:
        self._tasks += [asyncio.create_task(self._send(client)) for client in clients]

    async def _send(self, client: Client) -> None:
        before = self._turns
        async with contextlib.aclosing(self._limiter.limited(endless(), client)) as chunks:
            async for chunk in chunks:
                self.by_client[client] += len(chunk)
                self.longest_chunk = max(self.longest_chunk, len(chunk))
                self.shortest_chunk = min(self.shortest_chunk, len(chunk))
                self.longest_wait = max(self.longest_wait, self._turns - before)
                self._turns += 1
                before = self._turns
                self._more.set()
                await asyncio.sleep(0)

    async def until(self, count: int) -> None:
        """Let so many more bytes be sent."""
        count += self.by_client.total()
        while self.by_client.total() < count:
            self._more.clear()
            await self._more.wait()

    async def until_chunks_are(self, most: float) -> None:
        """Let those be sent that are longer; they were given when there were fewer, or a limit."""
        while not 0 < self.longest_chunk <= most:
            self.longest_chunk = 0
            await self.until(int(8 * most))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._tasks.clear()
        assert not self._limiter._turns
        assert not self._limiter._all.parts


@contextlib.asynccontextmanager
async def sending(rate: int, *clients: Client) -> AsyncIterator[tuple[RateLimit, Sent]]:
    limit = RateLimit(rate)
    sent = Sent(UploadLimiter(limit))
    sent.begin(*clients)
    yield limit, sent
    await sent.end()


@pytest.mark.parametrize("rate", [LEAST_LIMIT, 1_000_000, 40_000_000])
@pytest.mark.parametrize("streams", [1, 8])
def test_a_limit_is_never_exceeded(rate: int, streams: int) -> None:
    async def scenario() -> None:
        started = time.monotonic()
        async with sending(rate, *[ANA] * streams) as (_, sent):
            await sent.until_chunks_are(max(rate * 0.2 / streams, 4 << 10))
            burst, chunk = 0.1, 0.2
            assert sent.by_client.total() <= rate * (time.monotonic() - started + burst + chunk)
            assert sent.shortest_chunk >= 4 << 10

    run(scenario())


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ([ANA] * 7, BERTA),
        ([ANA, ANA_TOO] * 4, BERTA),
        ([ANA] * 7, ANA_TOO),
    ],
    ids=["two addresses", "two connections of one against another", "two connections"],
)
def test_who_has_many_streams_has_no_more_than_who_has_one(many: list[Client], one: Client) -> None:
    async def scenario() -> None:
        async with sending(4_000_000, *many, one) as (_, sent):
            await sent.until(2_500_000)  # who began alone had more at first
            sent.by_client.clear()
            await sent.until(1_500_000)
            assert sent.by_client[one] / sent.by_client.total() == pytest.approx(0.5, abs=0.15)

    run(scenario())


def test_who_sends_alone_has_all_and_who_comes_later_its_part() -> None:
    async def scenario() -> None:
        async with sending(4_000_000, *[ANA] * 4) as (_, sent):
            await sent.until(1_000_000)
            sent.begin(*[BERTA] * 6)
            before = sent.by_client[ANA]
            await sent.until(1_000_000)
            gained = sent.by_client[ANA] - before
            assert gained == pytest.approx(sent.by_client[BERTA], rel=0.4)

    run(scenario())


def test_without_a_limit_nobody_waits() -> None:
    async def scenario() -> None:
        limiter = UploadLimiter(RateLimit())
        chunks = limiter.limited(endless(), ANA)
        for _ in range(3):
            assert len(await anext(chunks)) == MIB
        assert limiter._timer is None
        await chunks.aclose()

    run(scenario())


def test_what_is_sent_counts_and_no_more() -> None:
    async def one() -> AsyncIterator[memoryview]:
        yield memoryview(b"short")

    async def scenario() -> None:
        limit = RateLimit(LEAST_LIMIT)
        assert [bytes(chunk) async for chunk in UploadLimiter(limit).limited(one(), ANA)] == [
            b"short"
        ]
        assert limit.take(0) == 0  # the burst that is allowed is not used up

    run(scenario())


def test_a_turn_that_comes_in_the_moment_of_a_cancellation_harms_nobody() -> None:
    async def scenario() -> None:
        limit = RateLimit(LEAST_LIMIT)
        limiter = UploadLimiter(limit)
        limit.take(LEAST_LIMIT)  # a second's worth
        streams = [limiter.limited(endless(), client) for client in (ANA, BERTA)]
        gone, other = (asyncio.create_task(anext(stream)) for stream in streams)
        await asyncio.sleep(0.01)
        limit.rate = 0
        gone.cancel()
        limiter._go_on()
        assert await other
        await asyncio.wait([gone])
        assert gone.cancelled()
        await streams[1].aclose()
        assert not limiter._all.parts

    run(scenario())


def test_a_limit_that_is_lifted_lets_those_who_wait_go_on() -> None:
    async def scenario() -> None:
        async with sending(LEAST_LIMIT, *[ANA, BERTA] * 4) as (limit, sent):
            await sent.until(20_000)
            limit.rate = 0
            await sent.until(500 * MIB)  # at the least limit it would take hours
            while sent._limiter._turns:  # until the next turn at the limit that there was
                await sent.until(MIB)

    run(scenario())


def test_a_limit_that_is_set_while_running_holds_at_once() -> None:
    async def scenario() -> None:
        async with sending(0, *[ANA, BERTA] * 4) as (limit, sent):
            await sent.until(50 * MIB)
            limit.rate = 1_000_000
            before, started = sent.by_client.total(), time.monotonic()
            await sent.until(300_000)
            passed = sent.by_client.total() - before
            # What each of them had in hand was still the old limit's.
            assert passed <= 8 * MIB + 1_000_000 * (time.monotonic() - started + 0.2)
            before, started = sent.by_client.total(), time.monotonic()
            await sent.until(300_000)
            passed = sent.by_client.total() - before
            assert passed <= 1_000_000 * (time.monotonic() - started + 0.2)

    run(scenario())


def test_a_limit_that_is_lowered_does_not_silence_those_who_wait() -> None:
    async def scenario() -> None:
        async with sending(40_000_000, *[ANA] * 7, BERTA) as (limit, sent):
            await sent.until(10_000_000)
            limit.rate = LEAST_LIMIT
            await sent.until_chunks_are(4 << 10)
            assert sent.longest_wait <= 24  # that is two seconds

    run(scenario())
