"""The messages of Control, to and from the plain words behind them."""

from collections.abc import Mapping
from typing import Final

from peer_service.downloads.model import Download, DownloadState
from peer_service.status import PeerStatus, SkippedFile
from peer_service.transfer.model import HeldBack, SourceReport, SourceState
from videoteca.v1 import control_pb2 as pb
from videoteca_core.catalogue import VideoQuery
from videoteca_core.errors import InvalidRequest
from videoteca_core.rpc.wire import (
    endpoint_from_wire,
    endpoint_to_wire,
    holding_from_wire,
    holding_to_wire,
    reachability_from_wire,
    reachability_to_wire,
)
from videoteca_core.text import encodable

_STATE_TO_WIRE: Final = {
    DownloadState.WAITING: pb.DOWNLOAD_STATE_WAITING,
    DownloadState.RUNNING: pb.DOWNLOAD_STATE_RUNNING,
    DownloadState.PAUSED: pb.DOWNLOAD_STATE_PAUSED,
    DownloadState.DONE: pb.DOWNLOAD_STATE_DONE,
    DownloadState.FAILED: pb.DOWNLOAD_STATE_FAILED,
    DownloadState.CANCELLED: pb.DOWNLOAD_STATE_CANCELLED,
}
_STATE_FROM_WIRE: Final = {wire: state for state, wire in _STATE_TO_WIRE.items()}

_SOURCE_TO_WIRE: Final = {
    SourceState.CONNECTING: pb.SOURCE_STATE_CONNECTING,
    SourceState.FETCHING: pb.SOURCE_STATE_FETCHING,
    SourceState.WAITING: pb.SOURCE_STATE_WAITING,
    SourceState.IDLE: pb.SOURCE_STATE_IDLE,
    SourceState.DROPPED: pb.SOURCE_STATE_DROPPED,
    SourceState.LEFT: pb.SOURCE_STATE_LEFT,
}
_SOURCE_FROM_WIRE: Final = {wire: state for state, wire in _SOURCE_TO_WIRE.items()}

_HELD_BACK_TO_WIRE: Final = {
    None: pb.HELD_BACK_UNSPECIFIED,
    HeldBack.OUR_LIMIT: pb.HELD_BACK_OUR_LIMIT,
    HeldBack.THEIR_LIMIT: pb.HELD_BACK_THEIR_LIMIT,
    HeldBack.THEIR_SLOTS: pb.HELD_BACK_THEIR_SLOTS,
    HeldBack.NETWORK: pb.HELD_BACK_NETWORK,
    HeldBack.DISK: pb.HELD_BACK_DISK,
    HeldBack.NO_SOURCE: pb.HELD_BACK_NO_SOURCE,
}
_HELD_BACK_FROM_WIRE: Final = {wire: held for held, wire in _HELD_BACK_TO_WIRE.items()}


def _encodable(fields: Mapping[str, str]) -> dict[str, str]:
    return {key: encodable(value) for key, value in fields.items()}


def download_to_wire(download: Download) -> pb.Download:
    """The message of a download."""
    return pb.Download(
        download_id=download.download_id,
        name=download.name,
        video_id=download.video_id,
        size_bytes=download.size_bytes,
        state=_STATE_TO_WIRE[download.state],
        verified_bytes=download.verified_bytes,
        priority=download.priority,
        failed_tries=download.failed_tries,
        reason=download.reason,
        message=download.message,
        fields=_encodable(download.fields),
        sources=map(_source_to_wire, download.sources),
        held_back=_HELD_BACK_TO_WIRE[download.held_back],
        rate=download.rate,
        path=encodable(download.path),
        owner=download.owner,
    )


def _source_to_wire(source: SourceReport) -> pb.DownloadSource:
    return pb.DownloadSource(
        peer=source.peer,
        address=source.address,
        bytes=source.bytes,
        rate=source.rate,
        state=_SOURCE_TO_WIRE[source.state],
        reason=source.reason,
        message=source.message,
        fields=_encodable(source.fields),
    )


def _source_from_wire(message: pb.DownloadSource) -> SourceReport:
    return SourceReport(
        peer=message.peer,
        address=message.address,
        bytes=message.bytes,
        rate=message.rate,
        state=_SOURCE_FROM_WIRE[message.state],
        reason=message.reason,
        message=message.message,
        fields=dict(message.fields),
    )


def download_from_wire(message: pb.Download) -> Download:
    """A download."""
    return Download(
        download_id=message.download_id,
        name=message.name,
        video_id=message.video_id,
        size_bytes=message.size_bytes,
        owner=message.owner,
        state=_STATE_FROM_WIRE[message.state],
        verified_bytes=message.verified_bytes,
        priority=message.priority,
        failed_tries=message.failed_tries,
        reason=message.reason,
        message=message.message,
        fields=dict(message.fields),
        sources=tuple(map(_source_from_wire, message.sources)),
        held_back=_HELD_BACK_FROM_WIRE[message.held_back],
        rate=message.rate,
        path=message.path,
    )


def query_to_wire(query: VideoQuery, priority: int) -> pb.EnqueueRequest:
    """The message that asks for a video."""
    if query.video_id:
        return pb.EnqueueRequest(video_id=query.video_id, owner=query.owner, priority=priority)
    return pb.EnqueueRequest(name=query.name, owner=query.owner, priority=priority)


def query_from_wire(message: pb.EnqueueRequest) -> VideoQuery:
    """Which video is asked for.

    Raises:
        InvalidRequest: none is.
    """
    if not (message.name or message.video_id):
        raise InvalidRequest(field="video", problem="a name or an id is missing")
    return VideoQuery(name=message.name, video_id=message.video_id, owner=message.owner)


def status_to_wire(status: PeerStatus) -> pb.GetStatusResponse:
    """The message of a peer's status."""
    return pb.GetStatusResponse(
        name=status.name,
        peer_id=status.peer_id,
        tracker=status.tracker,
        registered=status.registered,
        problem=status.problem,
        problem_reason=status.problem_reason,
        problem_fields=_encodable(status.problem_fields),
        reachability=reachability_to_wire(status.reachability),
        endpoint=endpoint_to_wire(status.endpoint) if status.endpoint else None,
        listen_port=status.listen_port,
        shared_folders=map(encodable, status.shared_folders),
        received_folder=encodable(status.received_folder),
        shared=map(holding_to_wire, status.shared),
        skipped=[
            pb.SkippedFile(
                path=file.path, reason=file.reason, message=file.message, fields=file.fields
            )
            for file in status.skipped
        ],
        hashing=status.hashing,
        hashing_bytes=status.hashing_bytes,
        hashed_bytes=status.hashed_bytes,
        uploads=status.uploads,
        max_uploads=status.max_uploads,
        uploaded_bytes=status.uploaded_bytes,
        downloaded_bytes=status.downloaded_bytes,
        downloads=[
            pb.DownloadCount(state=_STATE_TO_WIRE[state], count=count)
            for state, count in status.downloads.items()
        ],
        pid=status.pid,
        upload_limit=status.upload_limit,
        download_limit=status.download_limit,
    )


def status_from_wire(message: pb.GetStatusResponse) -> PeerStatus:
    """A peer's status."""
    return PeerStatus(
        name=message.name,
        peer_id=message.peer_id,
        tracker=message.tracker,
        registered=message.registered,
        problem=message.problem,
        problem_reason=message.problem_reason,
        problem_fields=dict(message.problem_fields),
        reachability=reachability_from_wire(message.reachability),
        endpoint=endpoint_from_wire(message.endpoint) if message.HasField("endpoint") else None,
        listen_port=message.listen_port,
        shared_folders=tuple(message.shared_folders),
        received_folder=message.received_folder,
        shared=tuple(map(holding_from_wire, message.shared)),
        skipped=tuple(
            SkippedFile(file.path, file.reason, file.message, dict(file.fields))
            for file in message.skipped
        ),
        hashing=message.hashing,
        hashing_bytes=message.hashing_bytes,
        hashed_bytes=message.hashed_bytes,
        uploads=message.uploads,
        max_uploads=message.max_uploads,
        uploaded_bytes=message.uploaded_bytes,
        downloaded_bytes=message.downloaded_bytes,
        downloads={_STATE_FROM_WIRE[each.state]: each.count for each in message.downloads},
        pid=message.pid,
        upload_limit=message.upload_limit,
        download_limit=message.download_limit,
    )
