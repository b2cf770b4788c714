"""The life of a gRPC server: options, errors, health, reflection, binding, graceful stop."""

import asyncio
import contextlib
import errno
import os
import socket
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from videoteca_core.addresses import Endpoint, ip_address
from videoteca_core.errors import (
    AddressNotHere,
    InternalError,
    InvalidAddress,
    InvalidRequest,
    LocalTrouble,
    OutOfOrder,
    PortInUse,
    VideotecaError,
)
from videoteca_core.rpc.options import SERVER_OPTIONS
from videoteca_core.rpc.status import to_status
from videoteca_core.text import N_

_log: Final = structlog.get_logger()
_END_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 0.05
# Quoted: only for type checkers does grpc's class take type arguments.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_Parse: TypeAlias = Callable[[bytes], Any] | None
_Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]]


class Server:
    """An asyncio gRPC server whose servicers raise VideotecaErrors.

    Make it inside the event loop, add servicers to :attr:`grpc`, then :meth:`start` and at the
    end :meth:`stop`.

    Args:
        services: full names of the services, to be reflected and reported healthy; none for a
            server that shows nothing of itself.
    """

    def __init__(self, services: Sequence[str] = ()) -> None:
        self._calls: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        interceptor = _ErrorInterceptor(self._calls)
        self.grpc = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
        self._services = services
        self._health = health.aio.HealthServicer()

    async def start(self, where: Endpoint | Path) -> int:
        """Bind and serve.

        Args:
            where: an endpoint (port 0 for any free port) or the path of a Unix domain socket.

        Returns:
            The port; 1 for a socket.

        Raises:
            PortInUse: another program listens there.
            AddressNotHere: the address is not this machine's, or may not be bound.
        """
        if self._services:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
            names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self.grpc)
            for name in ("", *self._services):
                await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        if isinstance(where, Endpoint):
            _check_free(where)
        try:
            port = self.grpc.add_insecure_port(
                f"unix:{where}" if isinstance(where, Path) else str(where)
            )
        except RuntimeError as error:
            raise PortInUse(address=where) from error
        await self.grpc.start()
        return port

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new calls, let running ones finish for that long, then end them."""
        if self._services:
            await self._health.enter_graceful_shutdown()
        await self.grpc.stop(grace_seconds)
        # Calls that it cut off need a moment more; the end of the loop would let them print.
        if self._calls:
            await asyncio.wait(self._calls, timeout=_END_SECONDS)
            await asyncio.sleep(_SETTLE_SECONDS)


def _check_free(where: Endpoint) -> None:
    """Bind for a moment: gRPC only says that it could not, not why."""
    family = socket.AF_INET if where.ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((where.host, where.port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(address=where) from error
            raise AddressNotHere(address=where, detail=os.strerror(error.errno or 0)) from error


def caller_address(context: grpc.aio.ServicerContext[Any, Any]) -> Endpoint | None:
    """Where a call came from; none when it came over a Unix domain socket."""
    scheme, _, rest = unquote(context.peer()).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return None
    host, _, port = rest.rpartition(":")
    try:
        return Endpoint(str(ip_address(host.strip("[]").partition("%")[0])), int(port))
    except (InvalidAddress, ValueError):
        return None


def bearer_token(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """The token that a call carries; empty without one."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                return token.strip()
    return ""


class _ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers VideotecaErrors with their status, and anything else without its details.

    Args:
        calls: where to note the tasks of the calls.
    """

    def __init__(self, calls: "weakref.WeakSet[asyncio.Task[Any]]") -> None:
        self._calls = calls

    async def intercept_service(
        self, continuation: _Continuation, details: grpc.HandlerCallDetails
    ) -> _Handler:
        task = asyncio.current_task()
        assert task
        self._calls.add(task)
        handler = await continuation(details)
        if handler is None or details.method.startswith("/grpc."):
            return handler
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                _guard_unary(handler.unary_unary, handler.request_deserializer, details.method),
                response_serializer=handler.response_serializer,
            )
        assert handler.unary_stream
        return grpc.unary_stream_rpc_method_handler(
            _guard_stream(handler.unary_stream, handler.request_deserializer, details.method),
            response_serializer=handler.response_serializer,
        )


# The guards parse the requests: what gRPC would answer to a malformed one names our classes.


def _guard_unary(behaviour: Callable[..., Any], parse: _Parse, method: str) -> Callable[..., Any]:
    async def guarded(request: bytes, context: Any) -> Any:  # noqa: ANN401 - any message
        async with _guard(context, method):
            return await behaviour(_parsed(parse, request), context)

    return guarded


def _guard_stream(behaviour: Callable[..., Any], parse: _Parse, method: str) -> Callable[..., Any]:
    async def guarded(request: bytes, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401
        async with (
            _guard(context, method),
            contextlib.aclosing(behaviour(_parsed(parse, request), context)) as all_,
        ):
            async for response in all_:
                yield response

    return guarded


def _parsed(parse: _Parse, request: bytes) -> Any:  # noqa: ANN401 - any message
    try:
        return parse(request) if parse else request
    except DecodeError as error:
        raise InvalidRequest(field="request", problem=N_("not a message of this call")) from error


@contextlib.asynccontextmanager
async def _guard(context: Any, method: str) -> AsyncIterator[None]:  # noqa: ANN401
    try:
        yield
    except LocalTrouble as error:
        if caller_address(context) is None:  # this machine's own user
            await _answer(context, error)
        _log.error("failed", method=method, caller=context.peer(), problem=str(error))
        await _answer(context, OutOfOrder())
    except VideotecaError as error:
        await _answer(context, error)
    except grpc.aio.AbortError:  # a servicer ended the call itself
        raise
    except Exception:  # noqa: BLE001 - whatever it is must not reach the caller
        _log.exception("failed", method=method, caller=context.peer())
        await _answer(context, InternalError())


async def _answer(context: Any, error: VideotecaError) -> NoReturn:  # noqa: ANN401
    status = to_status(error)
    metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    await context.abort(code, status.message, metadata)
    raise AssertionError
