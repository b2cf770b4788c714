"""Channels go where they are told, straight there."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerServicer, PeerStub, add_PeerServicer_to_server
from videoteca_core.addresses import Endpoint
from videoteca_core.rpc.channel import asyncio_channel, bearer, target
from videoteca_core.rpc.server import Server, bearer_token


def test_a_target_is_an_ip_literal_or_a_socket() -> None:
    assert target(Endpoint("192.0.2.7", 1030)) == "ipv4:192.0.2.7:1030"
    assert target(Endpoint("2001:db8::1", 1030)) == "ipv6:[2001:db8::1]:1030"
    assert target(Path("/run/v/control.sock")) == "unix:/run/v/control.sock"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_proxy_of_the_environment_is_ignored(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def scenario() -> None:
        server = Server(["videoteca.v1.Peer"])
        port = await server.start(Endpoint(host, 0))
        async with asyncio_channel(Endpoint(host, port)) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        await server.stop(0)

    asyncio.run(scenario())


class Echo(PeerServicer):
    """Answers each GetManifest with the token that came with it."""

    async def GetManifest(  # noqa: N802 - the name of the rpc
        self,
        request: pb.GetManifestRequest,  # noqa: ARG002 - the signature of the rpc
        context: Any,
    ) -> pb.GetManifestResponse:
        return pb.GetManifestResponse(video_id=bearer_token(context))

    def FetchVideo(self, request: pb.FetchVideoRequest, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    def WatchPieces(self, request: pb.WatchPiecesRequest, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    def Identify(self, request: pb.IdentifyRequest, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError


@pytest.mark.parametrize(
    ("metadata", "token"),
    [
        (bearer("abc"), "abc"),
        (bearer(""), ""),
        ((), ""),
        ((("authorization", "bearer abc"),), "abc"),
        ((("authorization", "BEARER  abc "),), "abc"),
        ((("authorization", "Basic abc"),), ""),
        ((("authorization", "abc"),), ""),
        ((("authorization", "Bearer"),), ""),
        ((("authorization-bin", b"Bearer abc"),), ""),
    ],
)
def test_a_token_travels_as_metadata(metadata: tuple[tuple[str, str], ...], token: str) -> None:
    async def scenario() -> str:
        server = Server()
        add_PeerServicer_to_server(Echo(), server.grpc)
        port = await server.start(Endpoint("127.0.0.1", 0))
        async with asyncio_channel(Endpoint("127.0.0.1", port)) as channel:
            answer = await PeerStub(channel).GetManifest(
                pb.GetManifestRequest(), metadata=metadata, timeout=5
            )
        await server.stop(0)
        return answer.video_id

    assert asyncio.run(scenario()) == token
