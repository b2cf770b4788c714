"""A peer that answers nothing but Identify, truly or not."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.identity import proof
from videoteca_core.rpc.server import Server

Answer = Callable[[pb.IdentifyRequest], bytes]


def truthful(instance_key: bytes) -> Answer:
    """Answers as the peer that has this key."""

    def answer(request: pb.IdentifyRequest) -> bytes:
        endpoint = Endpoint(request.endpoint.host, request.endpoint.port)
        return proof(instance_key, request.challenge, request.name, endpoint)

    return answer


class IdentifyServer:
    """Serves Identify and remembers what it was asked.

    Args:
        answer: the proof for a request.
        host: the address to listen on.
        port: the port to listen on; 0 for any free one.
        seconds: how long it takes for an answer.
    """

    def __init__(
        self, answer: Answer, host: str = "127.0.0.1", port: int = 0, seconds: float = 0
    ) -> None:
        self.asked: list[pb.IdentifyRequest] = []
        self._answer = answer
        self._where = Endpoint(host, port)
        self._seconds = seconds

    async def start(self) -> Endpoint:
        self._server = Server()
        method = grpc.unary_unary_rpc_method_handler(
            self._identify,
            pb.IdentifyRequest.FromString,
            pb.IdentifyResponse.SerializeToString,
        )
        peer = grpc.method_handlers_generic_handler("videoteca.v1.Peer", {"Identify": method})
        self._server.grpc.add_generic_rpc_handlers((peer,))
        return Endpoint(self._where.host, await self._server.start(self._where))

    async def stop(self) -> None:
        await self._server.stop(0)

    async def _identify(self, request: pb.IdentifyRequest, _context: Any) -> pb.IdentifyResponse:
        self.asked.append(request)
        await asyncio.sleep(self._seconds)
        return pb.IdentifyResponse(proof=self._answer(request))
