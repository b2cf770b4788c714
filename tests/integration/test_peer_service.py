"""The public Peer service, over real gRPC and real files."""

import contextlib
import os
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from peer_service.library.reading import OpenVideo
from peer_service.servicer import SERVICE
from tests.calling import MIB, answers, fetch
from tests.sharing import Sharing, sharing
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    FileChanged,
    InvalidName,
    InvalidRequest,
    InvalidVideoId,
    NotThisPeer,
    NoUploadSlot,
    OffsetOutOfRange,
    ReaderStalled,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.identity import proof
from videoteca_core.manifest import Manifest
from videoteca_core.rpc.channel import blocking_channel

CLIP = "Canción.mp4"
DATA = os.urandom(3 * MIB + 12_345)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shared"
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / CLIP).write_bytes(DATA)
    (path / "empty.mp4").touch()
    return path


@pytest.fixture
def peer(folder: Path, tmp_path: Path) -> Iterator[Sharing]:
    with sharing(tmp_path / "peer.db", folder) as running:
        running.wait_shared(CLIP, "empty.mp4")
        yield running


@pytest.fixture
def stub(peer: Sharing) -> Iterator[PeerStub]:
    with peer.stub() as made:
        yield made


@pytest.fixture(params=["memory", "disk"])
def disk_or_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are in memory as far as the system has them there, or all have to be waited for."""
    if request.param == "disk":
        monkeypatch.setattr(OpenVideo, "read_cached", lambda *_: False)


def big_file(folder: Path, size: int = 300 * MIB) -> Path:
    """A file that no buffer on the way can take in whole."""
    hidden = folder / ".big.mp4"  # found only when it is whole
    hidden.touch()
    os.truncate(hidden, size)
    return hidden.rename(folder / "big.mp4")


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, None),
        (0, 1),
        (0, MIB),
        (0, len(DATA)),
        (MIB - 1, 2),
        (MIB + 7, 2 * MIB),
        (len(DATA) - 1, None),
        (len(DATA) - 1, 1 << 62),
        (5, (1 << 63) - 1),
        (len(DATA), None),
        (7, 0),
    ],
)
@pytest.mark.usefixtures("disk_or_memory")
def test_a_range_has_the_bytes_of_the_file(
    peer: Sharing,
    stub: PeerStub,
    offset: int,
    length: int | None,
) -> None:
    header, data = fetch(stub, name=CLIP, offset_bytes=offset, length_bytes=length)
    assert data == (DATA[offset:] if length is None else DATA[offset : offset + length])
    assert header == pb.FetchVideoHeader(
        size_bytes=len(DATA),
        video_id=peer.library.find(name=CLIP).holding.video_id,
        piece_size_bytes=MIB,
        offset_bytes=offset,
        granted_bytes=len(data),
    )
    eventually(lambda: peer.counters.uploaded_bytes == len(data))
    eventually(lambda: peer.slots.in_use == 0)


def test_a_video_is_fetched_by_id_and_by_any_form_of_its_name(
    peer: Sharing, stub: PeerStub
) -> None:
    video_id = peer.library.find(name=CLIP).holding.video_id
    assert fetch(stub, video_id=video_id)[1] == DATA
    assert fetch(stub, name=unicodedata.normalize("NFD", CLIP))[1] == DATA
    header, data = fetch(stub, name="empty.mp4")
    assert (header.granted_bytes, data) == (0, b"")


def test_the_manifest_follows_from_the_id(peer: Sharing, stub: PeerStub) -> None:
    video = peer.library.find(name=CLIP)
    for request in (
        pb.GetManifestRequest(name=CLIP),
        pb.GetManifestRequest(video_id=video.holding.video_id),
    ):
        answer = stub.GetManifest(request, timeout=10)
        assert answer.piece_size_bytes == MIB
        checked = Manifest.checked(answer.size_bytes, answer.piece_digests, answer.video_id)
        assert checked == video.manifest


WRONG_VIDEOS = [
    ({}, grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    ({"name": ""}, grpc.StatusCode.INVALID_ARGUMENT, InvalidName),
    ({"name": "../../etc/passwd"}, grpc.StatusCode.INVALID_ARGUMENT, InvalidName),
    ({"name": "a/b/" + CLIP}, grpc.StatusCode.INVALID_ARGUMENT, InvalidName),
    ({"name": "nothing.mp4"}, grpc.StatusCode.NOT_FOUND, VideoUnknown),
    ({"video_id": ""}, grpc.StatusCode.INVALID_ARGUMENT, InvalidVideoId),
    ({"video_id": "F" * 64}, grpc.StatusCode.INVALID_ARGUMENT, InvalidVideoId),
    ({"video_id": "f" * 8}, grpc.StatusCode.INVALID_ARGUMENT, InvalidVideoId),
    ({"video_id": "f" * 64}, grpc.StatusCode.NOT_FOUND, VideoUnknown),
]


@pytest.mark.parametrize(("video", "code", "kind"), WRONG_VIDEOS)
def test_a_video_that_is_not_there_says_why(
    stub: PeerStub, video: dict[str, str], code: grpc.StatusCode, kind: type[VideotecaError]
) -> None:
    with answers(code, kind):
        fetch(stub, **video)
    with answers(code, kind):
        stub.GetManifest(pb.GetManifestRequest(**video), timeout=10)


def test_a_range_that_is_not_there_says_why(peer: Sharing, stub: PeerStub) -> None:
    with answers(grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest):
        fetch(stub, name=CLIP, offset_bytes=-1)
    with answers(grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest):
        fetch(stub, name=CLIP, length_bytes=-1)
    for offset in (len(DATA) + 1, (1 << 63) - 1):
        with answers(grpc.StatusCode.OUT_OF_RANGE, OffsetOutOfRange):
            fetch(stub, name=CLIP, offset_bytes=offset)
    assert peer.slots.in_use == 0


def test_long_ranges_are_granted_in_turns_that_end_where_a_piece_does(
    peer: Sharing, stub: PeerStub, folder: Path
) -> None:
    big_file(folder)
    peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
    call = stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4", offset_bytes=5))
    assert next(call).header.granted_bytes == 64 * MIB - 5
    call.cancel()


def test_with_others_waiting_the_turns_are_shorter(folder: Path, tmp_path: Path) -> None:
    big_file(folder)
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(sharing(tmp_path / "peer.db", folder, slots=1))
        peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
        stubs = [stack.enter_context(peer.stub()) for _ in range(3)]
        request = pb.FetchVideoRequest(name="big.mp4")
        first = stubs[0].FetchVideo(request)
        assert next(first).header.granted_bytes == 64 * MIB
        second = stubs[1].FetchVideo(request)
        eventually(lambda: peer.slots.waiting == 1)
        third = stubs[2].FetchVideo(request)
        eventually(lambda: peer.slots.waiting == 2)
        first.cancel()
        assert next(second).header.granted_bytes == 32 * MIB
        second.cancel()
        assert next(third).header.granted_bytes == 64 * MIB
        third.cancel()


def test_who_took_little_in_a_while_is_granted_little_next(
    peer: Sharing, stub: PeerStub, folder: Path
) -> None:
    big_file(folder)
    peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
    fetch(stub, name="big.mp4", length_bytes=2 * MIB)
    time.sleep(0.5)
    call = stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4"))
    assert next(call).header.granted_bytes <= 16 * MIB  # 4 s of at most 4 MiB a second
    call.cancel()


def test_with_a_limit_the_first_grant_is_a_part_of_it(folder: Path, tmp_path: Path) -> None:
    big_file(folder)
    with sharing(tmp_path / "peer.db", folder, upload_limit=4 * MIB) as peer:
        peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
        with peer.stub() as one, peer.stub() as other:
            request = pb.FetchVideoRequest(name="big.mp4")
            first = one.FetchVideo(request)
            header = next(first).header
            assert (header.granted_bytes, header.upload_limit) == (16 * MIB, 4 * MIB)
            second = other.FetchVideo(request)
            assert next(second).header.granted_bytes == 8 * MIB


def test_no_slot_in_time_says_when_to_ask_again(folder: Path, tmp_path: Path) -> None:
    big_file(folder)
    with (
        sharing(tmp_path / "peer.db", folder, slots=1, slot_wait_seconds=0.05) as peer,
        peer.stub() as stub,
    ):
        peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
        call = stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4"))
        next(call)
        with answers(grpc.StatusCode.RESOURCE_EXHAUSTED, NoUploadSlot):
            fetch(stub, name=CLIP)
        call.cancel()
        eventually(lambda: peer.slots.in_use == 0)
        assert fetch(stub, name=CLIP)[1] == DATA


def test_a_cancelled_call_frees_its_slot_and_its_file(
    peer: Sharing, stub: PeerStub, folder: Path
) -> None:
    path = big_file(folder)
    peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
    calls = [stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4")) for _ in range(7)]
    for call in calls:
        next(call)
    assert peer.slots.in_use == 7
    assert open_files(path) == 7
    for call in calls:
        call.cancel()
    eventually(lambda: peer.slots.in_use == 0, 2.0)
    eventually(lambda: open_files(path) == 0)


def open_files(path: Path) -> int:
    links = Path("/dev/fd").iterdir()
    count = 0
    for link in links:
        with contextlib.suppress(OSError):  # closed meanwhile
            count += link.samefile(path)
    return count


def test_a_hundred_readers_that_never_read_stop_nobody_else(folder: Path, tmp_path: Path) -> None:
    big_file(folder)
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(sharing(tmp_path / "peer.db", folder, slots=101))
        peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
        calls = []
        for _ in range(10):
            stub = stack.enter_context(peer.stub())
            calls += [stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4")) for _ in range(10)]
        eventually(lambda: peer.slots.in_use == 100, 60)
        other = stack.enter_context(peer.stub())
        assert fetch(other, name=CLIP)[1] == DATA
        assert other.GetManifest(pb.GetManifestRequest(name=CLIP), timeout=5).size_bytes
        for call in calls:
            call.cancel()
        eventually(lambda: peer.slots.in_use == 0)


@pytest.mark.usefixtures("disk_or_memory")
def test_a_reader_that_stalls_loses_all_it_holds_and_is_told_when_it_reads_on(
    folder: Path, tmp_path: Path
) -> None:
    path = big_file(folder)
    with (
        sharing(tmp_path / "peer.db", folder, slots=1, stall_seconds=0.3) as peer,
        peer.stub() as stub,
        peer.stub() as other,
    ):
        peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
        call = stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4"))
        next(call)
        assert (peer.slots.in_use, open_files(path)) == (1, 1)
        eventually(lambda: (peer.slots.in_use, open_files(path)) == (0, 0))
        assert fetch(other, name=CLIP)[1] == DATA
        with answers(grpc.StatusCode.ABORTED, ReaderStalled):
            for _ in call:
                pass


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(200 * MIB)
        file.write(b"changed")


def truncate(path: Path) -> None:
    os.truncate(path, 100 * MIB)


def replace(path: Path) -> None:
    new = path.with_name(".new")
    new.write_bytes(b"new")
    new.rename(path)


@pytest.mark.usefixtures("disk_or_memory")
@pytest.mark.parametrize("change", [overwrite, truncate])
def test_a_file_that_changes_in_the_middle_ends_the_stream(
    peer: Sharing,
    stub: PeerStub,
    folder: Path,
    change: Any,
) -> None:
    path = big_file(folder)
    peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
    call = stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4"))
    assert next(call).header.granted_bytes == 64 * MIB
    change(path)
    received = 0
    with answers(grpc.StatusCode.ABORTED, FileChanged):
        for part in call:
            assert part.chunk == bytes(len(part.chunk))
            received += len(part.chunk)
    assert received < 100 * MIB
    eventually(lambda: peer.slots.in_use == 0)


def test_a_file_that_is_replaced_in_the_middle_is_sent_as_it_was(
    peer: Sharing, stub: PeerStub, folder: Path
) -> None:
    path = big_file(folder, 64 * MIB)
    peer.wait_shared(CLIP, "big.mp4", "empty.mp4")
    call = stub.FetchVideo(pb.FetchVideoRequest(name="big.mp4"))
    next(call)
    replace(path)
    assert sum(len(part.chunk) for part in call if not any(part.chunk[:10])) == 64 * MIB
    eventually(
        lambda: ("big.mp4", 3) in [(it.name, it.size_bytes) for it in peer.library.holdings()]
    )
    assert fetch(stub, name="big.mp4")[1] == b"new"


def test_a_disk_that_fails_ends_the_stream_without_a_path(
    stub: PeerStub, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def fail(*_: Any) -> bytes:
        raise OSError(5, "Input/output error", str(folder))

    monkeypatch.setattr(OpenVideo, "read_cached", lambda *_: False)
    monkeypatch.setattr(OpenVideo, "read", fail)
    with pytest.raises(grpc.RpcError) as caught:
        fetch(stub, name=CLIP)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.ABORTED
    assert str(folder) not in error.details()


CHALLENGE = bytes(range(32))
ADDRESS = pb.Endpoint(host="192.168.1.7", port=1030)


def test_this_peer_proves_itself_as_what_it_is_about_to_register(
    peer: Sharing, stub: PeerStub
) -> None:
    asked = pb.IdentifyRequest(challenge=CHALLENGE, name="ana", endpoint=ADDRESS)
    with answers(grpc.StatusCode.FAILED_PRECONDITION, NotThisPeer):
        stub.Identify(asked, timeout=10)
    peer.instance.names, peer.instance.port = frozenset({"ana"}), 1030
    answer = stub.Identify(asked, timeout=10)
    expected = proof(peer.instance.key, CHALLENGE, "ana", Endpoint("192.168.1.7", 1030))
    assert answer.proof == expected


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("challenge", b"short", InvalidRequest),
        ("challenge", bytes(33), InvalidRequest),
        ("name", "berta", NotThisPeer),
        ("name", "", NotThisPeer),
        ("endpoint", pb.Endpoint(host="192.168.1.7", port=1031), NotThisPeer),
        ("endpoint", pb.Endpoint(host="nowhere", port=1030), InvalidRequest),
        ("endpoint", pb.Endpoint(), InvalidRequest),
        ("endpoint", pb.Endpoint(host="192.168.1.7", port=-1), InvalidRequest),
    ],
)
def test_a_challenge_for_somebody_else_is_refused(
    peer: Sharing, stub: PeerStub, field: str, value: Any, kind: type[VideotecaError]
) -> None:
    peer.instance.names, peer.instance.port = frozenset({"ana"}), 1030
    asked = {"challenge": CHALLENGE, "name": "ana", "endpoint": ADDRESS, field: value}
    code = (
        grpc.StatusCode.INVALID_ARGUMENT
        if kind is InvalidRequest
        else grpc.StatusCode.FAILED_PRECONDITION
    )
    with answers(code, kind):
        stub.Identify(pb.IdentifyRequest(**asked), timeout=10)


def test_the_service_has_its_public_name(peer: Sharing) -> None:
    assert SERVICE == "videoteca.v1.Peer"
    with blocking_channel(peer.endpoint) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/Nothing")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=10)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
