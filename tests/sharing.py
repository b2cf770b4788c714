"""A library and the public Peer service over it, running in a thread of their own."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from peer_service.database import PeerDatabase
from peer_service.instance import Instance
from peer_service.library.library import Library
from peer_service.limits import RateLimit
from peer_service.servicer import SERVICE, PeerServicer
from peer_service.slots import UploadSlots
from peer_service.upload_limiter import UploadLimiter
from peer_service.uploads import UploadCounters
from peer_service.watchers import Watchers
from tests.servers import LOOPBACK
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2_grpc
from videoteca_core.addresses import Endpoint
from videoteca_core.rpc.channel import blocking_channel
from videoteca_core.rpc.server import Server

T = TypeVar("T")


@dataclass
class Sharing:
    """What runs, and the loop in which it does."""

    library: Library
    slots: UploadSlots
    watchers: Watchers
    counters: UploadCounters
    limit: RateLimit
    instance: Instance
    endpoint: Endpoint
    loop: asyncio.AbstractEventLoop

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    @contextlib.contextmanager
    def stub(self, host: str = "127.0.0.1") -> Iterator[videoteca_pb2_grpc.PeerStub]:
        """A blocking stub on a connection of its own, to and so from that address."""
        with blocking_channel(Endpoint(host, self.endpoint.port)) as channel:
            yield videoteca_pb2_grpc.PeerStub(channel)

    def wait_shared(self, *names: str) -> None:
        """Wait until exactly these are shared."""
        wanted = sorted(names)
        eventually(lambda: [holding.name for holding in self.library.holdings()] == wanted)


@contextlib.contextmanager
def sharing(
    database: Path,
    *folders: Path,
    settle_seconds: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    slots: int = 8,
    slot_wait_seconds: float = 4.0,
    stall_seconds: float = 30.0,
    upload_limit: int = 0,
    listen: Endpoint = LOOPBACK,
) -> Iterator[Sharing]:
    """Share the folders."""
    ready = threading.Event()
    running: list[Sharing] = []
    failures: list[BaseException] = []

    async def serve() -> None:
        with PeerDatabase(database) as opened:
            library = Library(
                opened, folders, settle_seconds=settle_seconds, interval_seconds=0.02, clock=clock
            )
            upload_slots = UploadSlots(slots, wait_seconds=slot_wait_seconds)
            counters, instance = UploadCounters(), Instance()
            limit = RateLimit(upload_limit)
            servicer = PeerServicer(
                library,
                upload_slots,
                instance,
                counters,
                limit=UploadLimiter(limit),
                stall_seconds=stall_seconds,
            )
            server = Server([SERVICE])
            servicer.add_to(server.grpc)
            port = await server.start(listen)
            work = asyncio.create_task(library.run())
            endpoint = Endpoint("127.0.0.1", port)
            loop = asyncio.get_running_loop()
            stop = asyncio.Event()
            running.append(
                Sharing(
                    library,
                    upload_slots,
                    servicer.watchers,
                    counters,
                    limit,
                    instance,
                    endpoint,
                    loop,
                )
            )
            stops.append(lambda: loop.call_soon_threadsafe(stop.set))
            ready.set()
            done, _ = await asyncio.wait(
                [work, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED
            )
            await server.stop(0)
            servicer.close()
            if work in done:
                work.result()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):  # asked for a line above
                await work

    stops: list[Callable[[], object]] = []

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(30)
    try:
        if running:
            yield running[0]
    finally:
        for stop in stops:
            stop()
        thread.join(30)
    if failures:
        raise failures[0]
