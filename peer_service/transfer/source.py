"""One source: the calls to one peer, watched so that none hangs and none is believed blindly."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import grpc

from peer_service import wire
from peer_service.stop import Stopped, check
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    Aborted,
    BadSource,
    InvalidRequest,
    NoUploadSlot,
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

STALL_SECONDS: Final = 10.0
"""A stream that brings nothing for so long is given up: keepalive does not find a hung peer."""

_FETCH_VIDEO: Final = f"/{pb.DESCRIPTOR.services_by_name['Peer'].full_name}/FetchVideo"
_TURN_FACTOR: Final = 1.5  # before the header we may wait for our turn, with nothing to see
_LOOK_SECONDS: Final = 0.1
_NEVER: Final = float("inf")
_BELIEVED: Final = (VideoUnknown, NoUploadSlot, Aborted, Unavailable)
"""What a peer may say of itself; anything else from it is a failure of its own, never of ours."""


class PeerSource:
    """A peer from which videos are fetched, one call at a time.

    Args:
        endpoint: where it answers.
        name: what to call it in errors.
        stop: ends the call under way when it is set.
        stall_seconds: how long a stream may bring nothing.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        name: str,
        stop: threading.Event,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.name = name
        self._endpoint = endpoint
        self._stop = stop
        self._stall_seconds = stall_seconds
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

    @contextmanager
    def fetch(self, manifest: Manifest, offset: int, length: int) -> Iterator["Stream"]:
        """Ask for a range, in bytes, and read what is granted of it inside the block.

        Raises:
            BadSource: the header does not answer what was asked.
            VideoUnknown, NoUploadSlot, Aborted, Unavailable, RemoteFailure: the peer refuses.
            Stopped: asked to stop.
        """
        check(self._stop)
        call = self._fetch_video(
            pb.FetchVideoRequest(
                video_id=manifest.video_id, offset_bytes=offset, length_bytes=length
            )
        )
        with self._watched(call) as watch:
            stream = Stream(self, call, watch, self._stall_seconds)
            stream.start(manifest, offset, length)
            yield stream

    @contextmanager
    def _watched(self, call: Any) -> Iterator["_Watch"]:  # noqa: ANN401 - a Call, and maybe a Future
        watch = _Watch(call, self._stop)
        watch.start()
        try:
            yield watch
        except grpc.FutureCancelledError:
            raise Stopped from None
        except grpc.RpcError as error:
            raise self._translated(error, watch) from error
        finally:
            watch.end()
            call.cancel()

    def _translated(self, error: Any, watch: "_Watch") -> Exception:  # noqa: ANN401 - see from_rpc_error
        if self._stop.is_set():
            return Stopped()
        if watch.stalled:
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
    """

    def __init__(self, source: PeerSource, call: Any, watch: "_Watch", patience: float) -> None:  # noqa: ANN401 - see PeerSource
        self._source = source
        self._messages = call
        self._watch = watch
        self._patience = patience
        self.granted = 0

    def start(self, manifest: Manifest, offset: int, length: int) -> None:
        """Read the header.

        Raises:
            BadSource: it does not answer what was asked.
        """
        header = self._next(self._patience * _TURN_FACTOR)
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
        while (chunk := self._next(self._patience)) is not None:
            if isinstance(chunk, wire.FetchHeader) or not 0 < len(chunk) <= MAX_CHUNK_BYTES:
                raise self._source.bad(N_("a message that is not a chunk"))
            left -= len(chunk)
            if left < 0:
                raise self._source.bad(N_("more than it granted"))
            yield chunk
        if left:
            raise self._source.bad(N_("less than it granted"))

    def _next(self, patience: float) -> wire.FetchHeader | memoryview | None:
        self._watch.waiting(patience)
        message: wire.FetchHeader | memoryview | None = next(self._messages, None)
        self._watch.received()
        return message


class _Watch(threading.Thread):
    """Cancels a call that brings nothing for too long, or when it is time to stop."""

    def __init__(self, call: grpc.Call, stop: threading.Event) -> None:
        super().__init__(name="source-watch", daemon=True)
        self.stalled = False
        self._call = call
        self._stop_asked = stop
        self._over = threading.Event()
        self._deadline = _NEVER

    def waiting(self, seconds: float) -> None:
        """The peer has to bring something within so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    def received(self) -> None:
        """It did: while we are at work ourselves nothing is asked of it."""
        self._deadline = _NEVER

    def end(self) -> None:
        """The call is over."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Watch until the call is over."""
        while not self._over.wait(_LOOK_SECONDS):
            self.stalled = time.monotonic() > self._deadline
            if self.stalled or self._stop_asked.is_set():
                self._call.cancel()
                return
