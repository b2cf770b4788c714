"""Asks the peer on this machine: the command line's half of Control."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from peer_service.control_wire import download_from_wire, query_to_wire, status_from_wire
from peer_service.downloads.model import Download
from peer_service.status import Limits, PeerStatus
from videoteca.v1 import control_pb2 as pb
from videoteca.v1.control_pb2_grpc import ControlStub
from videoteca_core.catalogue import Holding, VideoQuery
from videoteca_core.errors import FileUnreadable, Unreachable
from videoteca_core.names import valid_name
from videoteca_core.rpc.channel import UNARY_TIMEOUT_SECONDS, blocking_channel
from videoteca_core.rpc.status import translated
from videoteca_core.rpc.wire import holding_from_wire
from videoteca_core.text import N_

_TRACKER_TIMEOUT_SECONDS = 2 * UNARY_TIMEOUT_SECONDS  # the peer asks its tracker meanwhile


@dataclass(frozen=True)
class ShareProgress:
    """How far a file is hashed; the holding comes in the last one."""

    hashed_bytes: int
    size_bytes: int
    holding: Holding | None = None


class ControlClient:
    """A peer's Control service. Every method raises the VideotecaError that the peer answers.

    Args:
        socket: the path of the peer's Unix domain socket.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._channel = blocking_channel(socket)
        self._stub = ControlStub(self._channel)
        self._closed = False

    def status(self) -> PeerStatus:
        """How the peer is."""
        with self._errors():
            return status_from_wire(
                self._stub.GetStatus(pb.GetStatusRequest(), timeout=UNARY_TIMEOUT_SECONDS)
            )

    def enroll(self, name: str, host: str = "", port: int = 0, claim_code: str = "") -> str:
        """Register the peer under a name.

        Returns:
            The peer_id.
        """
        request = pb.EnrollRequest(name=name, host=host, port=port, claim_code=claim_code)
        with self._errors():
            return self._stub.Enroll(request, timeout=_TRACKER_TIMEOUT_SECONDS).peer_id

    def share(self, path: Path) -> Iterator[ShareProgress]:
        """Share a file; the last progress has the holding.

        Raises:
            InvalidName, FileUnreadable: besides, when its path is not UTF-8.
        """
        try:
            request = pb.ShareRequest(path=str(path))
        except UnicodeEncodeError as error:
            valid_name(path.name)
            raise FileUnreadable(path=path, detail=N_("its path is not UTF-8")) from error
        with self._errors():
            for message in self._stub.Share(request):
                holding = message.holding if message.HasField("holding") else None
                yield ShareProgress(
                    message.hashed_bytes,
                    message.size_bytes,
                    holding_from_wire(holding) if holding else None,
                )

    def unshare(self, names: Sequence[str]) -> None:
        """Stop sharing videos, durably."""
        with self._errors():
            self._stub.Unshare(pb.UnshareRequest(names=names), timeout=UNARY_TIMEOUT_SECONDS)

    def enqueue(self, query: VideoQuery, priority: int = 0) -> tuple[Download, bool]:
        """Queue a video.

        Returns:
            The download, and whether it was queued already.
        """
        with self._errors():
            response = self._stub.Enqueue(
                query_to_wire(query, priority), timeout=_TRACKER_TIMEOUT_SECONDS
            )
        return download_from_wire(response.download), response.already_queued

    def downloads(self) -> tuple[Download, ...]:
        """The queue, those that run first in front."""
        with self._errors():
            response = self._stub.ListDownloads(
                pb.ListDownloadsRequest(), timeout=UNARY_TIMEOUT_SECONDS
            )
        return tuple(map(download_from_wire, response.downloads))

    def watch(self, download_ids: Sequence[int] = ()) -> Iterator[tuple[Download, ...]]:
        """The downloads with those numbers, or all, whenever they change; ends with the peer."""
        request = pb.WatchDownloadsRequest(download_ids=download_ids)
        with self._errors():
            call = self._stub.WatchDownloads(request)
            try:
                for message in call:
                    yield tuple(map(download_from_wire, message.downloads))
            finally:
                call.cancel()

    def pause(self, download_id: int) -> Download:
        """Hold a download until it is resumed."""
        request = pb.PauseDownloadRequest(download_id=download_id)
        with self._errors():
            response = self._stub.PauseDownload(request, timeout=UNARY_TIMEOUT_SECONDS)
        return download_from_wire(response.download)

    def resume(self, download_id: int) -> Download:
        """Let a paused download wait for its turn again."""
        request = pb.ResumeDownloadRequest(download_id=download_id)
        with self._errors():
            response = self._stub.ResumeDownload(request, timeout=UNARY_TIMEOUT_SECONDS)
        return download_from_wire(response.download)

    def retry(self, download_id: int) -> Download:
        """Try a download again now."""
        request = pb.RetryDownloadRequest(download_id=download_id)
        with self._errors():
            response = self._stub.RetryDownload(request, timeout=UNARY_TIMEOUT_SECONDS)
        return download_from_wire(response.download)

    def cancel(self, download_id: int) -> Download:
        """Give a download up."""
        request = pb.CancelDownloadRequest(download_id=download_id)
        with self._errors():
            response = self._stub.CancelDownload(request, timeout=UNARY_TIMEOUT_SECONDS)
        return download_from_wire(response.download)

    def move(
        self, download_id: int, *, priority: int | None = None, position: int | None = None
    ) -> Download:
        """Change a download's priority, or its position in the queue (1 is the next)."""
        request = pb.MoveDownloadRequest(download_id=download_id)
        if priority is not None:
            request.priority = priority
        if position is not None:
            request.position = position
        with self._errors():
            response = self._stub.MoveDownload(request, timeout=UNARY_TIMEOUT_SECONDS)
        return download_from_wire(response.download)

    def set_limits(
        self, *, upload_limit: int | None = None, download_limit: int | None = None
    ) -> Limits:
        """Change how fast the peer may send and receive until it ends.

        Args:
            upload_limit: bytes a second; 0: no limit; none: as it is.
            download_limit: the same for what it receives.

        Returns:
            The limits after the change.

        Raises:
            InvalidRequest: one is too low to be kept; neither is changed then.
        """
        request = pb.SetLimitsRequest(upload_limit=upload_limit, download_limit=download_limit)
        with self._errors():
            limits = self._stub.SetLimits(request, timeout=UNARY_TIMEOUT_SECONDS)
        return Limits(limits.upload_limit, limits.download_limit)

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with translated("peer", self._socket):
            try:
                yield
            except ValueError as error:  # what gRPC says of a channel that another thread closed
                if not self._closed:
                    raise
                raise Unreachable(what="peer", address=self._socket, detail="closed") from error
