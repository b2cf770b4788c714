"""The main job with real processes: what is shared is found, fetched, and survives everything."""

import filecmp
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download
from tests.processes import Crew, crew, run, run_json, wait_for_state
from tests.waiting import eventually
from videoteca_core.catalogue import VideoQuery

MIB = 1 << 20


@pytest.fixture
def them(tmp_path: Path) -> Iterator[Crew]:
    with crew(tmp_path) as them:
        yield them


def make_video(path: Path, size: int) -> Path:
    """A file of random bytes, but for a long hole that makes it quick to write and to hash."""
    with path.open("wb") as file:
        file.write(os.urandom(min(size, 4 * MIB)))
        file.truncate(size)
    return path


def begin(control: ControlClient, name: str) -> Download:
    """Queue a video and wait until some of it is verified and the rest is not."""
    control.enqueue(VideoQuery(name=name))

    def is_under_way() -> Download | None:
        (now,) = (each for each in control.downloads() if each.name == name)
        assert now.state.value in ("waiting", "running")
        return now if 0 < now.verified_bytes < now.size_bytes else None

    found = eventually(is_under_way, 30)
    assert found
    return found


def test_a_video_goes_from_one_peer_to_another_and_is_shared_on(them: Crew) -> None:
    original = make_video(them.shared("ana") / "clip.mp4", 5 * MIB + 7)
    them.start_peer("ana")
    them.start_peer("bruno")
    them.wait_for_sources("bruno", "clip.mp4", "ana")
    listed = run_json(them.home("bruno"), "info", "clip")["videos"]
    assert [(each["name"], each["holders"], each["online"]) for each in listed] == [
        ("clip.mp4", 1, 1)
    ]
    ended = run_json(them.home("bruno"), "download", "clip.mp4")["downloads"][0]
    assert ended["state"] == "done"
    assert filecmp.cmp(original, ended["path"], shallow=False)
    assert Path(ended["path"]).parent == them.received("bruno")
    them.wait_for_sources("bruno", "clip.mp4", "ana", "bruno")
    assert run_json(them.home("ana"), "status")["uploaded_bytes"] == 5 * MIB + 7


def test_what_disappears_is_withdrawn_and_what_comes_back_is_published(them: Crew) -> None:
    video = make_video(them.shared("ana") / "clip.mp4", MIB)
    them.start_peer("ana")
    them.wait_for_sources("ana", "clip.mp4", "ana")
    aside = video.rename(them.folder / "aside.mp4")
    them.wait_for_sources("ana", "clip.mp4")
    aside.rename(video)
    them.wait_for_sources("ana", "clip.mp4", "ana")


def test_a_killed_download_goes_on_from_the_verified_pieces(them: Crew) -> None:
    size = 1024 * MIB
    original = make_video(them.shared("ana") / "big.mkv", size)
    ana = them.start_peer("ana")
    bruno = them.start_peer("bruno")
    them.wait_for_sources("bruno", "big.mkv", "ana")
    before = begin(bruno, "big.mkv")
    them.servers["bruno"].kill()
    bruno = them.start_peer("bruno")
    after = wait_for_state(bruno, before.download_id, "done")
    assert filecmp.cmp(original, after.path, shallow=False)
    sent = ana.status().uploaded_bytes
    received_again = bruno.status().downloaded_bytes
    assert received_again <= size - before.verified_bytes
    assert sent < 2 * size - before.verified_bytes


def test_a_killed_tracker_is_found_again_and_lost_nothing(them: Crew) -> None:
    make_video(them.shared("ana") / "clip.mp4", MIB)
    ana = them.start_peer("ana")
    bruno = them.start_peer("bruno")
    them.wait_for_sources("bruno", "clip.mp4", "ana")
    them.servers["tracker"].kill()
    make_video(them.shared("ana") / "meanwhile.mp4", MIB)
    eventually(lambda: len(ana.status().shared) == 2)
    eventually(lambda: not ana.status().registered, 40)
    assert "No tracker answers" in ana.status().problem
    them.start_tracker()
    them.wait_for_sources("bruno", "clip.mp4", "ana")
    them.wait_for_sources("bruno", "meanwhile.mp4", "ana")
    assert ana.status().registered
    eventually(lambda: bruno.status().registered)


def test_when_a_source_dies_the_others_continue(them: Crew) -> None:
    size = 1024 * MIB
    original = make_video(them.shared("ana") / "big.mkv", size)
    os.link(original, them.shared("carla") / "copy.mkv")
    for name in ("ana", "carla"):
        them.start_peer(name)
    bruno = them.start_peer("bruno")
    them.wait_for_sources("bruno", "big.mkv", "ana", "carla")
    begun = begin(bruno, "big.mkv")
    them.servers["ana"].kill()
    ended = wait_for_state(bruno, begun.download_id, "done")
    assert filecmp.cmp(original, ended.path, shallow=False)
    assert {each.peer for each in ended.sources} == {"ana", "carla"}
    assert sum(each.bytes for each in ended.sources) == size


def test_a_download_without_a_source_waits_and_blocks_nobody(them: Crew) -> None:
    make_video(them.shared("ana") / "away.mp4", MIB)
    make_video(them.shared("carla") / "here.mp4", MIB)
    them.start_peer("ana")
    them.start_peer("carla")
    bruno = them.start_peer("bruno")
    them.wait_for_sources("bruno", "away.mp4", "ana")
    them.wait_for_sources("bruno", "here.mp4", "carla")
    them.servers["ana"].stop()
    them.wait_for_sources("bruno", "away.mp4")
    away, _ = bruno.enqueue(VideoQuery(name="away.mp4"))
    here, _ = bruno.enqueue(VideoQuery(name="here.mp4"))
    wait_for_state(bruno, here.download_id, "done")
    waiting = wait_for_state(bruno, away.download_id, "waiting")
    assert waiting.reason == "NO_SOURCE_ONLINE"
    them.start_peer("ana")
    wait_for_state(bruno, away.download_id, "done")


def test_without_a_peer_the_command_downloads_itself_and_the_queue_is_kept(them: Crew) -> None:
    original = make_video(them.shared("ana") / "clip.mp4", 3 * MIB)
    them.start_peer("ana")
    home = them.home("eva")
    run(home, "register", "eva", "--tracker", them.tracker)
    them.wait_for_sources("eva", "clip.mp4", "ana")
    done = run(home, "download", "clip.mp4", cwd=them.folder)
    assert "100 %" in done.stdout
    received = them.folder / "videos_recibidos" / "clip.mp4"
    assert filecmp.cmp(original, received, shallow=False)
    (kept,) = run_json(home, "queue", "list")["downloads"]
    assert (kept["state"], kept["verified_bytes"]) == ("done", 3 * MIB)


def test_a_name_with_two_contents_is_refused_until_one_is_chosen(them: Crew) -> None:
    make_video(them.shared("ana") / "clip.mp4", MIB)
    make_video(them.shared("carla") / "clip.mp4", 2 * MIB)
    them.start_peer("ana")
    them.start_peer("carla")
    them.start_peer("bruno")
    eventually(lambda: len(run_json(them.home("bruno"), "info")["videos"]) == 2)
    refused = run(them.home("bruno"), "download", "clip.mp4", check=False)
    assert refused.returncode == 5
    assert "ana" in refused.stderr
    assert "carla" in refused.stderr
    chosen = run_json(them.home("bruno"), "download", "carla/clip.mp4")["downloads"][0]
    assert chosen["size_bytes"] == 2 * MIB
    listed = run_json(them.home("bruno"), "info")["videos"]
    (anas,) = (each["video_id"] for each in listed if each["size_bytes"] == MIB)
    run(them.home("bruno"), "download", anas[:10])
    both = {path.stat().st_size for path in them.received("bruno").glob("clip*.mp4")}
    assert both == {MIB, 2 * MIB}


def test_an_imported_name_is_claimed_with_its_code_and_published_anew(tmp_path: Path) -> None:
    old = tmp_path / "bd_clientes.txt"
    old.write_text("1\nana 10.0.0.5 1030 2\nclip.mp4\nold%20film.avi\n")
    database = tmp_path / "tracker" / "tracker.db"
    database.parent.mkdir()
    claims = run_json(tmp_path / "tracker", "tracker", "import", str(old))["clients"]
    with crew(tmp_path) as them:
        stranger = run(tmp_path / "x", "register", "ana", "--tracker", them.tracker, check=False)
        assert stranger.returncode == 10
        make_video(them.shared("ana") / "clip.mp4", MIB)
        them.start_peer("ana", "--claim", claims[0]["claim_code"])
        them.wait_for_sources("ana", "clip.mp4", "ana")
        listed = run_json(them.home("ana"), "info")["videos"]
        assert {each["name"]: bool(each["video_id"]) for each in listed} == {"clip.mp4": True}
