"""A peer in JavaScript registers, publishes and serves; our side finds it and fetches from it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from peer_service.downloads.model import Download, DownloadState
from tests.interop.conftest import MIB, VIDEOS
from tests.interop.node_peer import NodePeer, forge, node_peer
from tests.interop.our_peer import OurPeer, our_peer
from tests.servers import running_tracker
from tests.waiting import eventually
from tracker_service import catalog, registration
from tracker_service.client import TrackerClient
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import LocatedVideo, Registration, VideoQuery
from videoteca_core.errors import (
    FileChanged,
    InvalidRequest,
    InvalidVideoId,
    NotThisPeer,
    OffsetOutOfRange,
    PieceMissing,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.manifest import Manifest, digest
from videoteca_core.rpc.channel import blocking_channel
from videoteca_core.rpc.status import translated

CLIP = VIDEOS["clip"]
NAME = "Canción.mp4"
MANIFEST = Manifest(
    len(CLIP), b"".join(digest(CLIP[at : at + MIB]) for at in range(0, len(CLIP), MIB))
)
PROVED = "REACHABILITY_PROVED"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CLIP)
    return path


@contextmanager
def serving(tracker: Endpoint, clip: Path, *options: object) -> Iterator[NodePeer]:
    """A peer "nodo" that shares the clip in two grants, once it is offered."""
    common = ("--tracker", tracker, "--name", "nodo", "--file", clip, "--as", NAME)
    with node_peer("serve", *common, "--grant", 3 * MIB, *options) as node:
        node.wait_for("registered", reachability=PROVED)
        yield node


@contextmanager
def asking(tracker: Endpoint) -> Iterator[TrackerClient]:
    """A registered client of the tracker, that serves nothing."""
    with TrackerClient(tracker) as client:
        client.register(Registration(name="eva"))
        yield client


def located(client: TrackerClient) -> LocatedVideo:
    (video,) = client.locate(VideoQuery(name=NAME))
    return video


def endpoint_of(node: NodePeer) -> Endpoint:
    return Endpoint("127.0.0.1", node.reported("serving")[0]["port"])


def test_a_peer_in_another_language_is_offered_with_its_video(
    tracker: Endpoint, clip: Path
) -> None:
    with serving(tracker, clip) as node, asking(tracker) as client:
        assert node.reported("published", video_id=MANIFEST.video_id, agreed=True)
        video = located(client)
        assert (video.video_id, video.size_bytes) == (MANIFEST.video_id, len(CLIP))
        (source,) = video.sources
        assert (source.peer_name, source.endpoints) == ("nodo", (endpoint_of(node),))
        node.stop()
        assert node.reported("left")
        assert located(client).sources == ()
        assert located(client).owners == ("nodo",)


def test_its_name_is_its_own(tracker: Endpoint, clip: Path) -> None:
    with TrackerClient(tracker) as client:
        client.register(Registration(name="nodo"))
        arguments = ("--tracker", tracker, "--name", "nodo", "--file", clip)
        with node_peer("serve", *arguments) as node:
            assert node.wait_for("failed")["reason"] == "NAME_TAKEN"


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of 3 seconds, which are to be renewed every second."""
    monkeypatch.setattr(registration, "LEASE_SECONDS", 3)
    monkeypatch.setattr(catalog, "LEASE_SECONDS", 3)


def wait_renewed(node: NodePeer) -> None:
    """Wait until it registers once more."""
    count = len(node.reported("registered"))
    eventually(lambda: len(node.reported("registered")) > count)


@pytest.mark.usefixtures("short_leases")
def test_it_renews_its_lease_until_it_is_killed(tmp_path: Path, clip: Path) -> None:
    now = [1_000.0]
    with (
        running_tracker(tmp_path, clock=lambda: now[0]) as tracker,
        serving(tracker, clip) as node,
        asking(tracker) as client,
    ):
        for _ in range(2):
            now[0] += 2
            wait_renewed(node)
        assert located(client).sources
        node.kill()
        now[0] += 4
        assert located(client).sources == ()


@pytest.mark.usefixtures("short_leases")
def test_it_publishes_anew_at_a_tracker_that_was_restored(tmp_path: Path, clip: Path) -> None:
    database, backup = tmp_path / "tracker.db", tmp_path / "backup.db"
    with running_tracker(database) as tracker:
        pass
    shutil.copy(database, backup)
    with ExitStack() as stack:
        with running_tracker(database, listen=tracker):
            node = stack.enter_context(serving(tracker, clip))
            assert node.wait_for("published")["agreed"]
        shutil.copy(backup, database)
        with running_tracker(database, listen=tracker), asking(tracker) as client:
            eventually(lambda: len(node.reported("published", agreed=True)) == 2)
            eventually(lambda: located(client).sources)
            node.stop()


def test_our_peer_downloads_from_it(tmp_path: Path, tracker: Endpoint, clip: Path) -> None:
    with (
        serving(tracker, clip) as node,
        our_peer(tmp_path / "ana", tracker, "ana") as ana,
    ):
        queued, _ = ana.control.enqueue(VideoQuery(name=NAME))
        download = downloaded(ana)
        assert download.download_id == queued.download_id
        assert Path(download.path).read_bytes() == CLIP
        node.stop()


def downloaded(ana: OurPeer) -> Download:
    """What our peer has downloaded, once it has."""

    def state() -> DownloadState:
        (download,) = ana.control.downloads()
        assert download.state is not DownloadState.FAILED, download
        return download.state

    eventually(lambda: state() is DownloadState.DONE)
    return ana.control.downloads()[0]


def test_two_that_are_still_downloading_are_the_sources_of_ours(
    tmp_path: Path, tracker: Endpoint, clip: Path
) -> None:
    other = ("--tracker", tracker, "--name", "otro", "--file", clip, "--as", NAME)
    with (
        serving(tracker, clip, "--pieces", "0,1,4") as node,
        node_peer("serve", *other, "--pieces", "2,3,5") as second,
        our_peer(tmp_path / "ana", tracker, "ana") as ana,
    ):
        assert node.reported("published", agreed=True)
        second.wait_for("registered", reachability=PROVED)
        ana.control.enqueue(VideoQuery(name=NAME))
        download = downloaded(ana)
        assert Path(download.path).read_bytes() == CLIP
        got = {source.peer: source.bytes for source in download.sources}
        assert got == {"nodo": 3 * MIB, "otro": 2 * MIB + 7}
        node.stop()
        second.stop()


def test_it_tells_which_pieces_it_has_and_serves_no_others(tracker: Endpoint, clip: Path) -> None:
    with serving(tracker, clip, "--pieces", "1,2,5") as node, stub_of(node) as stub:
        watched = stub.WatchPieces(pb.WatchPiecesRequest(video_id=MANIFEST.video_id), timeout=20)
        assert next(watched).bitmap == bytes([0b100110])
        request = pb.FetchVideoRequest(video_id=MANIFEST.video_id, offset_bytes=MIB + 3)
        header, *messages = called(stub, request)
        assert header.header.granted_bytes == 2 * MIB - 3
        assert b"".join(message.chunk for message in messages) == CLIP[MIB + 3 : 3 * MIB]
        with pytest.raises(PieceMissing), translated("peer", "nodo"):
            called(stub, pb.FetchVideoRequest(name=NAME))
        node.stop()
        with pytest.raises(VideoUnknown), translated("peer", "nodo"):
            next(watched)


@contextmanager
def stub_of(node: NodePeer) -> Iterator[PeerStub]:
    """Calls the peer; its errors come as ours."""
    where = endpoint_of(node)
    with closing(blocking_channel(where)) as channel, translated("peer", where):
        yield PeerStub(channel)


def test_it_grants_whole_pieces_and_is_asked_for_the_rest(tracker: Endpoint, clip: Path) -> None:
    with serving(tracker, clip) as node, stub_of(node) as stub:
        content, grants = b"", []
        while len(content) < len(CLIP):
            request = pb.FetchVideoRequest(video_id=MANIFEST.video_id, offset_bytes=len(content))
            header, *messages = stub.FetchVideo(request, timeout=20)
            grants.append(header.header.granted_bytes)
            content += b"".join(message.chunk for message in messages)
        assert grants == [3 * MIB, 2 * MIB + 7]
        assert content == CLIP


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (pb.FetchVideoRequest(name="other.mp4"), VideoUnknown),
        (pb.FetchVideoRequest(video_id="0" * 63), InvalidVideoId),
        (pb.FetchVideoRequest(name=NAME, offset_bytes=len(CLIP) + 1), OffsetOutOfRange),
        (pb.FetchVideoRequest(name=NAME, offset_bytes=-1), InvalidRequest),
        (pb.FetchVideoRequest(name=NAME, length_bytes=-1), InvalidRequest),
        (pb.IdentifyRequest(name="nodo", challenge=b"short"), InvalidRequest),
        (pb.IdentifyRequest(name="eva", challenge=bytes(32)), NotThisPeer),
    ],
)
def test_its_errors_are_ours(
    tracker: Endpoint, clip: Path, request_: Any, kind: type[VideotecaError]
) -> None:
    with serving(tracker, clip) as node, pytest.raises(kind), stub_of(node) as stub:
        called(stub, request_)


def called(stub: PeerStub, request: Any) -> Any:
    """The answer to a request, by the method that it is for."""
    if isinstance(request, pb.IdentifyRequest):
        return stub.Identify(request, timeout=20)
    return list(stub.FetchVideo(request, timeout=20))


def test_it_says_when_its_file_has_changed(tracker: Endpoint, clip: Path) -> None:
    with serving(tracker, clip) as node:
        os.utime(clip)
        with pytest.raises(FileChanged), stub_of(node) as stub:
            called(stub, pb.FetchVideoRequest(name=NAME))


def test_its_lies_are_found_out(tmp_path: Path, tracker: Endpoint, clip: Path) -> None:
    with serving(tracker, clip), our_peer(tmp_path / "ana", tracker, "ana") as ana:
        forge(clip, at=2 * MIB + 5)
        ana.control.enqueue(VideoQuery(name=NAME))

        def refused() -> bool:
            (download,) = ana.control.downloads()
            assert download.state is not DownloadState.DONE
            return download.failed_tries > 0

        eventually(refused)
        (download,) = ana.control.downloads()
        assert download.reason == "BAD_SOURCE"
        assert download.verified_bytes < len(CLIP)
