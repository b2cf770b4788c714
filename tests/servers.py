"""Runs real servers beside a test, in the event loop of a thread."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tracker_service.server import TrackerConfig, TrackerServer
from videoteca_core.addresses import Endpoint

LOOPBACK = Endpoint("127.0.0.1", 0)
TIMEOUT_SECONDS = 30

T = TypeVar("T")
Started_co = TypeVar("Started_co", covariant=True)


class Startable(Protocol[Started_co]):
    """A server as all of ours are."""

    async def start(self) -> Started_co: ...

    async def stop(self) -> None: ...


@cache
def _loop() -> asyncio.AbstractEventLoop:
    # One loop for all: asyncio gRPC in several loops of one process is noisy.
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="test-servers", daemon=True).start()
    return loop


def run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the loop of the servers and return what it returns."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(TIMEOUT_SECONDS)


@contextmanager
def in_thread(server: Startable[T]) -> Iterator[T]:
    """Run a server while the block lasts; yields what its start returns."""
    started = run_in_thread(server.start())
    try:
        yield started
    finally:
        run_in_thread(server.stop())


@contextmanager
def running_tracker(database: Path, **options: Any) -> Iterator[Endpoint]:
    """A tracker on a free port of loopback while the block lasts; yields where.

    Args:
        database: its file, or the folder for it.
        options: ``clock`` of TrackerServer, and other fields of TrackerConfig.
    """
    path = database / "tracker.db" if database.is_dir() else database
    clock = {"clock": options.pop("clock")} if "clock" in options else {}
    config = TrackerConfig(**{"listen": LOOPBACK, "database": path, **options})
    with in_thread(TrackerServer(config, **clock)) as endpoint:
        yield endpoint
