"""The servicer of Control: what the owner of this peer may ask of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import grpc

from peer_service.announcer import Announcer
from peer_service.control_wire import download_to_wire, query_from_wire, status_to_wire
from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.resolve import resolve
from peer_service.downloads.worker import DownloadWorker
from peer_service.library.library import Library
from peer_service.limits import RateLimit
from peer_service.status import PeerStatus
from peer_service.stop import Stopped
from peer_service.tracker_link import TrackerLink
from videoteca.v1 import control_pb2 as pb
from videoteca.v1.control_pb2_grpc import ControlServicer as ControlBase
from videoteca_core.catalogue import LocatedVideo
from videoteca_core.errors import AlreadyHere, Unreachable, VideoUnknown
from videoteca_core.rpc.wire import holding_to_wire

_Context = grpc.aio.ServicerContext[Any, Any]
_WATCH_SECONDS: Final = 0.2


class ControlServicer(ControlBase):
    """Decodes, calls, encodes. What may wait for a disk or a tracker runs in a thread."""

    def __init__(
        self,
        *,
        status: Callable[[], PeerStatus],
        link: TrackerLink,
        announcer: Announcer,
        library: Library,
        queue: DownloadQueue,
        worker: DownloadWorker,
        upload_limit: RateLimit,
        download_limit: RateLimit,
    ) -> None:
        self._status = status
        self._link = link
        self._announcer = announcer
        self._library = library
        self._queue = queue
        self._worker = worker
        self._upload_limit = upload_limit
        self._download_limit = download_limit

    async def GetStatus(
        self, request: pb.GetStatusRequest, context: _Context
    ) -> pb.GetStatusResponse:
        return status_to_wire(await asyncio.to_thread(self._status))

    async def Enroll(self, request: pb.EnrollRequest, context: _Context) -> pb.EnrollResponse:
        lease = await self._announcer.enroll(
            request.name, host=request.host, port=request.port, claim_code=request.claim_code
        )
        return pb.EnrollResponse(peer_id=lease.peer_id)

    async def Share(
        self, request: pb.ShareRequest, context: _Context
    ) -> AsyncIterator[pb.ShareResponse]:
        try:
            async for progress in self._library.share(Path(request.path)):
                holding = progress.holding
                if holding:
                    await self._announcer.told()
                yield pb.ShareResponse(
                    hashed_bytes=progress.hashed_bytes,
                    size_bytes=progress.size_bytes,
                    holding=holding_to_wire(holding) if holding else None,
                )
        except Stopped as error:
            raise Unreachable(what="peer", address="this home", detail="stopping") from error

    async def Unshare(self, request: pb.UnshareRequest, context: _Context) -> pb.UnshareResponse:
        await self._library.unshare(request.names)
        await self._announcer.told()
        return pb.UnshareResponse()

    async def Enqueue(self, request: pb.EnqueueRequest, context: _Context) -> pb.EnqueueResponse:
        query = query_from_wire(request)
        client = self._link.client()
        video = await asyncio.to_thread(resolve, query, client.locate)
        download, already_queued = await asyncio.to_thread(
            self._enqueue, video, query.owner, request.priority
        )
        return pb.EnqueueResponse(
            download=download_to_wire(download), already_queued=already_queued
        )

    async def ListDownloads(
        self, request: pb.ListDownloadsRequest, context: _Context
    ) -> pb.ListDownloadsResponse:
        downloads = await asyncio.to_thread(self._downloads, frozenset())
        return pb.ListDownloadsResponse(downloads=map(download_to_wire, downloads))

    async def WatchDownloads(
        self, request: pb.WatchDownloadsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchDownloadsResponse]:
        wanted = frozenset(request.download_ids)
        for download_id in wanted:
            await asyncio.to_thread(self._queue.get, download_id)
        seen: tuple[Download, ...] | None = None
        while True:
            version = self._queue.version
            downloads = await asyncio.to_thread(self._downloads, wanted)
            if downloads != seen:
                seen = downloads
                yield pb.WatchDownloadsResponse(downloads=map(download_to_wire, downloads))
            await asyncio.sleep(_WATCH_SECONDS)
            if not any(map(_changes_by_itself, downloads)):
                await asyncio.to_thread(self._queue.wait_changed, version, 1.0)

    async def PauseDownload(
        self, request: pb.PauseDownloadRequest, context: _Context
    ) -> pb.PauseDownloadResponse:
        download = await asyncio.to_thread(self._queue.pause, request.download_id)
        return pb.PauseDownloadResponse(download=download_to_wire(download))

    async def ResumeDownload(
        self, request: pb.ResumeDownloadRequest, context: _Context
    ) -> pb.ResumeDownloadResponse:
        download = await asyncio.to_thread(self._queue.resume, request.download_id)
        return pb.ResumeDownloadResponse(download=download_to_wire(download))

    async def RetryDownload(
        self, request: pb.RetryDownloadRequest, context: _Context
    ) -> pb.RetryDownloadResponse:
        download = await asyncio.to_thread(self._queue.retry, request.download_id)
        return pb.RetryDownloadResponse(download=download_to_wire(download))

    async def CancelDownload(
        self, request: pb.CancelDownloadRequest, context: _Context
    ) -> pb.CancelDownloadResponse:
        download = await asyncio.to_thread(self._queue.cancel, request.download_id)
        return pb.CancelDownloadResponse(download=download_to_wire(download))

    async def MoveDownload(
        self, request: pb.MoveDownloadRequest, context: _Context
    ) -> pb.MoveDownloadResponse:
        priority = request.priority if request.HasField("priority") else None
        position = request.position if request.HasField("position") else None
        download = await asyncio.to_thread(
            self._queue.move, request.download_id, priority=priority, position=position
        )
        return pb.MoveDownloadResponse(download=download_to_wire(download))

    async def SetLimits(
        self, request: pb.SetLimitsRequest, context: _Context
    ) -> pb.SetLimitsResponse:
        wanted = []
        if request.HasField("upload_limit"):
            wanted.append((self._upload_limit, request.upload_limit))
        if request.HasField("download_limit"):
            wanted.append((self._download_limit, request.download_limit))
        for _limit, rate in wanted:
            RateLimit(rate)  # one that can't be kept is refused before any is changed
        for limit, rate in wanted:
            limit.rate = rate
        return pb.SetLimitsResponse(
            upload_limit=self._upload_limit.rate, download_limit=self._download_limit.rate
        )

    def _enqueue(self, video: LocatedVideo, owner: str, priority: int) -> tuple[Download, bool]:
        queued = any(each.video_id == video.video_id for each in self._queue.downloads())
        if not queued:
            self._refuse_what_is_here(video)
        return self._queue.enqueue(video, owner=owner, priority=priority)

    def _refuse_what_is_here(self, video: LocatedVideo) -> None:
        try:
            here = self._library.find(video_id=video.video_id)
        except VideoUnknown:
            return
        raise AlreadyHere(name=here.holding.name, path=here.file.path)

    def _downloads(self, wanted: frozenset[int]) -> tuple[Download, ...]:
        return tuple(
            download
            for download in self._worker.downloads()
            if not wanted or download.download_id in wanted
        )


def _changes_by_itself(download: Download) -> bool:
    """Whether its bytes and rates change without anybody telling of it."""
    return download.state is DownloadState.RUNNING and bool(download.rate or download.sources)
