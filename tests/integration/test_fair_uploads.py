"""Slots and the upload limit are shared fairly among those who fetch, over real gRPC."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from peer_service.limits import LEAST_LIMIT
from tests.calling import MIB, answers, fetch
from tests.sharing import Sharing, sharing
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import NoUploadSlot, VideoUnknown

BIG = pb.FetchVideoRequest(name="big.mp4")
HERE, THERE = "127.0.0.1", "::1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shared"
    path.mkdir()
    (path / "clip.mp4").write_bytes(b"clip")
    (path / "big.mp4").touch()
    os.truncate(path / "big.mp4", 300 * MIB)
    return path


@contextlib.contextmanager
def serving(tmp_path: Path, folder: Path, **options: Any) -> Iterator[Sharing]:
    with sharing(tmp_path / "peer.db", folder, listen=Endpoint("::", 0), **options) as peer:
        peer.wait_shared("big.mp4", "clip.mp4")
        yield peer


def test_one_connection_does_not_get_the_last_slot(tmp_path: Path, folder: Path) -> None:
    with (
        serving(tmp_path, folder, slots=3) as peer,
        peer.stub(HERE) as greedy,
        peer.stub(HERE) as other,
    ):
        calls = [greedy.FetchVideo(BIG) for _ in range(10)]
        eventually(lambda: (peer.slots.in_use, peer.slots.waiting) == (2, 8))
        assert fetch(other, name="clip.mp4")[1] == b"clip"
        assert (peer.slots.in_use, peer.slots.waiting) == (2, 8)
        for call in calls:
            call.cancel()
        eventually(lambda: (peer.slots.in_use, peer.slots.waiting) == (0, 0))


def test_many_connections_from_one_address_do_not_keep_another_waiting(
    tmp_path: Path, folder: Path
) -> None:
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(serving(tmp_path, folder, slots=3))
        peer.slots._wait_seconds = 30
        calls = []
        for _ in range(6):
            stub = stack.enter_context(peer.stub(HERE))
            calls.append(stub.FetchVideo(BIG))
            eventually(lambda: peer.slots.in_use + peer.slots.waiting == len(calls))
        other = stack.enter_context(peer.stub(THERE))
        last = other.FetchVideo(BIG)
        eventually(lambda: (peer.slots.in_use, peer.slots.waiting) == (3, 4))
        calls[0].cancel()
        assert next(last).header.granted_bytes  # it came last, and is served first
        assert (peer.slots.in_use, peer.slots.waiting) == (3, 3)


def test_who_asks_again_is_not_behind_those_who_came_later(tmp_path: Path, folder: Path) -> None:
    with (
        serving(tmp_path, folder, slots=1) as peer,
        peer.stub() as ana,
        peer.stub() as berta,
        peer.stub() as clara,
    ):
        first = ana.FetchVideo(BIG)
        next(first)
        peer.slots._wait_seconds = 0.05
        with answers(grpc.StatusCode.RESOURCE_EXHAUSTED, NoUploadSlot):
            fetch(berta, name="clip.mp4")
        peer.slots._wait_seconds = 30
        late = clara.FetchVideo(BIG)
        eventually(lambda: peer.slots.waiting == 1)
        again = berta.FetchVideo(BIG)
        eventually(lambda: peer.slots.waiting == 2)
        first.cancel()
        assert next(again).header.granted_bytes
        assert peer.slots.waiting == 1
        late.cancel()


def test_what_takes_no_slot_is_answered_while_all_are_taken(tmp_path: Path, folder: Path) -> None:
    with serving(tmp_path, folder, slots=1) as peer, peer.stub() as stub:
        call = stub.FetchVideo(BIG)
        next(call)
        waiting = stub.FetchVideo(BIG)
        eventually(lambda: peer.slots.waiting == 1)
        manifest = stub.GetManifest(pb.GetManifestRequest(name="big.mp4"), timeout=10)
        watched = pb.WatchPiecesRequest(video_id=manifest.video_id)
        (news,) = stub.WatchPieces(watched, timeout=10)
        assert news.bitmap == b"\xff" * 37 + b"\x0f"
        with answers(grpc.StatusCode.NOT_FOUND, VideoUnknown):
            fetch(stub, name="nothing.mp4")  # that need not wait
        waiting.cancel()
        call.cancel()


class Reading:
    """Reads streams in threads, and counts."""

    def __init__(self) -> None:
        self.bytes = 0
        self.chunk = 0  # bytes of the last one
        self._calls: list[Any] = []
        self._threads: list[threading.Thread] = []

    def begin(self, stub: PeerStub, streams: int = 1) -> None:
        for _ in range(streams):
            call = stub.FetchVideo(BIG)
            self._calls.append(call)
            self._threads.append(threading.Thread(target=self._read, args=[call]))
            self._threads[-1].start()

    def _read(self, call: Any) -> None:
        with contextlib.suppress(grpc.RpcError):  # it is cancelled in the end
            for part in call:
                self.chunk = len(part.chunk)
                self.bytes += self.chunk

    def end(self) -> None:
        for call in self._calls:
            call.cancel()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("connections", [1, 3])
def test_a_client_with_many_streams_has_no_more_of_the_limit_than_one_with_one(
    tmp_path: Path, folder: Path, connections: int
) -> None:
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(serving(tmp_path, folder, slots=16, upload_limit=8_000_000))
        many, one = Reading(), Reading()
        stack.callback(many.end)
        stack.callback(one.end)
        for _ in range(connections):
            many.begin(stack.enter_context(peer.stub(HERE)), 6 // connections)
        one.begin(stack.enter_context(peer.stub(THERE)))
        eventually(lambda: peer.slots.in_use == 7)
        before = many.bytes, one.bytes
        eventually(lambda: many.bytes + one.bytes - sum(before) > 8_000_000)
        theirs, its = many.bytes - before[0], one.bytes - before[1]
        assert 0.35 < its / (theirs + its) < 0.65


def test_the_limit_is_kept_and_is_told(tmp_path: Path, folder: Path) -> None:
    limit = 4_000_000
    with serving(tmp_path, folder, upload_limit=limit) as peer, peer.stub() as stub:
        started = time.monotonic()
        header, data = fetch(stub, name="big.mp4", length_bytes=limit)
        assert time.monotonic() - started > 0.6  # a second, but for a burst and the last chunk
        assert header.upload_limit == limit
        assert len(data) == limit
        peer.limit.rate = 0
        assert fetch(stub, name="clip.mp4")[0].upload_limit == 0


def test_a_limit_that_is_changed_holds_for_a_stream_that_runs(tmp_path: Path, folder: Path) -> None:
    with serving(tmp_path, folder, upload_limit=8_000_000) as peer, peer.stub() as stub:
        reading = Reading()
        reading.begin(stub)
        for rate in (4_000_000, LEAST_LIMIT, 1_000_000):
            peer.limit.rate = rate
            eventually(lambda: 0 < reading.chunk <= 0.2 * peer.limit.rate)  # the old ones are sent
            assert_kept(peer, rate)
        peer.limit.rate = 0
        eventually(lambda: peer.slots.in_use == 0)
        reading.end()


def assert_kept(peer: Sharing, rate: int) -> None:
    """What is sent in the next moment is not more than the limit allows, and is something."""
    before, started = peer.counters.uploaded_bytes, time.monotonic()
    eventually(lambda: peer.counters.uploaded_bytes - before > 0.4 * rate)
    sent = peer.counters.uploaded_bytes - before
    assert sent <= rate * (time.monotonic() - started + 0.3)


def test_who_waits_for_the_limit_does_not_stall(tmp_path: Path, folder: Path) -> None:
    with (
        serving(tmp_path, folder, upload_limit=LEAST_LIMIT, stall_seconds=0.2) as peer,
        peer.stub() as stub,
    ):
        asked = pb.FetchVideoRequest(name="big.mp4", length_bytes=12_000)
        calls = [stub.FetchVideo(asked) for _ in range(7)]  # a turn comes each 0.6 s
        for call in calls:
            assert sum(len(part.chunk) for part in call) == 12_000
