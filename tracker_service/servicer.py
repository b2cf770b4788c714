"""The service Tracker: decode, call the catalogue, encode."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
import structlog

from tracker_service import wire
from tracker_service.catalog import Catalog
from tracker_service.dialback import DialBack
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc as pb_grpc
from videoteca_core.addresses import IpAddress
from videoteca_core.errors import InvalidAddress, VideotecaError
from videoteca_core.rpc.server import bearer_token, caller_address
from videoteca_core.rpc.wire import holding_from_wire
from videoteca_core.text import N_

SERVICE_NAME: Final = "videoteca.v1.Tracker"

_Context = grpc.aio.ServicerContext[Any, Any]
_log: Final = structlog.get_logger()


class TrackerServicer(pb_grpc.TrackerServicer):
    """Answers the calls of peers."""

    def __init__(self, catalog: Catalog, dial_back: DialBack) -> None:
        self._catalog = catalog
        self._dial_back = dial_back

    async def Register(self, request: pb.RegisterRequest, context: _Context) -> pb.RegisterResponse:
        """Register a peer, or renew its lease, and dial it back where that is due."""
        with _noted("Register", context):
            caller = _caller(context)
            registered = await self._catalog.register(
                wire.registration_from_wire(request), bearer_token(context), caller
            )
        lease = registered.lease
        note = _log.info if registered.is_change else _log.debug
        note(
            "registered" if registered.is_change else "renewed",
            peer=request.name,
            address=str(lease.endpoint) if lease.endpoint else None,
            reachability=lease.reachability.value,
            caller=str(caller),
        )
        if registered.dial:
            self._dial_back.start(registered.dial, caller)
        return wire.lease_to_wire(lease)

    async def Publish(self, request: pb.PublishRequest, context: _Context) -> pb.PublishResponse:
        """Add or update holdings of the caller."""
        with _noted("Publish", context):
            answer = await self._catalog.publish(
                bearer_token(context),
                [holding_from_wire(holding) for holding in request.holdings],
                replaces_all=request.replaces_all,
            )
        _log.info(
            "published",
            peer=answer.peer_name,
            videos=len(request.holdings),
            replaces_all=request.replaces_all,
        )
        return pb.PublishResponse(holdings_digest=answer.value)

    async def Withdraw(self, request: pb.WithdrawRequest, context: _Context) -> pb.WithdrawResponse:
        """Take holdings of the caller back."""
        with _noted("Withdraw", context):
            answer = await self._catalog.withdraw(bearer_token(context), request.names)
        _log.info("withdrawn", peer=answer.peer_name, videos=len(request.names))
        return pb.WithdrawResponse(holdings_digest=answer.value)

    async def Leave(self, request: pb.LeaveRequest, context: _Context) -> pb.LeaveResponse:
        """End the caller's lease."""
        with _noted("Leave", context):
            answer = await self._catalog.leave(bearer_token(context))
        _log.info("left", peer=answer.peer_name)
        return pb.LeaveResponse()

    async def Info(self, request: pb.InfoRequest, context: _Context) -> pb.InfoResponse:
        """List videos of the catalogue."""
        with _noted("Info", context):
            answer = await self._catalog.info(
                bearer_token(context),
                request.query,
                request.page_size,
                request.page_token,
                _caller(context),
            )
        page = answer.value
        _log.info("asked", peer=answer.peer_name, query=request.query, videos=len(page.videos))
        return wire.page_to_wire(page)

    async def Locate(self, request: pb.LocateRequest, context: _Context) -> pb.LocateResponse:
        """Find a video and its live sources."""
        query = wire.query_from_wire(request)
        with _noted("Locate", context):
            answer = await self._catalog.locate(bearer_token(context), query, _caller(context))
        sources = sum(len(video.sources) for video in answer.value)
        _log.info("asked", peer=answer.peer_name, video=str(query), sources=sources)
        return pb.LocateResponse(videos=map(wire.located_to_wire, answer.value))


def _caller(context: _Context) -> IpAddress:
    endpoint = caller_address(context)
    if endpoint is None:
        raise InvalidAddress(address=context.peer(), problem=N_("not an IP address"))
    return endpoint.ip


@contextmanager
def _noted(call: str, context: _Context) -> Iterator[None]:
    """Log a call that is refused or breaks off."""
    try:
        yield
    except VideotecaError as error:
        _log.info("refused", call=call, caller=context.peer(), reason=error.reason)
        raise
    except asyncio.CancelledError:
        _log.warning("connection lost", call=call, caller=context.peer())
        raise
