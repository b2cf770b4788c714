"""The messages that a tracker and its callers exchange, to and from plain records."""

from collections.abc import Iterable, Iterator

from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.catalogue import (
    InfoPage,
    Lease,
    LocatedVideo,
    Registration,
    Source,
    VideoQuery,
    VideoSummary,
)
from videoteca_core.errors import InvalidInput
from videoteca_core.rpc.wire import (
    endpoint_from_wire,
    endpoint_to_wire,
    reachability_from_wire,
    reachability_to_wire,
    state_from_wire,
    state_to_wire,
)


def registration_to_wire(registration: Registration) -> pb.RegisterRequest:
    """The request of a registration."""
    return pb.RegisterRequest(
        name=registration.name,
        host=registration.host,
        port=registration.port,
        instance_key=registration.instance_key,
        tracker_id=registration.tracker_id,
        claim_code=registration.claim_code,
    )


def registration_from_wire(message: pb.RegisterRequest) -> Registration:
    """The registration of a request."""
    return Registration(
        name=message.name,
        host=message.host,
        port=message.port,
        instance_key=message.instance_key,
        tracker_id=message.tracker_id,
        claim_code=message.claim_code,
    )


def lease_to_wire(lease: Lease) -> pb.RegisterResponse:
    """The response of a lease."""
    return pb.RegisterResponse(
        peer_id=lease.peer_id,
        tracker_id=lease.tracker_id,
        lease_seconds=lease.seconds,
        holdings_digest=lease.holdings_digest,
        token=lease.token,
        endpoint=endpoint_to_wire(lease.endpoint) if lease.endpoint else None,
        reachability=reachability_to_wire(lease.reachability),
    )


def lease_from_wire(message: pb.RegisterResponse) -> Lease:
    """The lease of a response."""
    return Lease(
        peer_id=message.peer_id,
        tracker_id=message.tracker_id,
        seconds=message.lease_seconds,
        holdings_digest=message.holdings_digest,
        reachability=reachability_from_wire(message.reachability),
        endpoint=endpoint_from_wire(message.endpoint) if message.HasField("endpoint") else None,
        token=message.token,
    )


def page_to_wire(page: InfoPage) -> pb.InfoResponse:
    """The response of a page."""
    return pb.InfoResponse(
        videos=[
            pb.VideoSummary(
                name=video.name,
                video_id=video.video_id,
                size_bytes=video.size_bytes,
                holders=video.holders,
                online=video.online,
            )
            for video in page.videos
        ],
        next_page_token=page.next_page_token,
    )


def page_from_wire(message: pb.InfoResponse) -> InfoPage:
    """The page of a response."""
    return InfoPage(
        videos=tuple(
            VideoSummary(
                name=video.name,
                video_id=video.video_id,
                size_bytes=video.size_bytes,
                holders=video.holders,
                online=video.online,
            )
            for video in message.videos
        ),
        next_page_token=message.next_page_token,
    )


def query_to_wire(query: VideoQuery) -> pb.LocateRequest:
    """The request of a query."""
    if query.name:
        return pb.LocateRequest(name=query.name, owner=query.owner)
    return pb.LocateRequest(video_id=query.video_id, owner=query.owner)


def query_from_wire(message: pb.LocateRequest) -> VideoQuery:
    """The query of a request."""
    return VideoQuery(name=message.name, video_id=message.video_id, owner=message.owner)


def located_to_wire(video: LocatedVideo) -> pb.LocatedVideo:
    """The message of a located video."""
    return pb.LocatedVideo(
        name=video.name,
        video_id=video.video_id,
        size_bytes=video.size_bytes,
        sources=[
            pb.Source(
                peer_name=source.peer_name,
                state=state_to_wire(source.state),
                endpoints=map(endpoint_to_wire, source.endpoints),
            )
            for source in video.sources
        ],
        owners=video.owners,
        holders=video.holders,
    )


def located_from_wire(message: pb.LocatedVideo) -> LocatedVideo:
    """The located video of a message, without endpoints that are none and states that are none.

    One source that a tracker tells wrongly must not keep us from the others.
    """
    return LocatedVideo(
        name=message.name,
        video_id=message.video_id,
        size_bytes=message.size_bytes,
        sources=tuple(_sources_from_wire(message.sources)),
        owners=tuple(message.owners),
        holders=message.holders,
    )


def _sources_from_wire(messages: Iterable[pb.Source]) -> Iterator[Source]:
    for message in messages:
        try:
            endpoints = tuple(map(endpoint_from_wire, message.endpoints))
            yield Source(message.peer_name, state_from_wire(message.state), endpoints)
        except InvalidInput:
            continue
