"""Runs a tracker: the one place where its parts are put together."""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from tracker_service.catalog import Catalog
from tracker_service.dialback import DialBack
from tracker_service.servicer import SERVICE_NAME, TrackerServicer
from tracker_service.store.sqlite import SqliteStore
from videoteca.v1 import videoteca_pb2_grpc as pb_grpc
from videoteca_core.addresses import Endpoint, IpNetwork
from videoteca_core.rpc.server import Server

GRACE_SECONDS: Final = 2.0
WATCH_SECONDS: Final = 5.0
"""How often it is looked for peers that were lost."""

_log: Final = structlog.get_logger()


@dataclass(frozen=True)
class TrackerConfig:
    """How to run a tracker.

    Attributes:
        listen: where; port 0 for any free port.
        database: the SQLite file, which is made when it does not exist; its folder must.
        dialable: ranges in which registered addresses may be dialled although the call came
            from another address.
    """

    listen: Endpoint
    database: Path
    dialable: tuple[IpNetwork, ...] = ()


class TrackerServer:
    """A tracker in the running event loop."""

    def __init__(self, config: TrackerConfig, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock

    async def start(self) -> Endpoint:
        """Open the database and serve.

        Returns:
            Where, with the port that was bound.

        Raises:
            LocalTrouble: the database can't be used, or the address not be bound.
        """
        store = SqliteStore.open(self._config.database)
        try:
            catalog = Catalog(store, self._clock, self._config.dialable)
            dial_back = DialBack(catalog)
            server = Server([SERVICE_NAME])
            servicer = TrackerServicer(catalog, dial_back)
            pb_grpc.add_TrackerServicer_to_server(servicer, server.grpc)
            port = await server.start(self._config.listen)
        except BaseException:
            await store.close()
            raise
        self._store, self._dial_back, self._server = store, dial_back, server
        self._watch = asyncio.create_task(_log_lost(catalog, self._clock()))
        endpoint = Endpoint(self._config.listen.host, port)
        _log.info("started", address=str(endpoint), database=str(self._config.database))
        return endpoint

    async def stop(self) -> None:
        """Let running calls finish, and close the database."""
        await self._server.stop(GRACE_SECONDS)
        self._watch.cancel()
        await asyncio.gather(self._watch, self._dial_back.stop(), return_exceptions=True)
        await self._store.close()
        _log.info("stopped")


async def _log_lost(catalog: Catalog, since: float) -> None:
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            names, since = await catalog.lost(since)
        except Exception:  # noqa: BLE001 - the next look may succeed
            _log.exception("failed")
            continue
        for name in names:
            _log.warning("connection lost", peer=name)


async def run_tracker(config: TrackerConfig, started: Callable[[Endpoint], None]) -> None:
    """Serve until SIGTERM or SIGINT, and stop gracefully.

    Args:
        config: how.
        started: called once with the bound address.

    Raises:
        LocalTrouble: the database can't be used, or the address not be bound.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = TrackerServer(config)
    started(await server.start())
    await stop.wait()
    await server.stop()
