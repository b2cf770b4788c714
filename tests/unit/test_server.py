"""A server binds what it is told, shows itself, leaks nothing and stops gracefully."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, cast

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerServicer, PeerStub, add_PeerServicer_to_server
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    AddressNotHere,
    FileChanged,
    FileUnreadable,
    InvalidRequest,
    OutOfOrder,
    PortInUse,
    Unreachable,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.rpc.channel import asyncio_channel
from videoteca_core.rpc.server import Server, caller_address
from videoteca_core.rpc.status import translated

ANY_PORT: Final = Endpoint("127.0.0.1", 0)
PEER: Final = "videoteca.v1.Peer"
SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


class OddPeer(PeerServicer):
    """Does what the name that it is asked for says."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.closed = asyncio.Event()

    async def GetManifest(  # noqa: N802 - the name of the rpc
        self, request: pb.GetManifestRequest, context: Any
    ) -> pb.GetManifestResponse:
        match request.name:
            case "unknown":
                raise VideoUnknown(video="unknown")
            case "bug":
                raise RuntimeError("the password is xyzzy")
            case "disk":
                raise FileUnreadable(path="/secret/tracker.db", detail="it is away")
            case "foreign":
                async with asyncio_channel(Endpoint("127.0.0.1", 1)) as channel:
                    await PeerStub(channel).GetManifest(request, timeout=5)
            case "own":
                await context.abort(grpc.StatusCode.DATA_LOSS, "as the servicer says")
            case "caller":
                return pb.GetManifestResponse(video_id=str(caller_address(context)))
            case "big":
                return pb.GetManifestResponse(piece_digests=bytes(5 << 20))
        return pb.GetManifestResponse()

    async def FetchVideo(  # noqa: N802 - the name of the rpc
        self,
        request: pb.FetchVideoRequest,
        context: Any,  # noqa: ARG002 - the signature of the rpc
    ) -> AsyncIterator[pb.FetchVideoResponse]:
        try:
            yield pb.FetchVideoResponse(chunk=b"first")
            if request.name == "changed":
                raise FileChanged(name="clip.mp4")
            if request.name == "bug":
                raise RuntimeError("the password is xyzzy")
            await self.go_on.wait()
            yield pb.FetchVideoResponse(chunk=b"last")
        finally:
            self.closed.set()

    def WatchPieces(self, request: pb.WatchPiecesRequest, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def Identify(  # noqa: N802 - the name of the rpc
        self, request: pb.IdentifyRequest, context: Any
    ) -> pb.IdentifyResponse:
        raise NotImplementedError


Scenario = Callable[[Server, OddPeer, Any], Coroutine[Any, Any, None]]


def run(scenario: Scenario, where: Endpoint | Path = ANY_PORT) -> None:
    """Run a scenario against a server with an odd peer."""

    async def all_of_it() -> None:
        server, peer = Server([PEER]), OddPeer()
        add_PeerServicer_to_server(peer, server.grpc)
        port = await server.start(where)
        there = Endpoint(where.host, port) if isinstance(where, Endpoint) else where
        async with asyncio_channel(there) as channel:
            await scenario(server, peer, PeerStub(channel))
        await server.stop(0)

    asyncio.run(asyncio.wait_for(all_of_it(), 20))


async def start(where: Endpoint) -> None:
    """Start a server that is expected to fail."""
    await Server([PEER]).start(where)


def ask(stub: Any, name: str) -> Any:
    return stub.GetManifest(pb.GetManifestRequest(name=name), timeout=5)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Endpoint("127.0.0.1", other.getsockname()[1])
        with pytest.raises(PortInUse) as caught:
            asyncio.run(start(taken))
    assert str(taken) in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_two_servers_never_share_a_port(host: str) -> None:
    async def scenario() -> None:
        first = Server([PEER])
        port = await first.start(Endpoint(host, 0))
        with pytest.raises(PortInUse):
            await Server([PEER]).start(Endpoint(host, port))
        await first.stop(0)
        again = Server([PEER])
        assert await again.start(Endpoint(host, port)) == port
        await again.stop(0)

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(AddressNotHere) as caught:
        asyncio.run(start(Endpoint(host, 0)))
    assert str(Endpoint(host, 0)) in str(caught.value)


def test_errors_arrive_with_their_details() -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(stub, "unknown")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        status = rpc_status.from_call(cast("grpc.Call", caught.value))
        assert status is not None
        assert [detail.type_url.rpartition(".")[2] for detail in status.details] == [
            "ErrorInfo",
            "ResourceInfo",
        ]

    run(scenario)


def test_a_stream_can_end_with_an_error() -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        call = stub.FetchVideo(pb.FetchVideoRequest(name="changed"), timeout=5)
        assert (await call.read()).chunk == b"first"
        with pytest.raises(FileChanged), translated("peer", ANY_PORT):
            await call.read()

    run(scenario)


@pytest.mark.parametrize("name", ["bug", "foreign"])
def test_the_cause_of_an_internal_error_is_logged_and_not_told(name: str) -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        with structlog.testing.capture_logs() as log, pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(stub, name)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert caught.value.details() == "Internal error; the log has its cause."
        (entry,) = log
        assert entry["method"] == "/videoteca.v1.Peer/GetManifest"
        assert entry["exc_info"]

    run(scenario)


def test_the_troubles_of_a_machine_are_logged_there_and_not_told() -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        with (
            structlog.testing.capture_logs() as log,
            pytest.raises(OutOfOrder) as caught,
            translated("tracker", ANY_PORT),
        ):
            await ask(stub, "disk")
        assert "secret" not in str(caught.value)
        (entry,) = log
        assert "/secret/tracker.db" in entry["problem"]

    run(scenario)


def test_an_internal_error_in_a_stream_is_not_told_either() -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        call = stub.FetchVideo(pb.FetchVideoRequest(name="bug"), timeout=5)
        assert (await call.read()).chunk == b"first"
        with structlog.testing.capture_logs(), pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "xyzzy" not in str(caught.value)

    run(scenario)


@pytest.mark.parametrize("method", ["GetManifest", "FetchVideo"])
def test_a_request_that_is_no_message_is_refused_as_any_other(method: str) -> None:
    async def all_of_it() -> None:
        server = Server([PEER])
        add_PeerServicer_to_server(OddPeer(), server.grpc)
        port = await server.start(ANY_PORT)
        async with asyncio_channel(Endpoint(ANY_PORT.host, port)) as channel:
            path, rubbish = f"/{PEER}/{method}", cast("Any", b"\xff\xff")
            if method == "GetManifest":
                answer: Any = channel.unary_unary(path)(rubbish, timeout=5)
            else:
                answer = channel.unary_stream(path)(rubbish, timeout=5).read()
            with pytest.raises(InvalidRequest), translated("peer", ANY_PORT):
                await answer
        await server.stop(0)

    asyncio.run(all_of_it())


def test_a_servicer_may_end_a_call_itself() -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(stub, "own")
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS
        assert caught.value.details() == "as the servicer says"

    run(scenario)


def test_a_reader_that_leaves_ends_the_stream_in_silence() -> None:
    async def scenario(_: Server, peer: OddPeer, stub: Any) -> None:
        with structlog.testing.capture_logs() as log:
            call = stub.FetchVideo(pb.FetchVideoRequest(name="clip.mp4"))
            assert (await call.read()).chunk == b"first"
            call.cancel()
            await peer.closed.wait()
            assert (await ask(stub, "")).video_id == ""
        assert log == []

    run(scenario)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_servicer_learns_where_a_call_came_from(host: str) -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        assert (await ask(stub, "caller")).video_id.startswith(
            "[::1]:" if host == "::1" else f"{host}:"
        )

    run(scenario, Endpoint(host, 0))


def test_an_ipv4_caller_of_an_ipv6_server_has_its_ipv4_address() -> None:
    async def scenario() -> None:
        server = Server()
        add_PeerServicer_to_server(OddPeer(), server.grpc)
        port = await server.start(Endpoint("::", 0))
        async with asyncio_channel(Endpoint("127.0.0.1", port)) as channel:
            assert (await ask(PeerStub(channel), "caller")).video_id.startswith("127.0.0.1:")
        await server.stop(0)

    asyncio.run(scenario())


def test_a_server_on_a_socket_knows_no_address(tmp_path: Path) -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        assert (await ask(stub, "caller")).video_id == "None"

    run(scenario, tmp_path / "peer.sock")


def test_answers_on_a_socket_may_be_of_any_size(tmp_path: Path) -> None:
    async def scenario(_: Server, __: OddPeer, stub: Any) -> None:
        assert len((await ask(stub, "big")).piece_digests) == 5 << 20

    run(scenario, tmp_path / "socket")


def test_health_is_told_by_service() -> None:
    async def scenario() -> None:
        server = Server([PEER])
        port = await server.start(ANY_PORT)
        async with asyncio_channel(Endpoint("127.0.0.1", port)) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            for service in ("", PEER):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health.Check(health_pb2.HealthCheckRequest(service="videoteca.v1.Other"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        await server.stop(0)

    asyncio.run(scenario())


async def reflected(channel: grpc.aio.Channel) -> set[str]:
    """The names of the services that a server shows."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(cast("grpc.Channel", channel))
    calls: Any = stub.ServerReflectionInfo
    async for answer in calls(iter([request]), timeout=5):
        return {service.name for service in answer.list_services_response.service}
    return set()


def test_reflection_shows_what_is_served() -> None:
    async def scenario() -> None:
        server = Server([PEER])
        port = await server.start(ANY_PORT)
        async with asyncio_channel(Endpoint("127.0.0.1", port)) as channel:
            assert await reflected(channel) == {
                PEER,
                "grpc.health.v1.Health",
                "grpc.reflection.v1alpha.ServerReflection",
            }
        await server.stop(0)

    asyncio.run(scenario())


def test_a_server_that_shows_nothing_of_itself_is_mute() -> None:
    async def scenario() -> None:
        server = Server()
        port = await server.start(ANY_PORT)
        async with asyncio_channel(Endpoint("127.0.0.1", port)) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await reflected(channel)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        await server.stop(0)

    asyncio.run(scenario())


async def refusal(stub: Any) -> VideotecaError:
    """The error with which calls are refused, once they are."""
    while True:
        try:
            with translated("peer", ANY_PORT):
                await ask(stub, "")
        except VideotecaError as error:
            return error


def test_a_graceful_stop_lets_a_stream_end_and_refuses_new_calls() -> None:
    async def scenario(server: Server, peer: OddPeer, stub: Any) -> None:
        call = stub.FetchVideo(pb.FetchVideoRequest(name="clip.mp4"))
        assert (await call.read()).chunk == b"first"
        stopping = asyncio.create_task(server.stop(10))
        assert isinstance(await refusal(stub), Unreachable)
        assert not stopping.done()
        peer.go_on.set()
        assert (await call.read()).chunk == b"last"
        assert await call.code() is grpc.StatusCode.OK
        await stopping

    run(scenario)


def test_health_tells_of_a_stop_before_it_comes() -> None:
    async def scenario() -> None:
        server = Server([PEER])
        port = await server.start(ANY_PORT)
        async with asyncio_channel(Endpoint("127.0.0.1", port)) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest(service=PEER), timeout=10)
            assert (await watch.read()).status == SERVING
            stopping = asyncio.create_task(server.stop(10))
            assert (await watch.read()).status == NOT_SERVING
            watch.cancel()
            await stopping

    asyncio.run(scenario())


def test_a_stop_does_not_wait_for_ever() -> None:
    async def scenario(server: Server, peer: OddPeer, stub: Any) -> None:
        call = stub.FetchVideo(pb.FetchVideoRequest(name="clip.mp4"))
        await call.read()
        await server.stop(0.1)
        await peer.closed.wait()
        with contextlib.suppress(asyncio.CancelledError):  # how grpc.aio may end such a call
            assert await call.code() is not grpc.StatusCode.OK

    run(scenario)
