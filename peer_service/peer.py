"""Puts a peer together and runs it: the only place of this package that wires things."""

import asyncio
import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from peer_service.announcer import Announcer
from peer_service.control import ControlServicer
from peer_service.control_client import ControlClient
from peer_service.database import PeerDatabase
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.worker import DownloadWorker
from peer_service.folders import Folders, FolderStore
from peer_service.home import Home
from peer_service.instance import Instance
from peer_service.library.library import Library
from peer_service.limits import DownloadLimiter, RateLimit
from peer_service.memory import keep_freed_memory
from peer_service.servicer import PeerServicer
from peer_service.slots import UploadSlots
from peer_service.status import PeerStatus
from peer_service.tracker_link import TrackerLink
from peer_service.upload_limiter import UploadLimiter
from peer_service.uploads import UploadCounters
from videoteca.v1 import videoteca_pb2
from videoteca.v1.control_pb2_grpc import add_ControlServicer_to_server
from videoteca_core.addresses import Endpoint, source_is_for
from videoteca_core.catalogue import LocatedVideo, VideoQuery
from videoteca_core.errors import NotRegistered, Unavailable
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
        upload_limit: bytes a second that it sends at most; 0: no limit.
        download_limit: bytes a second that it receives at most; 0: no limit.
        source_timeout: seconds for which a source may send nothing before it is replaced.
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
    upload_limit: int = 0
    download_limit: int = 0
    source_timeout: float = 5.0


class Peer:
    """One running peer.

    Call :meth:`start` and at the end :meth:`stop`, both on the same event loop.

    Raises:
        InvalidRequest: a limit is too low to be kept.

    Attributes:
        socket: where it serves Control.
        port: where it serves the other peers; 0 for nowhere.
        tasks: what runs until :meth:`stop`; one that ends earlier has failed, and stop says why.
    """

    def __init__(self, config: PeerConfig) -> None:
        self._config = config
        self._resources = contextlib.AsyncExitStack()
        self.home = Home(config.home)
        self.socket = self.home.socket_path(public=config.listen is not None)
        self.port = 0
        self.tasks: list[asyncio.Task[None]] = []
        self._upload_limit = RateLimit(config.upload_limit)
        self._download_limit = RateLimit(config.download_limit)

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

    async def stop(self) -> None:
        """Leave the tracker, end the uploads, put running downloads back into the queue."""
        await self._resources.aclose()

    async def _start(self) -> None:
        keep_freed_memory()
        config, resources = self._config, self._resources
        resources.enter_context(self.home.locked())
        database = resources.enter_context(PeerDatabase(self.home.database_path))
        self._folders = self._make_folders(database)
        self._link = resources.enter_context(TrackerLink(database, config.tracker))
        reshared = (self._folders.received,) if config.listen and config.reshare else ()
        self._library = Library(database, (*self._folders.shared, *reshared))
        self._queue = DownloadQueue(database)
        self._worker = self._make_worker()
        instance = Instance()
        self._slots, self._uploads = UploadSlots(config.max_uploads), UploadCounters()
        if config.listen:
            servicer = PeerServicer(
                self._library,
                self._slots,
                instance,
                self._uploads,
                limit=UploadLimiter(self._upload_limit),
            )
            resources.callback(servicer.close)
            server = Server([_SERVICE])
            servicer.add_to(server.grpc)
            self.port = await self._serve(server, config.listen)
            resources.callback(self._library.end_offers)
        host, port = self._address()
        self._announcer = Announcer(self._link, self._library, instance, host, port)
        if config.name:
            await self._enroll(config.name)
        if config.listen:
            self._keep_running(self._library.run())
            self._keep_running(self._announcer.run())
            resources.push_async_callback(self._announcer.leave)
        if config.run_downloads:
            self._worker.start()
            resources.push_async_callback(asyncio.to_thread, self._worker.stop)
        # Left by a process that was killed: the home is ours, so the socket is.
        self.socket.unlink(missing_ok=True)
        resources.callback(self.socket.unlink, missing_ok=True)
        server = Server()
        add_ControlServicer_to_server(self._control_servicer(), server.grpc)
        await self._serve(server, self.socket)

    def _make_folders(self, database: PeerDatabase) -> Folders:
        config = self._config
        folders = Folders(
            tuple(folder.absolute() for folder in config.shared), config.received.absolute()
        )
        folders.make()
        if config.listen:
            FolderStore(database).save(folders)
        return folders

    def _make_worker(self) -> DownloadWorker:
        config = self._config
        return DownloadWorker(
            self._queue,
            locate=self._locate,
            received_folder=self._folders.received,
            parallel=config.parallel,
            may_use=lambda source: source_is_for(source.ip, config.tracker.ip),
            own_name=lambda: identity.name if (identity := self._link.identity) else "",
            library=self._library,
            reshare=config.listen is not None and config.reshare,
            limiter=DownloadLimiter(self._download_limit),
            stall_seconds=config.source_timeout,
        )

    def _control_servicer(self) -> ControlServicer:
        return ControlServicer(
            status=self.status,
            link=self._link,
            announcer=self._announcer,
            library=self._library,
            queue=self._queue,
            worker=self._worker,
            upload_limit=self._upload_limit,
            download_limit=self._download_limit,
        )

    async def _serve(self, server: Server, where: Endpoint | Path) -> int:
        port = await server.start(where)
        self._resources.push_async_callback(server.stop, _GRACE_SECONDS)
        return port

    def _keep_running(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        self._resources.push_async_callback(_cancel, task)

    def status(self) -> PeerStatus:
        """This peer, as of now. Blocks for a moment."""
        identity = self._link.identity
        standing = self._announcer.standing
        problem = standing.problem
        hashing = self._library.hashing()
        return PeerStatus(
            name=identity.name if identity else "",
            peer_id=identity.peer_id if identity else "",
            tracker=str(self._config.tracker),
            registered=problem is None,
            problem=str(problem or ""),
            problem_reason=problem.reason if problem else "",
            problem_fields=problem.fields if problem else {},
            reachability=standing.reachability,
            endpoint=standing.lease.endpoint if standing.lease else None,
            listen_port=self.port,
            shared_folders=tuple(map(str, self._folders.shared)),
            received_folder=str(self._folders.received),
            shared=self._library.holdings(),
            skipped=self._library.skipped(),
            hashing=hashing.files,
            hashing_bytes=hashing.size_bytes,
            hashed_bytes=hashing.hashed_bytes,
            uploads=self._slots.in_use,
            max_uploads=self._slots.limit,
            uploaded_bytes=self._uploads.uploaded_bytes,
            downloaded_bytes=self._worker.downloaded_bytes,
            downloads=Counter(download.state for download in self._queue.downloads()),
            pid=os.getpid(),
            upload_limit=self._upload_limit.rate,
            download_limit=self._download_limit.rate,
        )

    async def _enroll(self, name: str) -> None:
        try:
            await self._announcer.enroll(name, claim_code=self._config.claim_code)
        except Unavailable as error:
            _log.warning("tracker away", problem=str(error))

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


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):  # it is what was asked for
        await task


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
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *peer.tasks], return_when=asyncio.FIRST_COMPLETED)
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
