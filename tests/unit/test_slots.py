"""Upload slots go to those who wait in order, and what is granted ends at a piece boundary."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from peer_service.slots import UploadSlots, grant
from videoteca_core.errors import NoUploadSlot

MIB = 1 << 20


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 10))


async def turns() -> None:
    """Let everything that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_slots_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        served: list[int] = []

        async def upload(number: int) -> None:
            async with slots.hold():
                served.append(number)
                assert slots.in_use == 1

        async with slots.hold():
            tasks = [asyncio.create_task(upload(number)) for number in range(5)]
            await turns()
            assert (slots.waiting, served) == (5, [])
        await asyncio.gather(*tasks)
        assert served == [0, 1, 2, 3, 4]
        assert (slots.in_use, slots.waiting) == (0, 0)

    run(scenario())


def test_who_comes_later_does_not_overtake_who_waits() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        first = slots.hold()
        await first.__aenter__()
        waiter = asyncio.create_task(slots.take())
        await turns()
        first.release()
        late = asyncio.create_task(slots.take())
        await turns()
        assert waiter.done()
        assert not late.done()
        late.cancel()

    run(scenario())


def test_no_slot_in_time_says_when_to_ask_again() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1, wait_seconds=0.01)
        async with slots.hold():
            with pytest.raises(NoUploadSlot) as caught:
                await slots.take()
            assert int(caught.value.fields["retry_after_seconds"]) > 0
            assert slots.waiting == 0
        async with slots.hold():
            assert slots.in_use == 1

    run(scenario())


def test_a_cancelled_waiter_leaves_the_queue() -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        async with slots.hold():
            waiters = [asyncio.create_task(slots.take()) for _ in range(3)]
            await turns()
            waiters[1].cancel()
            await turns()
            assert slots.waiting == 2
        await turns()
        assert waiters[0].done()
        slots.give_back()
        await turns()
        assert waiters[2].done()
        slots.give_back()
        assert slots.in_use == 0

    run(scenario())


@pytest.mark.parametrize("release_first", [True, False])
def test_a_slot_given_in_the_moment_of_a_cancellation_is_not_lost(release_first: bool) -> None:
    async def scenario() -> None:
        slots = UploadSlots(1)
        holder = slots.hold()
        await holder.__aenter__()
        waiter = asyncio.create_task(slots.take())
        await turns()
        for step in (holder.release, waiter.cancel)[:: 1 if release_first else -1]:
            step()
        await asyncio.wait([waiter])
        assert waiter.cancelled()
        assert (slots.in_use, slots.waiting) == (0, 0)

    run(scenario())


def test_a_slot_released_early_is_not_released_again() -> None:
    async def scenario() -> None:
        slots = UploadSlots(2)
        async with slots.hold(), slots.hold() as slot:
            slot.release()
            slot.release()
            assert slots.in_use == 1
        assert slots.in_use == 0

    run(scenario())


@pytest.mark.parametrize(
    ("offset", "wanted", "piece", "others_wait", "granted"),
    [
        (0, 0, MIB, False, 0),
        (0, 5 * MIB, MIB, True, 5 * MIB),
        (7, 5, MIB, True, 5),
        (0, 256 * MIB, MIB, False, 256 * MIB),
        (0, 256 * MIB + 1, MIB, False, 256 * MIB),
        (0, 1000 * MIB, MIB, True, 32 * MIB),
        (5, 1000 * MIB, MIB, True, 32 * MIB - 5),
        (MIB - 1, 1000 * MIB, MIB, True, 32 * MIB + 1 - MIB),
        (0, 1000 * MIB, 64 * MIB, True, 64 * MIB),
        (1, 1000 * MIB, 64 * MIB, True, 64 * MIB - 1),
        (0, 3000 * MIB, 512 * MIB, False, 512 * MIB),
    ],
)
def test_a_grant_is_what_is_wanted_or_ends_where_a_piece_does(
    offset: int, wanted: int, piece: int, others_wait: bool, granted: int
) -> None:
    assert grant(offset, wanted, piece, others_wait=others_wait) == granted
