"""Puts a peer together and runs it: the only place of this package that wires things."""

import asyncio
import contextlib
import os
import secrets
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from peer_service.announcer import Announcer
from peer_service.control import ControlServicer
from peer_service.control_client import ControlClient
from peer_service.database import PeerDatabase
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.worker import DownloadWorker
from peer_service.folders import Folders, FolderStore
from peer_service.home import Home
from peer_service.library.library import Library
from peer_service.servicer import PeerServicer
from peer_service.slots import UploadSlots
from peer_service.status import PeerStatus
from peer_service.tracker_link import TrackerLink
from videoteca.v1 import control_pb2_grpc, videoteca_pb2, videoteca_pb2_grpc
from videoteca_core.addresses import Endpoint, source_is_for
from videoteca_core.catalogue import LocatedVideo, VideoQuery
from videoteca_core.errors import NotRegistered, Unavailable
from videoteca_core.identity import INSTANCE_KEY_BYTES
from videoteca_core.rpc.server import Server

_log: Final = structlog.get_logger()
_SERVICE: Final = videoteca_pb2.DESCRIPTOR.services_by_name["Peer"].full_name
_GRACE_SECONDS: Final = 2.0


@dataclass(frozen=True)
class PeerConfig:
    """How a peer is started.

    Attributes:
        home: the folder of what it remembers.
        tracker: where its tracker is.
        name: the name to register; none for the one of the home, or to register later.
        claim_code: the one-time code that claims an imported name.
        listen: where it serves the other peers; none for a peer that only downloads and that
            only this process controls.
        advertise: the address to register instead of the one that the tracker sees.
        shared: the shared folders; made when missing.
        received: the received folder; made when missing.
        max_uploads: upload slots.
        reshare: whether what was received is shared on.
        parallel: downloads at once.
        run_downloads: whether the queue is worked on.
    """

    home: Path
    tracker: Endpoint
    received: Path
    name: str = ""
    claim_code: str = ""
    listen: Endpoint | None = None
    advertise: Endpoint | None = None
    shared: tuple[Path, ...] = ()
    max_uploads: int = 8
    reshare: bool = True
    parallel: int = 1
    run_downloads: bool = True


class Peer:
    """One running peer.

    Call :meth:`start` and at the end :meth:`stop`, both on the same event loop.
    """

    def __init__(self, config: PeerConfig) -> None:
        self._config = config
        self._resources = contextlib.ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[Server] = []
        self._announcer: Announcer | None = None
        self.home = Home(config.home)
        self.socket = self.home.socket_path(public=config.listen is not None)

    async def start(self) -> None:
        """Take the home, open what it remembers, serve, register, and work on the queue.

        Raises:
            VideotecaError: the home, a folder, the database or the port can't be used, or the
                tracker refuses the name. A tracker that can't be reached is no reason.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        config = self._config
        self._resources.enter_context(self.home.locked())
        database = self._resources.enter_context(PeerDatabase(self.home.database_path))
        folders = Folders(
            tuple(folder.absolute() for folder in config.shared), config.received.absolute()
        )
        folders.make()
        if config.listen:
            FolderStore(database).save(folders)
        self._folders = folders
        self._link = self._resources.enter_context(TrackerLink(database, config.tracker))
        reshared = (folders.received,) if config.listen and config.reshare else ()
        self._library = Library(database, (*folders.shared, *reshared))
        self._queue = DownloadQueue(database)
        self._worker = DownloadWorker(
            self._queue,
            locate=self._locate,
            received_folder=folders.received,
            parallel=config.parallel,
            may_use=lambda source: source_is_for(source.ip, config.tracker.ip),
            on_done=self._library.add_received,
            own_name=lambda: identity.name if (identity := self._link.identity) else "",
        )
        self._slots = UploadSlots(config.max_uploads)
        instance_key = secrets.token_bytes(INSTANCE_KEY_BYTES)
        self._servicer = PeerServicer(self._library, self._slots, instance_key, self._is_ours)
        self.port = await self._serve_peers(config.listen) if config.listen else 0
        host, port = self._address()
        self._announcer = Announcer(self._link, self._library, instance_key, host, port)
        if config.name:
            await self._enroll(config.name)
        await self._serve_control()
        if config.listen:
            self._tasks.append(asyncio.create_task(self._library.run()))
            self._tasks.append(asyncio.create_task(self._announcer.run()))
        if config.run_downloads:
            self._worker.start()
            self._resources.callback(self._worker.stop)

    async def stop(self) -> None:
        """Leave the tracker, end the uploads, put running downloads back into the queue."""
        if self._announcer:
            await self._announcer.leave()
        for server in self._servers:
            await server.stop(_GRACE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._resources.close)

    def status(self) -> PeerStatus:
        """This peer, as of now. Blocks for a moment."""
        identity = self._link.identity
        standing = self._announcer.standing
        return PeerStatus(
            name=identity.name if identity else "",
            peer_id=identity.peer_id if identity else "",
            tracker=str(self._config.tracker),
            registered=standing.problem is None,
            problem=str(standing.problem or ""),
            reachability=standing.reachability,
            endpoint=standing.lease.endpoint if standing.lease else None,
            listen_port=self.port,
            shared_folders=tuple(map(str, self._folders.shared)),
            received_folder=str(self._folders.received),
            shared=self._library.holdings(),
            skipped=self._library.skipped(),
            hashing=self._library.hashing,
            uploads=self._slots.in_use,
            max_uploads=self._slots.limit,
            uploaded_bytes=self._servicer.uploaded_bytes,
            downloaded_bytes=self._worker.downloaded_bytes,
            downloads=Counter(download.state for download in self._queue.downloads()),
            pid=os.getpid(),
        )

    async def _enroll(self, name: str) -> None:
        try:
            await self._announcer.enroll(name, claim_code=self._config.claim_code)
        except Unavailable as error:
            _log.warning("tracker away", problem=str(error))

    async def _serve_peers(self, listen: Endpoint) -> int:
        server = Server([_SERVICE])
        videoteca_pb2_grpc.add_PeerServicer_to_server(self._servicer, server.grpc)
        port = await server.start(listen)
        self._servers.append(server)
        return port

    async def _serve_control(self) -> None:
        self.socket.unlink(missing_ok=True)  # left by a process that was killed: the lock is ours
        server = Server()
        servicer = ControlServicer(
            status=self.status,
            link=self._link,
            announcer=self._announcer,
            library=self._library,
            queue=self._queue,
            worker=self._worker,
        )
        control_pb2_grpc.add_ControlServicer_to_server(servicer, server.grpc)
        await server.start(self.socket)
        self._servers.append(server)
        self._resources.callback(self.socket.unlink, missing_ok=True)

    def _address(self) -> tuple[str, int]:
        """What to register: an empty host lets the tracker see it for itself."""
        advertise, listen = self._config.advertise, self._config.listen
        if advertise:
            return advertise.host, advertise.port or self.port
        if listen and not listen.ip.is_unspecified:
            return listen.host, self.port
        return "", self.port

    def _locate(self, query: VideoQuery) -> Sequence[LocatedVideo]:
        return self._link.client().locate(query)


async def run_peer(config: PeerConfig, started: Callable[[PeerStatus], None]) -> None:
    """Run a peer until SIGTERM or SIGINT.

    Args:
        config: how.
        started: called once it serves.

    Raises:
        VideotecaError: as :meth:`Peer.start`; NotRegistered when it has no name.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    peer = Peer(config)
    await peer.start()
    try:
        status = await asyncio.to_thread(peer.status)
        if not status.name:
            raise NotRegistered
        started(status)
        await stop.wait()
    finally:
        await peer.stop()


@contextlib.contextmanager
def background_peer(config: PeerConfig) -> Iterator[ControlClient]:
    """Run a peer in a thread of this process, and control it.

    Raises:
        VideotecaError: as :meth:`Peer.start`.
    """
    peer = Peer(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="peer", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(peer.start(), loop).result()
        try:
            with ControlClient(peer.socket) as client:
                yield client
        finally:
            asyncio.run_coroutine_threadsafe(peer.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
