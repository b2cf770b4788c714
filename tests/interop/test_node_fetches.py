"""A peer in JavaScript locates and fetches what our peer shares, and believes no lie."""

from pathlib import Path

import pytest

from tests.interop.conftest import MIB, VIDEOS, Group
from tests.interop.node_peer import Event, forge, node_peer
from tests.interop.our_peer import our_peer
from tests.waiting import eventually
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import HoldingState, VideoQuery


def fetch(tracker: Endpoint, video: str, to: Path) -> list[Event]:
    """Have it fetch a video, and return all that it reports."""
    arguments = ("--tracker", tracker, "--name", f"nodo {to.name}", "--video", video, "--to", to)
    with node_peer("fetch", *arguments) as node:
        node.finish()
        return node.events


@pytest.mark.parametrize("stem", VIDEOS)
def test_it_fetches_a_video_by_name(group: Group, tmp_path: Path, stem: str) -> None:
    to = tmp_path / f"{stem}.mp4"
    located, fetched = fetch(group.tracker, f"{stem}.mp4", to)
    assert located["sources"] == 1
    assert fetched["event"] == "fetched"
    assert fetched["video_id"] == group.ana.holding(f"{stem}.mp4").video_id
    assert to.read_bytes() == VIDEOS[stem]


def test_it_fetches_a_video_by_id(group: Group, tmp_path: Path) -> None:
    to = tmp_path / "by id.mp4"
    assert (
        fetch(group.tracker, group.ana.holding("clip.mp4").video_id, to)[-1]["event"] == "fetched"
    )
    assert to.read_bytes() == VIDEOS["clip"]


def test_it_is_told_why_it_gets_nothing(group: Group, tmp_path: Path) -> None:
    (failed,) = fetch(group.tracker, "nobody has it.mp4", tmp_path / "none.mp4")
    assert (failed["event"], failed["reason"]) == ("failed", "VIDEO_UNKNOWN")
    assert failed["message"] == "There is no video 'nobody has it.mp4'."


def test_it_asks_for_what_was_not_granted(tracker: Endpoint, tmp_path: Path) -> None:
    shared, to = tmp_path / "clip.mp4", tmp_path / "fetched.mp4"
    shared.write_bytes(VIDEOS["clip"])
    arguments = ("--tracker", tracker, "--name", "otro", "--file", shared, "--grant", 2 * MIB)
    with node_peer("serve", *arguments) as other:
        other.wait_for("registered", reachability="REACHABILITY_PROVED")
        assert fetch(tracker, "clip.mp4", to)[-1]["calls"] == 3
        assert to.read_bytes() == VIDEOS["clip"]


def test_it_fetches_from_ours_which_is_still_downloading(tracker: Endpoint, tmp_path: Path) -> None:
    shared, to = tmp_path / "clip.mp4", tmp_path / "fetched.mp4"
    shared.write_bytes(VIDEOS["clip"])
    serve = ("serve", "--tracker", tracker, "--file", shared)
    with our_peer(tmp_path / "ana", tracker, "ana") as ana:
        with node_peer(*serve, "--name", "parte", "--pieces", "1,2,5") as part:
            part.wait_for("registered", reachability="REACHABILITY_PROVED")
            ana.control.enqueue(VideoQuery(name="clip.mp4"))
            eventually(lambda: ana.control.downloads()[0].verified_bytes == 2 * MIB + 7)
            eventually(lambda: ana.holding("clip.mp4").state is HoldingState.PARTIAL)
            part.stop()
        fetch = ("fetch", "--tracker", tracker, "--name", "nodo", "--video", "clip.mp4", "--to", to)
        with node_peer(*fetch) as node:
            eventually(lambda: to.exists() and to.stat().st_size == len(VIDEOS["clip"]))
            assert not node.reported("fetched")
            with node_peer(*serve, "--name", "todo"):
                node.wait_for("fetched")
    assert to.read_bytes() == VIDEOS["clip"]
    assert node.reported("located", sources=1)


def test_it_believes_no_lie(tracker: Endpoint, tmp_path: Path) -> None:
    shared, to = tmp_path / "clip.mp4", tmp_path / "fetched.mp4"
    shared.write_bytes(VIDEOS["clip"])
    with node_peer("serve", "--tracker", tracker, "--name", "otro", "--file", shared) as liar:
        liar.wait_for("registered", reachability="REACHABILITY_PROVED")
        forge(shared, at=2 * MIB + 5)
        _, trouble, failed = fetch(tracker, "clip.mp4", to)
        assert trouble["message"] == "bad source: piece 2 has another digest"
        assert failed["event"] == "failed"
        assert to.read_bytes() == VIDEOS["clip"][: 2 * MIB]
