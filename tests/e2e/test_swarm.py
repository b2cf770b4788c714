"""Many who want the same video, with real processes: they fetch it from each other."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download
from peer_service.wire import piece_news_from_wire
from tests.processes import (
    Crew,
    crew,
    enqueue,
    run_json,
    wait_for_state,
    wait_until,
)
from tests.videos import MIB
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.rpc.channel import blocking_channel

PIECES = 24


@pytest.fixture
def them(tmp_path: Path) -> Iterator[Crew]:
    with crew(tmp_path) as them:
        yield them


def wait_for_some(peers: Sequence[ControlClient], wanted: Sequence[Download]) -> None:
    """Wait until each has something of the video."""
    for peer, download in zip(peers, wanted, strict=True):
        wait_until(peer, download.download_id, lambda now: now.verified_bytes)


def wait_for_all(peers: Sequence[ControlClient], wanted: Sequence[Download], data: bytes) -> None:
    """Wait until each has the whole video, and nothing else."""
    for peer, download in zip(peers, wanted, strict=True):
        done = wait_for_state(peer, download.download_id, "done", "failed")
        assert done.state.value == "done", done
        assert Path(done.path).read_bytes() == data


def pieces_of(peers: Sequence[ControlClient], video_id: str) -> list[frozenset[int]]:
    """The pieces that each of the peers offers now."""
    found = []
    for peer in peers:
        endpoint = peer.status().endpoint
        assert endpoint
        with blocking_channel(endpoint) as channel:
            call = PeerStub(channel).WatchPieces(pb.WatchPiecesRequest(video_id=video_id))
            found.append(frozenset(piece_news_from_wire(next(call), PIECES)))
            call.cancel()
    return found


def test_a_swarm_fetches_from_each_other_more_than_from_the_owner(them: Crew) -> None:
    size = PIECES * MIB
    data = them.add_video("film.mkv", size, "ana")
    names = [f"peer{number}" for number in range(6)]
    ana, *receivers = them.start_peers("ana", *names)
    ana.set_limits(upload_limit=6_000_000)
    wanted = [enqueue(receiver, "film.mkv") for receiver in receivers]
    everybody = {"ana": "complete", **dict.fromkeys(names, "partial")}
    eventually(lambda: them.located("peer0", "film.mkv") == everybody)
    wait_for_all(receivers, wanted, data)
    sent = run_json(them.home("ana"), "status")["uploaded_bytes"]
    assert size <= sent < 2.5 * size
    eventually(
        lambda: them.located("peer0", "film.mkv") == dict.fromkeys(("ana", *names), "complete")
    )


def test_those_who_have_all_of_it_together_need_the_owner_no_more(them: Crew) -> None:
    data = them.add_video("film.mkv", PIECES * MIB, "ana")
    ana, *receivers = them.start_peers("ana", "bruno", "carla", "diego")
    for peer, limit in zip((ana, *receivers), (8_000_000, *[1_000_000] * 3), strict=True):
        peer.set_limits(upload_limit=limit)
    wanted = [enqueue(receiver, "film.mkv") for receiver in receivers]
    video_id = wanted[0].video_id
    wait_for_some(receivers, wanted)
    eventually(lambda: len(frozenset().union(*pieces_of(receivers, video_id))) == PIECES)
    them.servers["ana"].kill()
    lacking = [PIECES - len(pieces) for pieces in pieces_of(receivers, video_id)]
    assert all(lacking), lacking
    for peer in receivers:
        peer.set_limits(upload_limit=0)
    wait_for_all(receivers, wanted, data)


def test_those_who_lack_something_wait_offer_the_rest_and_end_with_the_owner(them: Crew) -> None:
    data = them.add_video("film.mkv", PIECES * MIB, "ana")
    ana, *receivers = them.start_peers("ana", "bruno", "carla")
    ana.set_limits(upload_limit=2_000_000)
    wanted = [enqueue(receiver, "film.mkv") for receiver in receivers]
    video_id = wanted[0].video_id
    wait_for_some(receivers, wanted)
    them.servers["ana"].kill()

    def have_the_same() -> bool:
        bruno, carla = pieces_of(receivers, video_id)
        assert len(bruno | carla) < PIECES
        return bruno == carla

    eventually(have_the_same)
    them.servers["carla"].stop()
    waiting = wait_for_state(receivers[0], wanted[0].download_id, "waiting")
    assert waiting.reason in ("NO_SOURCE_ONLINE", "UNREACHABLE")
    for _ in range(15):  # longer than a peer takes to end an offer
        assert all(pieces_of(receivers[:1], video_id))
        time.sleep(0.1)
    assert them.located("bruno", "film.mkv")["bruno"] == "partial"
    them.start_peers("ana", "carla")
    wait_for_all(receivers, wanted, data)


def test_who_asks_for_much_does_not_starve_who_asks_for_little(them: Crew) -> None:
    films = [f"film{number}.mkv" for number in range(4)]
    for name in films:
        them.add_video(name, 40 * MIB, "ana")
    data = them.add_video("clip.mp4", 6 * MIB, "ana")
    them.start_peer("ana", "--max-uploads", "2", "--upload-limit", "12M")
    greedy = them.start_peer("greedy", "--parallel", "4")
    modest = them.start_peer("modest")
    for name in films:
        enqueue(greedy, name)
    eventually(lambda: greedy.status().downloaded_bytes > MIB)
    before = greedy.status().downloaded_bytes
    wait_for_all([modest], [enqueue(modest, "clip.mp4")], data)
    meanwhile = greedy.status().downloaded_bytes - before
    assert MIB < meanwhile < 120 * MIB
