"""Messages that several services share, to and from the plain words behind them."""

from typing import Final

from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Holding, HoldingState, Reachability
from videoteca_core.errors import InvalidRequest
from videoteca_core.text import N_

_STATE_TO_WIRE: Final = {
    HoldingState.COMPLETE: pb.HOLDING_STATE_COMPLETE,
    HoldingState.PARTIAL: pb.HOLDING_STATE_PARTIAL,
}
_STATE_FROM_WIRE: Final = {
    pb.HOLDING_STATE_UNSPECIFIED: HoldingState.COMPLETE,
    **{wire: state for state, wire in _STATE_TO_WIRE.items()},
}
_REACHABILITY_TO_WIRE: Final = {
    Reachability.NOT_SERVING: pb.REACHABILITY_NOT_SERVING,
    Reachability.PENDING: pb.REACHABILITY_PENDING,
    Reachability.PROVED: pb.REACHABILITY_PROVED,
    Reachability.UNREACHABLE: pb.REACHABILITY_UNREACHABLE,
}
_REACHABILITY_FROM_WIRE: Final = {wire: known for known, wire in _REACHABILITY_TO_WIRE.items()}


def state_to_wire(state: HoldingState) -> pb.HoldingState.ValueType:
    """The message of a holding's state."""
    return _STATE_TO_WIRE[state]


def state_from_wire(state: pb.HoldingState.ValueType) -> HoldingState:
    """A holding's state.

    Raises:
        InvalidRequest: a number that stands for none.
    """
    if state not in _STATE_FROM_WIRE:
        raise InvalidRequest(field="state", problem=N_("not a state of a holding"))
    return _STATE_FROM_WIRE[state]


def reachability_to_wire(reachability: Reachability) -> pb.Reachability.ValueType:
    """The message of a reachability."""
    return _REACHABILITY_TO_WIRE[reachability]


def reachability_from_wire(reachability: pb.Reachability.ValueType) -> Reachability:
    """A reachability; a later tracker's unknown ones count as pending."""
    return _REACHABILITY_FROM_WIRE.get(reachability, Reachability.PENDING)


def endpoint_to_wire(endpoint: Endpoint) -> pb.Endpoint:
    """The message of an endpoint."""
    return pb.Endpoint(host=endpoint.host, port=endpoint.port)


def endpoint_from_wire(message: pb.Endpoint) -> Endpoint:
    """An endpoint.

    Raises:
        InvalidAddress: the host is no IP literal, or the port out of range.
    """
    return Endpoint.of(message.host, message.port)


def holding_to_wire(holding: Holding) -> pb.Holding:
    """The message of a holding."""
    return pb.Holding(
        name=holding.name,
        video_id=holding.video_id,
        size_bytes=holding.size_bytes,
        pieces_root=holding.pieces_root,
        state=state_to_wire(holding.state),
    )


def holding_from_wire(message: pb.Holding) -> Holding:
    """A holding, its values as they came.

    Raises:
        InvalidRequest: its state is not known.
    """
    return Holding(
        name=message.name,
        video_id=message.video_id,
        size_bytes=message.size_bytes,
        pieces_root=message.pieces_root,
        state=state_from_wire(message.state),
    )
