"""Upload slots are shared fairly among clients, whatever each of them asks for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest

from peer_service.clients import Client
from peer_service.slots import UploadSlots
from tests.clock import Clock
from videoteca_core.errors import NoUploadSlot


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 10))


async def turns() -> None:
    """Let everything that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


def client(address: str, port: int = 1) -> Client:
    return Client(address, f"{address}:{port}")


ANA, BERTA, CLARA = map(client, ("10.0.0.1", "10.0.0.2", "10.0.0.3"))


class Asking:
    """Somebody who wants a slot, and keeps it until told otherwise."""

    def __init__(self, slots: UploadSlots, who: Client) -> None:
        self.who = who
        self._slots = slots
        self.task = asyncio.create_task(slots.take(who))

    @property
    def served(self) -> bool:
        return self.task.done()

    def give_back(self) -> None:
        self._slots.give_back(self.who)


async def ask(slots: UploadSlots, *clients: Client) -> list[Asking]:
    asking = [Asking(slots, who) for who in clients]
    await turns()
    return asking


@contextlib.asynccontextmanager
async def nobody_left(slots: UploadSlots, asking: list[Asking]) -> AsyncIterator[None]:
    """In the end everybody goes, and all slots are free."""
    yield
    for each in asking:
        if each.served:
            each.give_back()
        else:
            each.task.cancel()
        await turns()
    assert (slots.in_use, slots.waiting) == (0, 0)


def served(asking: list[Asking]) -> list[int]:
    return [number for number, each in enumerate(asking) if each.served]


def test_slots_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        order: list[int] = []

        async def upload(number: int) -> None:
            async with slots.hold(client(f"10.0.0.{number}")):
                order.append(number)
                assert slots.in_use == 1

        async with slots.hold(ANA):
            tasks = [asyncio.create_task(upload(number)) for number in range(5)]
            await turns()
            assert (slots.waiting, order) == (5, [])
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]
        assert (slots.in_use, slots.waiting) == (0, 0)

    run(scenario())


def test_who_comes_later_does_not_overtake_who_waits() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        first, waiting = await ask(slots, ANA, BERTA)
        first.give_back()
        late = Asking(slots, CLARA)
        await turns()
        assert waiting.served
        assert not late.served
        late.task.cancel()

    run(scenario())


@pytest.mark.parametrize(
    "greedy",
    [
        [client("10.0.0.1")] * 20,  # over one connection
        [client("10.0.0.1", port) for port in range(20)],
    ],
    ids=["one connection", "many connections"],
)
def test_a_free_slot_goes_to_the_address_that_holds_the_fewest(greedy: list[Client]) -> None:
    async def scenario() -> None:
        slots = UploadSlots(8)
        many = await ask(slots, *greedy)
        one, two = await ask(slots, client("10.0.0.2", 1), client("10.0.0.2", 2))
        everybody = [*many, one, two]
        async with nobody_left(slots, everybody):
            while not (one.served and two.served):  # each time a slot comes free it is theirs
                before = served(many)
                many[before[0]].give_back()
                many.remove(many[before[0]])
                everybody[:] = [*many, one, two]
                await turns()
                assert len(served(many)) == len(before) - 1

    run(scenario())


def test_within_an_address_it_goes_to_the_connection_that_holds_the_fewest() -> None:
    async def scenario() -> None:
        slots = UploadSlots(5)
        many = await ask(slots, *[client("10.0.0.1", 1)] * 6)
        assert served(many) == [0, 1, 2, 3]
        others = await ask(slots, *[client("10.0.0.1", 2)] * 2)
        assert served(others) == [0]
        async with nobody_left(slots, [*many[2:], *others]):
            many[0].give_back()
            await turns()
            assert slots.in_use == 4  # the last one is kept
            many[1].give_back()
            await turns()
            assert (served(many[2:]), served(others)) == ([0, 1], [0, 1])

    run(scenario())


@pytest.mark.parametrize(("limit", "free"), [(1, 0), (2, 1), (8, 1)])
def test_the_last_free_slot_is_kept_for_who_holds_none(limit: int, free: int) -> None:
    async def scenario() -> None:
        slots = UploadSlots(limit)
        many = await ask(slots, *[ANA] * 10)
        assert slots.in_use == limit - free
        new = await ask(slots, *[BERTA] * free)
        async with nobody_left(slots, [*many, *new]):
            assert all(each.served for each in new)
            assert slots.in_use == limit

    run(scenario())


def test_no_slot_in_time_says_when_to_ask_again() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1, wait_seconds=0.01)
        async with slots.hold(ANA):
            with pytest.raises(NoUploadSlot) as caught:
                await slots.take(BERTA)
            assert int(caught.value.fields["retry_after_seconds"]) > 0
            assert slots.waiting == 0
        async with slots.hold(ANA):
            assert slots.in_use == 1

    run(scenario())


@contextlib.contextmanager
def impatient(slots: UploadSlots) -> Iterator[None]:
    """Who comes now waits hardly at all."""
    before, slots._wait_seconds = slots._wait_seconds, 0.01
    yield
    slots._wait_seconds = before


def test_who_got_no_slot_in_time_keeps_the_place_in_the_line() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        (holder,) = await ask(slots, ANA)
        with impatient(slots), pytest.raises(NoUploadSlot):
            await slots.take(BERTA)
        clara, berta = await ask(slots, CLARA, BERTA)
        async with nobody_left(slots, [clara, berta]):
            holder.give_back()
            await turns()
            assert (berta.served, clara.served) == (True, False)

    run(scenario())


def test_a_place_is_kept_once_for_each_client_and_not_for_long() -> None:
    async def scenario() -> None:
        clock = Clock()
        slots = UploadSlots(1, clock=clock)
        (holder,) = await ask(slots, ANA)
        with impatient(slots):
            for who in (BERTA, BERTA, CLARA):
                with pytest.raises(NoUploadSlot):
                    await slots.take(who)
            assert len(slots._kept) == 2
            clock.advance(60)
            with pytest.raises(NoUploadSlot):
                await slots.take(client("10.0.0.4"))
            assert len(slots._kept) == 1
        clock.advance(60)
        clara, late = await ask(slots, CLARA, client("10.0.0.4"))
        async with nobody_left(slots, [clara, late]):
            holder.give_back()
            await turns()
            assert (clara.served, late.served) == (True, False)

    run(scenario())


def test_only_others_who_wait_are_a_reason_to_be_short() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        asking = await ask(slots, ANA, ANA)
        assert not slots.others_wait(ANA)
        assert slots.others_wait(BERTA)
        asking += await ask(slots, BERTA)
        async with nobody_left(slots, asking):
            assert slots.others_wait(ANA)

    run(scenario())


def test_a_cancelled_waiter_leaves_the_line() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        async with slots.hold(ANA):
            waiters = await ask(slots, ANA, ANA, ANA)
            waiters[1].task.cancel()
            await turns()
            assert slots.waiting == 2
        await turns()
        assert waiters[0].served
        slots.give_back(ANA)
        await turns()
        assert waiters[2].served
        slots.give_back(ANA)
        assert slots.in_use == 0

    run(scenario())


@pytest.mark.parametrize("release_first", [True, False])
def test_a_slot_given_in_the_moment_of_a_cancellation_is_not_lost(release_first: bool) -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        holder = slots.hold(ANA)
        await holder.__aenter__()
        (waiter,) = await ask(slots, BERTA)
        for step in (holder.release, waiter.task.cancel)[:: 1 if release_first else -1]:
            step()
        await asyncio.wait([waiter.task])
        assert waiter.task.cancelled()
        assert (slots.in_use, slots.waiting) == (0, 0)
        assert not slots._by_address
        assert not slots._by_client

    run(scenario())


def test_a_slot_released_early_is_not_released_again() -> None:
    async def scenario() -> None:
        slots = UploadSlots(2)
        async with slots.hold(ANA), slots.hold(BERTA) as slot:
            slot.release()
            slot.release()
            assert slots.in_use == 1
        assert slots.in_use == 0

    run(scenario())
