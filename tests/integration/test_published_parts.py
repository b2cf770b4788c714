"""What a tracker is told of a download while it runs, when it is done, and when its peer stops."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from peer_service.peer import Peer, PeerConfig
from tests.calling import MIB, answers
from tests.growing import Growing
from tests.servers import LOOPBACK, in_thread, running_tracker
from tests.videos import video_bytes
from tests.waiting import eventually
from tracker_service.client import TrackerClient
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Holding, HoldingState, Registration, VideoQuery
from videoteca_core.errors import VideoUnknown
from videoteca_core.rpc.channel import blocking_channel

DATA = video_bytes(2 * MIB + 3)
COMPLETE, PARTIAL = HoldingState.COMPLETE, HoldingState.PARTIAL


@pytest.fixture
def received(tmp_path: Path) -> Path:
    return tmp_path / "received"


@pytest.fixture
def peer(tmp_path: Path, tracker: Endpoint, received: Path) -> Peer:
    return Peer(
        PeerConfig(
            home=tmp_path / "home",
            tracker=tracker,
            name="ana",
            listen=LOOPBACK,
            received=received,
            run_downloads=False,  # it would remove a partial file that no download of its is about
        )
    )


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Endpoint]:
    with running_tracker(tmp_path) as endpoint:
        yield endpoint


@contextmanager
def offering(peer: Peer, received: Path) -> Iterator[Growing]:
    """The peer, running, with a download that has its first piece."""
    with in_thread(peer):
        clip = Growing(received / ".videoteca", DATA)
        clip.add(0)
        peer._library.offer(clip.partial)
        yield clip


def test_a_download_is_published_once_as_partial_and_once_as_complete(
    peer: Peer, received: Path, tracker: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, HoldingState]] = []
    withdrawn: list[str] = []
    publish, withdraw = TrackerClient.publish, TrackerClient.withdraw

    def publishing(client: TrackerClient, holdings: tuple[Holding, ...], **options: bool) -> None:
        publish(client, holdings, **options)
        told.extend((holding.name, holding.state) for holding in holdings)

    def withdrawing(client: TrackerClient, names: tuple[str, ...]) -> None:
        withdraw(client, names)
        withdrawn.extend(names)

    monkeypatch.setattr(TrackerClient, "publish", publishing)
    monkeypatch.setattr(TrackerClient, "withdraw", withdrawing)
    with offering(peer, received) as clip, TrackerClient(tracker) as other:
        other.register(Registration(name="eva"))

        def states() -> list[HoldingState]:
            located = other.locate(VideoQuery(video_id=clip.video_id))
            return [source.state for video in located for source in video.sources]

        eventually(lambda: told)
        eventually(lambda: states() == [PARTIAL])
        clip.add(1, 2)
        peer._library.add_received(clip.finish(received), clip.partial.manifest)
        peer._library.end_offer(clip.video_id)
        eventually(lambda: states() == [COMPLETE])
        assert told == [("clip.mp4", PARTIAL), ("clip.mp4", COMPLETE)]
        assert not withdrawn


def test_who_watches_a_peer_that_stops_is_told_before_it_is_gone(
    peer: Peer, received: Path
) -> None:
    with offering(peer, received) as clip:
        endpoint = Endpoint(LOOPBACK.host, peer.port)
        channel = blocking_channel(endpoint)
        request = pb.WatchPiecesRequest(video_id=clip.video_id)
        news = PeerStub(channel).WatchPieces(request, timeout=30)
        assert next(news).bitmap == b"\x01"
    with answers(grpc.StatusCode.NOT_FOUND, VideoUnknown):
        next(news)
    channel.close()
