"""Those who watch pieces cost little, however many and however slow they are."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from peer_service.partial import LivePieces, PartialVideo
from peer_service.pieces import PieceSet
from peer_service.watchers import MOST_OF_AN_ADDRESS, MOST_WATCHERS, Watchers
from videoteca_core.errors import TooManyWatchers
from videoteca_core.manifest import DIGEST_BYTES, MAX_PIECES, Manifest


def download(piece_count: int) -> PartialVideo:
    manifest = Manifest(piece_count << 20, bytes(piece_count * DIGEST_BYTES))
    pieces = LivePieces(PieceSet(piece_count))
    return PartialVideo("clip.mp4", manifest, Path("/f"), "1.part", pieces)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60))


async def told(news: AsyncIterator[PieceSet]) -> list[int]:
    return list(await anext(news))


def test_the_biggest_video_is_watched_by_a_thousand_who_take_nothing() -> None:
    video = download(MAX_PIECES)
    watchers = Watchers(lambda _: video)

    async def scenario() -> None:
        tracemalloc.start()
        watching = [
            watchers.watch(video.manifest.video_id, f"192.0.2.{number % 4}")
            for number in range(MOST_WATCHERS)
        ]
        for each in watching:
            assert await told(each) == []
        before, _ = tracemalloc.get_traced_memory()
        for piece in range(MAX_PIECES):
            video.pieces.add(piece)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert before < 40 << 20
        assert peak - before < 1 << 20
        with pytest.raises(TooManyWatchers):
            await told(watchers.watch(video.manifest.video_id, "192.0.2.4"))
        assert await told(watching[0]) == list(range(MAX_PIECES))
        for each in watching:
            await each.aclose()
        assert watchers.count == 0

    run(scenario())


def test_one_address_does_not_take_all_places() -> None:
    video = download(3)
    watchers = Watchers(lambda _: video)

    async def scenario() -> None:
        watching = [
            watchers.watch(video.manifest.video_id, "192.0.2.1") for _ in range(MOST_OF_AN_ADDRESS)
        ]
        for each in watching:
            assert await told(each) == []
        with pytest.raises(TooManyWatchers):
            await told(watchers.watch(video.manifest.video_id, "192.0.2.1"))
        other = watchers.watch(video.manifest.video_id, "192.0.2.2")
        assert await told(other) == []
        await watching[0].aclose()
        again = watchers.watch(video.manifest.video_id, "192.0.2.1")
        assert await told(again) == []
        for each in (*watching, other, again):
            await each.aclose()

    run(scenario())


def test_what_comes_fast_is_told_together() -> None:
    async def scenario() -> None:
        video = download(2_000)
        messages, count = 0, 0

        async def add() -> None:
            for piece in range(2_000):
                video.pieces.add(piece)
                await asyncio.sleep(0)

        adding = asyncio.create_task(add())
        started = time.monotonic()
        async for new in Watchers(lambda _: video).watch(video.manifest.video_id, "192.0.2.1"):
            messages += 1
            count += len(new)
        assert messages <= 3 + (time.monotonic() - started) / 0.05
        assert count == 2_000
        await adding

    run(scenario())


def test_news_after_a_quiet_while_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        video = download(3)
        news = Watchers(lambda _: video).watch(video.manifest.video_id, "192.0.2.1")
        assert await told(news) == []
        waiting = asyncio.create_task(told(news))
        await asyncio.sleep(0.2)  # quiet
        # From here on nothing that sleeps goes on.
        monkeypatch.setattr(asyncio, "sleep", asyncio.Event().wait)
        video.pieces.add(1)
        assert await waiting == [1]
        await news.aclose()

    run(scenario())
