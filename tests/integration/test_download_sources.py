"""From whom downloads come: what is shown and remembered of the sources, and who is not asked."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.retry import MAX_DELAY_SECONDS, MOST_TRIES
from peer_service.transfer.model import SourceReport, SourceState
from peer_service.transfer.source import STALL_SECONDS
from tests.clock import Clock
from tests.downloading import Downloading, downloading, hang_after, honest
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.videos import MIB, located, manifest_of, video_bytes
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.catalogue import LocatedVideo
from videoteca_core.errors import FileChanged

WAITING, RUNNING, PAUSED, DONE, FAILED, CANCELLED = DownloadState
DATA: Final = video_bytes(8 * MIB)
MANIFEST: Final = manifest_of(DATA)


@pytest.fixture
def ana() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def eva() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Downloading]:
    with downloading(tmp_path, tmp_path / "received") as running:
        yield running


def owned_by(**peers: FakePeer) -> LocatedVideo:
    return located(MANIFEST, "clip.mp4", [(name, peer.endpoint) for name, peer in peers.items()])


def lie_about_it(answer: pb.GetManifestResponse) -> None:
    answer.size_bytes += 1


def left(name: str, peer: FakePeer, pieces: int) -> SourceReport:
    return SourceReport(name, str(peer.endpoint), pieces * MIB, state=SourceState.LEFT)


def test_a_running_download_shows_what_each_source_does(
    mine: Downloading, ana: FakePeer, eva: FakePeer
) -> None:
    hang_after(ana, 3)
    hang_after(eva, 2)
    number = mine.add(owned_by(ana=ana, eva=eva))
    running = mine.wait_for(number, lambda download: download.verified_bytes == 5 * MIB)
    assert [(each.peer, each.bytes, each.state) for each in running.sources] == [
        ("ana", 3 * MIB, SourceState.FETCHING),
        ("eva", 2 * MIB, SourceState.FETCHING),
    ]
    assert [each.address for each in running.sources] == [str(ana.endpoint), str(eva.endpoint)]
    assert all(each.rate > 0 for each in running.sources)


def test_at_rest_nobody_seems_to_be_at_work(mine: Downloading, ana: FakePeer) -> None:
    hang_after(ana, 3)
    number = mine.add(owned_by(ana=ana))
    mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
    mine.queue.pause(number)
    assert mine.get(number).sources == (left("ana", ana, 3),)  # before the transfer has ended, too
    eventually(lambda: not mine.worker._tasks)
    assert mine.get(number).sources == (left("ana", ana, 3),)


def test_the_sources_of_all_tries_are_known_at_the_end(
    tmp_path: Path, ana: FakePeer, eva: FakePeer
) -> None:
    hang_after(ana, 2)
    with downloading(tmp_path, tmp_path / "received") as mine:
        number = mine.add(owned_by(ana=ana))
        mine.wait_for(number, lambda download: download.verified_bytes == 2 * MIB)
    with downloading(tmp_path, tmp_path / "received") as mine:
        assert mine.get(number).sources == (left("ana", ana, 2),)
        hang_after(eva, 3)
        mine.videos[MANIFEST.video_id] = owned_by(eva=eva)
        mine.wait_for(number, lambda download: download.verified_bytes == 5 * MIB)
        mine.queue.pause(number)
        eventually(lambda: not mine.worker._tasks)
        honest(ana)
        mine.videos[MANIFEST.video_id] = owned_by(ana=ana)
        mine.queue.resume(number)
        sources = (left("ana", ana, 5), left("eva", eva, 3))
        assert mine.wait(number, DONE).sources == sources
    with downloading(tmp_path, tmp_path / "received") as mine:
        assert mine.get(number).sources == sources


def test_why_one_was_dropped_is_known_at_the_end_and_after_it(
    tmp_path: Path, ana: FakePeer, eva: FakePeer
) -> None:
    def changed(messages: Messages) -> Messages:
        raise FileChanged(name="clip.mp4")

    eva.alter = changed
    hang_after(ana, 2)
    with downloading(tmp_path, tmp_path / "received") as mine:
        number = mine.add(owned_by(eva=eva, ana=ana))
        mine.wait_for(number, lambda download: download.verified_bytes == 2 * MIB)
        mine.wait_for(number, lambda download: download.sources[0].state is SourceState.DROPPED)
        ana.hold.set()
        done = mine.wait(number, DONE)
        assert [each.peer for each in done.sources] == ["eva", "ana"]
        dropped, gave_all = done.sources
        assert (dropped.bytes, dropped.state) == (0, SourceState.DROPPED)
        assert (dropped.reason, dropped.fields) == ("FILE_CHANGED", {"name": "clip.mp4"})
        assert dropped.message == str(FileChanged(name="clip.mp4"))
        assert gave_all == left("ana", ana, 8)
    with downloading(tmp_path, tmp_path / "received") as mine:
        assert mine.get(number).sources == done.sources


def test_who_sends_nothing_for_so_long_is_dropped(tmp_path: Path, ana: FakePeer) -> None:
    hang_after(ana, 3)
    with downloading(tmp_path, tmp_path / "received", stall_seconds=0.5) as mine:
        number = mine.add(owned_by(ana=ana))
        mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
        eventually(lambda: mine.get(number).sources[0].reason == "UNREACHABLE", STALL_SECONDS - 1)


def test_nothing_flickers_while_it_is_paused_resumed_and_done(
    mine: Downloading, ana: FakePeer, eva: FakePeer
) -> None:
    hang_after(ana, 2)
    hang_after(eva, 2)
    number = mine.add(owned_by(ana=ana, eva=eva))
    seen: list[Download] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(mine.get(number))

    watcher = threading.Thread(target=look)
    watcher.start()
    mine.wait_for(number, lambda download: download.verified_bytes == 4 * MIB)
    mine.queue.pause(number)
    eventually(lambda: not mine.worker._tasks)
    hang_after(ana, 1)
    honest(eva)
    mine.queue.resume(number)
    mine.wait_for(number, lambda download: download.verified_bytes >= 6 * MIB)
    ana.hold.set()
    mine.wait(number, DONE)
    eventually(lambda: seen[-1].state is DONE)
    over.set()
    watcher.join()
    assert {each.state for each in seen} >= {RUNNING, PAUSED, DONE}
    for name in ("ana", "eva"):
        bytes_of = [it.bytes for each in seen for it in each.sources if it.peer == name]
        assert bytes_of == sorted(bytes_of)
    assert sum(each.bytes for each in seen[-1].sources) == len(DATA)


def test_a_download_that_ends_while_it_is_looked_at_shows_all_that_came(
    mine: Downloading, ana: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang_after(ana, 3)
    number = mine.add(owned_by(ana=ana))
    mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
    read = mine.queue.downloads

    def read_slowly() -> tuple[Download, ...]:
        before = read()
        ana.hold.set()
        eventually(lambda: not mine.worker._tasks)
        return before

    monkeypatch.setattr(mine.queue, "downloads", read_slowly)
    (last,) = mine.worker.downloads()
    assert (last.state, last.sources[0].bytes) == (RUNNING, len(DATA))


def test_a_kill_loses_little_of_what_is_known_of_sources(
    mine: Downloading, ana: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_service.downloads.worker._NOTE_SECONDS", 0.2)
    hang_after(ana, 3)
    number = mine.add(owned_by(ana=ana))
    eventually(lambda: mine.queue.get(number).sources == (left("ana", ana, 3),))
    assert mine.get(number).state is RUNNING


def test_who_only_lies_is_asked_once_and_the_download_fails(tmp_path: Path, ana: FakePeer) -> None:
    clock = Clock()
    ana.alter_manifest = lie_about_it
    with downloading(tmp_path, tmp_path / "received", clock=clock) as mine:
        number = mine.add(owned_by(ana=ana))

        def tried(times: int) -> bool:
            return mine.get(number).failed_tries == times

        for tries in range(1, MOST_TRIES):
            eventually(partial(tried, tries))
            held = mine.get(number)
            assert (held.state, held.reason) == (WAITING, "BAD_SOURCE")
            assert "ana" in held.message
            clock.advance(MAX_DELAY_SECONDS)
            mine.queue.wake()
        failed = mine.wait(number, FAILED)
        assert failed.reason == "BAD_SOURCE"
        assert ana.manifests == 1
        ana.alter_manifest = lambda _answer: None
        forgiven = mine.queue.retry(number)
        assert forgiven.sources == (left("ana", ana, 0),)
        mine.wait(number, DONE)


def test_a_liar_is_not_asked_again_after_a_restart(
    tmp_path: Path, ana: FakePeer, eva: FakePeer
) -> None:
    eva.alter_manifest = lie_about_it
    hang_after(ana, 2)
    with downloading(tmp_path, tmp_path / "received") as mine:
        number = mine.add(owned_by(eva=eva, ana=ana))
        mine.wait_for(number, lambda download: download.verified_bytes == 2 * MIB)
    honest(ana)
    with downloading(tmp_path, tmp_path / "received") as mine:
        mine.videos[MANIFEST.video_id] = owned_by(eva=eva, ana=ana)
        liar, gave_all = mine.wait(number, DONE).sources
    assert (liar.peer, liar.state, liar.reason) == ("eva", SourceState.DROPPED, "BAD_SOURCE")
    assert gave_all == left("ana", ana, 8)
    assert (eva.manifests, eva.fetches) == (1, [])


def test_while_another_owner_is_away_a_liar_is_no_reason_to_fail(
    tmp_path: Path, ana: FakePeer, eva: FakePeer
) -> None:
    clock = Clock()
    eva.alter_manifest = lie_about_it
    with downloading(tmp_path, tmp_path / "received", clock=clock) as mine:
        video = owned_by(eva=eva, ana=ana)
        number = mine.add(
            LocatedVideo(video.name, video.video_id, len(DATA), video.sources[:1], video.owners, 2)
        )
        mine.wait_for(number, lambda download: download.reason == "BAD_SOURCE")
        clock.advance(MAX_DELAY_SECONDS)
        mine.queue.wake()
        mine.wait_for(number, lambda download: download.reason == "NO_SOURCE_ONLINE")
        mine.videos[video.video_id] = video
        clock.advance(MAX_DELAY_SECONDS)
        mine.queue.wake()
        mine.wait(number, DONE)
    assert eva.manifests == 1
