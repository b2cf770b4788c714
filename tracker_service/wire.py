"""The messages that a tracker and its callers exchange, to and from plain records."""

from typing import Final

from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import (
    Holding,
    HoldingState,
    InfoPage,
    Lease,
    LocatedVideo,
    Reachability,
    Registration,
    Source,
    VideoQuery,
    VideoSummary,
)
from videoteca_core.errors import InvalidRequest
from videoteca_core.text import N_

_STATES: Final = {
    HoldingState.COMPLETE: pb.HOLDING_STATE_COMPLETE,
    HoldingState.PARTIAL: pb.HOLDING_STATE_PARTIAL,
}
_STATES_BACK: Final = {number: state for state, number in _STATES.items()} | {
    pb.HOLDING_STATE_UNSPECIFIED: HoldingState.COMPLETE
}
_REACHABILITY: Final = {
    Reachability.NOT_SERVING: pb.REACHABILITY_NOT_SERVING,
    Reachability.PENDING: pb.REACHABILITY_PENDING,
    Reachability.PROVED: pb.REACHABILITY_PROVED,
    Reachability.UNREACHABLE: pb.REACHABILITY_UNREACHABLE,
}
_REACHABILITY_BACK: Final = {number: found for found, number in _REACHABILITY.items()}


def endpoint_to_wire(endpoint: Endpoint) -> pb.Endpoint:
    """The message of an endpoint."""
    return pb.Endpoint(host=endpoint.host, port=endpoint.port)


def endpoint_from_wire(message: pb.Endpoint) -> Endpoint:
    """The endpoint of a message.

    Raises:
        InvalidAddress: it is not an IP literal and a port.
    """
    return Endpoint.of(message.host, message.port)


def holding_to_wire(holding: Holding) -> pb.Holding:
    """The message of a holding."""
    return pb.Holding(
        name=holding.name,
        video_id=holding.video_id,
        size_bytes=holding.size_bytes,
        pieces_root=holding.pieces_root,
        state=_STATES[holding.state],
    )


def holding_from_wire(message: pb.Holding) -> Holding:
    """The holding of a message; its name and id are yet to be checked.

    Raises:
        InvalidRequest: its state is none of this protocol's.
    """
    return Holding(
        name=message.name,
        video_id=message.video_id,
        size_bytes=message.size_bytes,
        pieces_root=message.pieces_root,
        state=_state_from_wire(message.state),
    )


def _state_from_wire(number: int) -> HoldingState:
    for known, state in _STATES_BACK.items():
        if known == number:
            return state
    raise InvalidRequest(field="state", problem=N_("not a state of a holding"))


def reachability_to_wire(reachability: Reachability) -> "pb.Reachability.ValueType":
    """The message's value of a reachability."""
    return _REACHABILITY[reachability]


def reachability_from_wire(number: "pb.Reachability.ValueType") -> Reachability:
    """The reachability of a message's value; one that a later version added is pending."""
    return _REACHABILITY_BACK.get(number, Reachability.PENDING)


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
                state=_STATES[source.state],
                endpoints=map(endpoint_to_wire, source.endpoints),
            )
            for source in video.sources
        ],
        owners=video.owners,
        holders=video.holders,
    )


def located_from_wire(message: pb.LocatedVideo) -> LocatedVideo:
    """The located video of a message.

    Raises:
        InvalidAddress: a source's endpoint is not an IP literal and a port.
    """
    return LocatedVideo(
        name=message.name,
        video_id=message.video_id,
        size_bytes=message.size_bytes,
        sources=tuple(
            Source(
                peer_name=source.peer_name,
                state=_state_from_wire(source.state),
                endpoints=tuple(map(endpoint_from_wire, source.endpoints)),
            )
            for source in message.sources
        ),
        owners=tuple(message.owners),
        holders=message.holders,
    )
