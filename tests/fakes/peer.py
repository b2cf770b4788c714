"""A peer that answers as a test tells it to: honestly, slowly, wrongly, or not at all."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tests.videos import manifest_of
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import VideotecaError
from videoteca_core.rpc.options import MAX_CHUNK_BYTES
from videoteca_core.rpc.status import to_status

Messages = Iterable[pb.FetchVideoResponse]


class FakePeer(videoteca_pb2_grpc.PeerServicer):
    """Serves one video.

    Attributes:
        alter: makes of the honest messages of a stream what is really sent; may raise a
            VideotecaError to end it.
        alter_manifest: the same for the manifest.
        fetches: the offset and length of each range that was asked for.
        sent_bytes: bytes of chunks sent.
        hold: streams that hang wait for it.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.manifest = manifest_of(data)
        self.alter: Callable[[Messages], Messages] = lambda messages: messages
        self.alter_manifest: Callable[[pb.GetManifestResponse], None] = lambda _answer: None
        self.fetches: list[tuple[int, int]] = []
        self.manifests = 0
        self.sent_bytes = 0
        self.hold = threading.Event()
        self.endpoint = Endpoint("127.0.0.1", 1)

    def Identify(self, request: pb.IdentifyRequest, context: Any) -> pb.IdentifyResponse:  # noqa: ARG002, N802 - the protocol's
        """Prove nothing."""
        return pb.IdentifyResponse()

    def GetManifest(self, request: pb.GetManifestRequest, context: Any) -> pb.GetManifestResponse:  # noqa: ARG002, N802 - the protocol's
        """Answer the manifest."""
        self.manifests += 1
        answer = pb.GetManifestResponse(
            video_id=self.manifest.video_id,
            size_bytes=self.manifest.size_bytes,
            piece_size_bytes=self.manifest.piece_size,
            piece_digests=self.manifest.piece_digests,
        )
        with _errors(context):
            self.alter_manifest(answer)
        return answer

    def FetchVideo(  # noqa: N802 - the protocol's
        self, request: pb.FetchVideoRequest, context: Any
    ) -> Iterator[pb.FetchVideoResponse]:
        """Stream what ``alter`` makes of the range."""
        self.fetches.append((request.offset_bytes, request.length_bytes))
        with _errors(context):
            for message in self.alter(self._honest(request)):
                yield message
                self.sent_bytes += len(message.chunk)

    def hang(self, messages: Messages, after: int) -> Messages:
        """Send so many messages, and then nothing more."""
        for number, message in enumerate(messages):
            if number == after:
                self.hold.wait(60)
                return
            yield message

    def _honest(self, request: pb.FetchVideoRequest) -> Messages:
        offset, end = request.offset_bytes, request.offset_bytes + request.length_bytes
        yield pb.FetchVideoResponse(
            header=pb.FetchVideoHeader(
                size_bytes=self.manifest.size_bytes,
                video_id=self.manifest.video_id,
                piece_size_bytes=self.manifest.piece_size,
                offset_bytes=offset,
                granted_bytes=end - offset,
            )
        )
        for at in range(offset, end, MAX_CHUNK_BYTES):
            yield pb.FetchVideoResponse(chunk=self.data[at : min(at + MAX_CHUNK_BYTES, end)])


@contextlib.contextmanager
def fake_peer(data: bytes) -> Iterator[FakePeer]:
    """A fake peer that serves the video on a free port of loopback."""
    peer = FakePeer(data)
    server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
    videoteca_pb2_grpc.add_PeerServicer_to_server(peer, server)
    peer.endpoint = Endpoint("127.0.0.1", server.add_insecure_port("127.0.0.1:0"))
    server.start()
    try:
        yield peer
    finally:
        peer.hold.set()
        server.stop(None).wait()


@contextlib.contextmanager
def _errors(context: Any) -> Iterator[None]:
    try:
        yield
    except VideotecaError as error:
        status = to_status(error)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        context.abort(code, status.message)
