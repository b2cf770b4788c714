"""A peer that answers as a test tells it to: honestly, slowly, wrongly, or not at all."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import grpc

from peer_service import wire
from peer_service.pieces import PieceSet
from tests.videos import manifest_of
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import PieceMissing, VideotecaError
from videoteca_core.manifest import Manifest
from videoteca_core.rpc.options import MAX_CHUNK_BYTES
from videoteca_core.rpc.status import to_status

Messages = Iterable[pb.FetchVideoResponse]
News = Iterable[pb.WatchPiecesResponse]

_CALLS: Final = 40
_STEP_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.1


class Content(Protocol):
    """The bytes of a video."""

    def __getitem__(self, part: slice, /) -> bytes: ...


class FakePeer(videoteca_pb2_grpc.PeerServicer):
    """Serves one video, or the pieces of it that it has.

    Attributes:
        alter: makes of the honest messages of a stream what is really sent; may raise a
            VideotecaError to end it.
        alter_manifest: the same for the manifest.
        alter_pieces: the same for the news of its pieces.
        rate: bytes a second that each stream sends, in small chunks; 0: as fast as it goes.
        upload_limit: what its headers say of its limit.
        fetches: the offset and length of each range that was asked for.
        manifests: how often the manifest was asked for.
        watchers: how many watch its pieces now.
        sent_bytes: bytes of chunks sent, or about to be.
        hold: streams that hang wait for it.
    """

    def __init__(self, data: Content, manifest: Manifest | None = None) -> None:
        self.data = data
        self.manifest = manifest or manifest_of(data[:])
        self.alter: Callable[[Messages], Messages] = lambda messages: messages
        self.alter_manifest: Callable[[pb.GetManifestResponse], None] = lambda _answer: None
        self.alter_pieces: Callable[[News], News] = lambda news: news
        self.rate = 0.0
        self.upload_limit = 0
        self.fetches: list[tuple[int, int]] = []
        self.manifests = 0
        self.watchers = 0
        self.sent_bytes = 0
        self.hold = threading.Event()
        self.endpoint = Endpoint("127.0.0.1", 1)
        self._changed = threading.Condition()
        self._has = PieceSet.full(self.manifest.piece_count)

    @property
    def is_partial(self) -> bool:
        """Whether it lacks pieces."""
        return not self._has.is_full

    def has_only(self, *pieces: int) -> None:
        """Lack all other pieces. To be called before anybody watches."""
        self._has = PieceSet(self.manifest.piece_count)
        self.gain(*pieces)

    def gain(self, *pieces: int) -> None:
        """Have these besides, and tell those who watch."""
        with self._changed:
            for piece in pieces:
                self._has.add(piece)
            self._changed.notify_all()

    def Identify(self, request: pb.IdentifyRequest, context: Any) -> pb.IdentifyResponse:  # noqa: ARG002, N802 - the protocol's
        """Prove nothing."""
        return pb.IdentifyResponse()

    def GetManifest(self, request: pb.GetManifestRequest, context: Any) -> pb.GetManifestResponse:  # noqa: ARG002, N802 - the protocol's
        """Answer the manifest."""
        self.manifests += 1
        answer = wire.manifest_to_wire(self.manifest)
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
                self.sent_bytes += len(message.chunk)
                yield message

    def WatchPieces(  # noqa: N802 - the protocol's
        self,
        request: pb.WatchPiecesRequest,  # noqa: ARG002 - it serves one video
        context: Any,
    ) -> Iterator[pb.WatchPiecesResponse]:
        """Stream what ``alter_pieces`` makes of the news."""
        self.watchers += 1
        try:
            with _errors(context):
                yield from self.alter_pieces(self._news(context))
        finally:
            self.watchers -= 1

    def hang(self, messages: Messages, after: int) -> Messages:
        """Send so many messages, and then nothing more."""
        for number, message in enumerate(messages):
            if number == after:
                self.hold.wait(60)
                return
            yield message

    def _honest(self, request: pb.FetchVideoRequest) -> Messages:
        offset, length, size = request.offset_bytes, request.length_bytes, self.manifest.piece_size
        run = self._has.run_length(offset // size)
        if not run:
            raise PieceMissing(name="clip.mp4", piece=offset // size)
        end = min(offset + length, (offset // size + run) * size)
        yield pb.FetchVideoResponse(
            header=pb.FetchVideoHeader(
                size_bytes=self.manifest.size_bytes,
                video_id=self.manifest.video_id,
                piece_size_bytes=size,
                offset_bytes=offset,
                granted_bytes=end - offset,
                upload_limit=self.upload_limit,
            )
        )
        at = offset
        while at < end:
            rate = self.rate
            step = int(min(rate * _STEP_SECONDS or MAX_CHUNK_BYTES, MAX_CHUNK_BYTES))
            chunk = self.data[at : min(at + max(1, step), end)]
            yield pb.FetchVideoResponse(chunk=chunk)
            at += len(chunk)
            if rate:
                self.hold.wait(len(chunk) / rate)

    def _news(self, context: Any) -> News:
        with self._changed:
            known = self._has.copy()
        yield wire.piece_news_to_wire(known, first=True)
        while not known.is_full and context.is_active() and not self.hold.is_set():
            with self._changed:
                if self._has == known:
                    self._changed.wait(_LOOK_SECONDS)
                now = self._has.copy()
            if len(new := now.without(known)):
                yield wire.piece_news_to_wire(new, first=False)
            known = now


@contextlib.contextmanager
def fake_peer(data: bytes) -> Iterator[FakePeer]:
    """A fake peer that serves the video on a free port of loopback."""
    peer = FakePeer(data)
    with served(peer):
        yield peer


@contextlib.contextmanager
def served(peer: FakePeer) -> Iterator[None]:
    """Let a fake peer answer on a free port of loopback."""
    server = grpc.server(ThreadPoolExecutor(_CALLS), options=(("grpc.so_reuseport", 0),))
    videoteca_pb2_grpc.add_PeerServicer_to_server(peer, server)
    peer.endpoint = Endpoint("127.0.0.1", server.add_insecure_port("127.0.0.1:0"))
    server.start()
    try:
        yield
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
