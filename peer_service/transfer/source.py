"""One source: the calls to one peer, watched so that none hangs and none is believed blindly."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import grpc

from peer_service import wire
from peer_service.pieces import PieceSet
from peer_service.stop import Stopped, check
from peer_service.transfer.watchdog import Watchdog, WatchedCall
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    Aborted,
    BadSource,
    Busy,
    InvalidRequest,
    PieceMissing,
    RemoteFailure,
    Unavailable,
    Unreachable,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.manifest import Manifest
from videoteca_core.rpc.channel import UNARY_TIMEOUT_SECONDS, blocking_channel
from videoteca_core.rpc.options import MAX_CHUNK_BYTES
from videoteca_core.rpc.status import from_rpc_error
from videoteca_core.text import N_

STALL_SECONDS: Final = 5.0
"""A source that brings nothing for so long is given up."""

_FETCH_VIDEO: Final = f"/{pb.DESCRIPTOR.services_by_name['Peer'].full_name}/FetchVideo"
_BELIEVED: Final = (VideoUnknown, PieceMissing, Busy, Aborted, Unavailable)
"""What a peer may say of itself; anything else from it is a failure of its own, never of ours."""


class Interrupted(Exception):
    """The call was ended by :meth:`PeerSource.interrupt`."""


class PeerSource:
    """A peer from which a video is fetched, one run of pieces at a time.

    Args:
        endpoint: where it answers.
        name: what to call it in errors.
        watchdog: looks after the calls.
        stop: ends the calls under way when it is set.
        stall_seconds: how long it may bring nothing.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        name: str,
        watchdog: Watchdog,
        stop: threading.Event,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        self._watchdog = watchdog
        self._stop = stop
        self._stall_seconds = stall_seconds
        self._guard = threading.Lock()
        self._fetching: WatchedCall | None = None
        self._channel = blocking_channel(endpoint)
        self._stub = videoteca_pb2_grpc.PeerStub(self._channel)
        # In place of the generated one, which would parse the chunks.
        self._fetch_video = self._channel.unary_stream(
            _FETCH_VIDEO, pb.FetchVideoRequest.SerializeToString, wire.fetch_response_from_wire
        )

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def manifest(self, video_id: str) -> Manifest:
        """The digests of a video's pieces, found to be those of its id.

        Raises:
            BadSource: they are not.
            VideoUnknown, Unavailable, RemoteFailure: the peer has no answer.
            Stopped: asked to stop.
        """
        check(self._stop)
        call = self._stub.GetManifest.future(
            pb.GetManifestRequest(video_id=video_id), timeout=UNARY_TIMEOUT_SECONDS
        )
        with self._watched(call):
            answer = call.result()
        try:
            return Manifest.checked(answer.size_bytes, answer.piece_digests, video_id)
        except InvalidRequest as error:
            raise self.bad(N_("a manifest that is not this video's")) from error

    def pieces(self, manifest: Manifest) -> Iterator[PieceSet]:
        """Which pieces the peer has: all of them at first, and then those that are new.

        Ends when it has them all.

        Raises:
            BadSource: it tells of pieces that are none.
            VideoUnknown, Busy, Unavailable, RemoteFailure: it does not tell, or no longer.
            Stopped: asked to stop.
        """
        check(self._stop)
        call = self._stub.WatchPieces(pb.WatchPiecesRequest(video_id=manifest.video_id))
        with self._watched(call) as watched:
            watched.waiting(self._stall_seconds)
            for message in call:
                watched.received()
                try:
                    yield wire.piece_news_from_wire(message, manifest.piece_count)
                except ValueError as error:
                    raise self.bad(N_("pieces that this video does not have")) from error

    @contextmanager
    def fetch(self, manifest: Manifest, offset: int, length: int) -> Iterator["Stream"]:
        """Ask for a range, in bytes, and read what is granted of it inside the block.

        Raises:
            BadSource: the header does not answer what was asked.
            VideoUnknown, PieceMissing, Busy, Aborted, Unavailable, RemoteFailure: the peer
                refuses.
            Interrupted: see :meth:`interrupt`.
            Stopped: asked to stop.
        """
        check(self._stop)
        call = self._fetch_video(
            pb.FetchVideoRequest(
                video_id=manifest.video_id, offset_bytes=offset, length_bytes=length
            )
        )
        with self._watched(call) as watched:
            with self._guard:
                self._fetching = watched
            try:
                stream = Stream(self, call, watched, self._stall_seconds)
                stream.start(manifest, offset, length)
                yield stream
            finally:
                with self._guard:
                    self._fetching = None

    def interrupt(self) -> None:
        """End the fetch under way, if there is one, from any thread."""
        with self._guard:
            if self._fetching:
                self._fetching.interrupt()

    @contextmanager
    def _watched(self, call: Any) -> Iterator[WatchedCall]:  # noqa: ANN401 - a Call, and maybe a Future
        with self._watchdog.watch(call) as watched:
            try:
                yield watched
            except grpc.FutureCancelledError:
                raise Stopped from None
            except grpc.RpcError as error:
                raise self._translated(error, watched) from error

    def _translated(self, error: Any, watched: WatchedCall) -> Exception:  # noqa: ANN401 - see from_rpc_error
        if self._stop.is_set():
            return Stopped()
        if watched.interrupted:
            return Interrupted()
        if watched.stalled:
            return self._unreachable(N_("it stopped sending"))
        if error.code() is grpc.StatusCode.CANCELLED:
            return self._unreachable(N_("it ended the call"))
        said: VideotecaError = from_rpc_error(error, "peer", self._endpoint)
        if isinstance(said, (*_BELIEVED, RemoteFailure)):
            return said
        return RemoteFailure(code=error.code().name, detail=said)

    def _unreachable(self, detail: str) -> Unreachable:
        return Unreachable(what="peer", address=self._endpoint, detail=detail)

    def bad(self, problem: str) -> BadSource:
        """The error that says that this source sent something wrong."""
        return BadSource(source=f"{self.name} ({self._endpoint})", problem=problem)


class Stream:
    """A range of a video on its way: iterate over its chunks.

    Attributes:
        granted: how many bytes the chunks add up to; fewer than asked for when it ends at a
            piece boundary.
        is_limited: whether the peer keeps to an upload limit.
    """

    def __init__(
        self,
        source: PeerSource,
        call: Any,  # noqa: ANN401 - see PeerSource
        watched: WatchedCall,
        patience: float,
    ) -> None:
        self._source = source
        self._messages = call
        self._watched = watched
        self._patience = patience
        self.granted = 0
        self.is_limited = False

    def start(self, manifest: Manifest, offset: int, length: int) -> None:
        """Read the header.

        Raises:
            BadSource: it does not answer what was asked.
        """
        header = self._next()
        if not isinstance(header, wire.FetchHeader):
            raise self._source.bad(N_("no header"))
        is_ours = (header.video_id, header.size_bytes, header.piece_size_bytes) == (
            manifest.video_id,
            manifest.size_bytes,
            manifest.piece_size,
        )
        if not is_ours or header.offset_bytes != offset:
            raise self._source.bad(N_("a header for something else"))
        self.granted = header.granted_bytes
        self.is_limited = header.upload_limit > 0
        if not 0 < self.granted <= length or (
            self.granted < length and (offset + self.granted) % manifest.piece_size
        ):
            raise self._source.bad(N_("a range that was not asked for"))

    def __iter__(self) -> Iterator[memoryview]:
        """The chunks, 1 byte to 1 MiB each.

        Raises:
            BadSource: they are not what the header promised.
            Aborted, Unavailable, RemoteFailure: the peer failed in the middle.
            Stopped: asked to stop.
        """
        left = self.granted
        while (chunk := self._next()) is not None:
            if isinstance(chunk, wire.FetchHeader) or not 0 < len(chunk) <= MAX_CHUNK_BYTES:
                raise self._source.bad(N_("a message that is not a chunk"))
            left -= len(chunk)
            if left < 0:
                raise self._source.bad(N_("more than it granted"))
            yield chunk
        if left:
            raise self._source.bad(N_("less than it granted"))

    def _next(self) -> wire.FetchHeader | memoryview | None:
        self._watched.waiting(self._patience)
        message: wire.FetchHeader | memoryview | None = next(self._messages, None)
        self._watched.received()
        return message
