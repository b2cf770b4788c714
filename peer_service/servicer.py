"""The public Peer service: what other peers and trackers ask of this one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Protocol

import grpc

from peer_service import wire
from peer_service.clients import Client
from peer_service.grants import Pace, expected_rate, grant
from peer_service.library.model import OfferedVideo
from peer_service.partial import PartialVideo
from peer_service.slots import UploadSlots
from peer_service.upload_limiter import UploadLimiter
from peer_service.uploads import Upload, UploadCounters
from peer_service.watchers import Watchers
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import OffsetOutOfRange, PieceMissing, ReaderStalled
from videoteca_core.rpc.server import caller_address

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Peer"].full_name

STALL_SECONDS: Final = 120.0
"""A write that does not go through for so long ends its stream. It waits until the reader has read
most of a window (4 MiB), which one that keeps to the least download limit does in 80 seconds."""

_Context = grpc.aio.ServicerContext[Any, Any]


class Videos(Protocol):
    """What is shared."""

    def find_offered(self, *, name: str = "", video_id: str = "") -> OfferedVideo:
        """The video of that name or id, or the download of it.

        Raises:
            VideoUnknown, InvalidName, InvalidVideoId: see their classes.
        """


class Prover(Protocol):
    """What vouches for this peer."""

    def answer(self, challenge: bytes, name: str, endpoint: Endpoint) -> bytes:
        """The proof that this peer registered that name at that address.

        Raises:
            NotThisPeer: it did not.
        """


class PeerServicer:
    """Serves what is shared to whoever asks.

    Args:
        library: what is shared.
        slots: how many may be sent at once.
        identity: answers challenges.
        counters: where to count what is sent.
        limit: how fast it is sent.
        stall_seconds: how long a reader may not read.

    Attributes:
        watchers: those who watch which pieces are here.
    """

    def __init__(
        self,
        library: Videos,
        slots: UploadSlots,
        identity: Prover,
        counters: UploadCounters,
        *,
        limit: UploadLimiter,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.watchers = Watchers(lambda video_id: library.find_offered(video_id=video_id))
        self._library = library
        self._slots = slots
        self._identity = identity
        self._counters = counters
        self._limit = limit
        self._stall_seconds = stall_seconds
        self._pace = Pace()
        self._readers = ThreadPoolExecutor(slots.limit, thread_name_prefix="upload")

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve with that server, in place of the generated function of the same purpose.

        That one would serialise the chunks, which are serialised already.
        """
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "FetchVideo": grpc.unary_stream_rpc_method_handler(
                self.FetchVideo, pb.FetchVideoRequest.FromString, bytes
            ),
            "GetManifest": grpc.unary_unary_rpc_method_handler(
                self.GetManifest,
                pb.GetManifestRequest.FromString,
                pb.GetManifestResponse.SerializeToString,
            ),
            "Identify": grpc.unary_unary_rpc_method_handler(
                self.Identify, pb.IdentifyRequest.FromString, pb.IdentifyResponse.SerializeToString
            ),
            "WatchPieces": grpc.unary_stream_rpc_method_handler(
                self.WatchPieces,
                pb.WatchPiecesRequest.FromString,
                pb.WatchPiecesResponse.SerializeToString,
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    def close(self) -> None:
        """Let the threads that read end; no call may be running."""
        self._readers.shutdown(wait=False)

    async def FetchVideo(
        self, request: pb.FetchVideoRequest, context: _Context
    ) -> AsyncIterator[bytes]:
        """See the protocol; the messages are serialised already."""
        asked = wire.fetch_request_from_wire(request)
        _available(self._find(asked.video), asked)
        client = _client(context)
        last_rate = self._pace.asked(client)
        async with self._slots.hold(client) as slot:
            video = self._find(asked.video)  # while it waited, more of it may have come, or all
            header = self._header(video, asked, client, last_rate)
            offset, granted = header.offset_bytes, header.granted_bytes
            with contextlib.closing(Upload(video, offset, granted, self._readers)) as upload:
                await upload.open()
                watch = _StallWatch(self._stall_seconds, slot.release, upload.close)
                with watch:
                    yield wire.fetch_header_to_wire(header)
                pace = self._pace.granted(client)
                limited = self._limit.limited(upload.chunks(), client)
                async with contextlib.aclosing(limited) as chunks:
                    async for chunk in chunks:
                        with watch:
                            yield wire.chunk_to_wire(chunk)
                        pace.sent_bytes += len(chunk)
                        self._counters.uploaded_bytes += len(chunk)

    def _header(
        self,
        video: OfferedVideo,
        asked: wire.FetchRequest,
        client: Client,
        last_rate: float | None,
    ) -> wire.FetchHeader:
        """What a client that has a slot is going to be sent."""
        manifest, limit = video.manifest, self._limit.rate
        granted = grant(
            asked.offset_bytes,
            _available(video, asked),
            manifest.piece_size,
            rate=expected_rate(last_rate, limit, self._slots.in_use),
            others_wait=self._slots.others_wait(client),
        )
        return wire.FetchHeader(
            size_bytes=manifest.size_bytes,
            video_id=manifest.video_id,
            piece_size_bytes=manifest.piece_size,
            offset_bytes=asked.offset_bytes,
            granted_bytes=granted,
            upload_limit=limit,
        )

    async def GetManifest(
        self, request: pb.GetManifestRequest, context: _Context
    ) -> pb.GetManifestResponse:
        """See the protocol."""
        return wire.manifest_to_wire(self._find(wire.video_key_from_wire(request)).manifest)

    async def WatchPieces(
        self, request: pb.WatchPiecesRequest, context: _Context
    ) -> AsyncIterator[pb.WatchPiecesResponse]:
        """See the protocol."""
        first = True
        video_id = wire.watched_video_from_wire(request)
        watching = self.watchers.watch(video_id, _client(context).address)
        async with contextlib.aclosing(watching) as news:
            async for pieces in news:
                yield wire.piece_news_to_wire(pieces, first=first)
                first = False

    async def Identify(self, request: pb.IdentifyRequest, context: _Context) -> pb.IdentifyResponse:
        """See the protocol."""
        asked = wire.challenge_from_wire(request)
        proof = self._identity.answer(asked.challenge, asked.name, asked.endpoint)
        return pb.IdentifyResponse(proof=proof)

    def _find(self, key: wire.VideoKey) -> OfferedVideo:
        return self._library.find_offered(name=key.name, video_id=key.video_id)


def _client(context: _Context) -> Client:
    """Who asks."""
    caller = caller_address(context)
    return Client(caller.host if caller else "", context.peer())


def _available(video: OfferedVideo, asked: wire.FetchRequest) -> int:
    """How many bytes of the range that is asked for are here, without a gap.

    Raises:
        OffsetOutOfRange: the range begins beyond the end.
        PieceMissing: it begins in a piece that is not here yet.
    """
    manifest, offset = video.manifest, asked.offset_bytes
    if offset > manifest.size_bytes:
        raise OffsetOutOfRange(offset_bytes=offset, size_bytes=manifest.size_bytes)
    wanted = manifest.size_bytes - offset
    if asked.length_bytes is not None:
        wanted = min(wanted, asked.length_bytes)
    if not wanted or not isinstance(video, PartialVideo):
        return wanted
    first = offset // manifest.piece_size
    run = video.pieces.run_length(first)
    if not run:
        raise PieceMissing(name=video.name, piece=first)
    return min(wanted, (first + run) * manifest.piece_size - offset)


class _StallWatch:
    """Bounds the time of each write, which is what the body of its block waits for.

    A reader that stalls loses what it holds at once. It is told when it reads on after all:
    before that nothing reaches it, and gRPC lets no server end a call that is being written to.

    Args:
        seconds: how long a write may take.
        give_up: what takes back what the reader holds.

    Raises:
        ReaderStalled: at the end of a block that took too long.
    """

    def __init__(self, seconds: float, *give_up: Callable[[], None]) -> None:
        self._seconds = seconds
        self._give_up = give_up
        self._stalled = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(self._seconds, self._stall)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._stalled and not error:
            raise ReaderStalled(seconds=f"{self._seconds:g}")

    def _stall(self) -> None:
        self._stalled = True
        for give_up in self._give_up:
            give_up()
