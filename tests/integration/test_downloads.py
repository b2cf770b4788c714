"""Downloads by the real worker, from peers over gRPC, of real files."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from peer_service.downloads.model import DownloadState
from peer_service.limits import DownloadLimiter, RateLimit
from peer_service.transfer.model import HeldBack, SourceReport, SourceState
from tests.downloading import Downloading, downloading, hang_after, honest
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.sharing import sharing
from tests.videos import MIB, located, manifest_of, video_bytes
from tests.waiting import eventually
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import FileUnreadable, NoUploadSlot, Unreachable, VideoUnknown

WAITING, RUNNING, PAUSED, DONE, FAILED, CANCELLED = DownloadState
DATA: Final = video_bytes(7 * MIB)
MANIFEST: Final = manifest_of(DATA)
AT_ONCE: Final = 5.0
"""Seconds within which the owner's word takes effect, on a machine with much to do."""


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Downloading]:
    with downloading(tmp_path, tmp_path / "received") as running:
        yield running


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


def queue_up(mine: Downloading, *peers: FakePeer, name: str = "clip.mp4") -> int:
    sources = [(f"peer{number}", each.endpoint) for number, each in enumerate(peers)]
    return mine.add(located(MANIFEST, name, sources))


def test_a_video_of_a_real_peer(tmp_path: Path, mine: Downloading) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "clip.mp4").write_bytes(DATA)
    with sharing(tmp_path / "theirs.db", tmp_path / "shared") as real:
        real.wait_shared("clip.mp4")
        number = mine.add(located(MANIFEST, "clip.mp4", [("ana", real.endpoint)]))
        done = mine.wait(number, DONE)
        ana = SourceReport("ana", str(real.endpoint), len(DATA), state=SourceState.LEFT)
    assert Path(done.path) == tmp_path / "received" / "clip.mp4"
    assert Path(done.path).read_bytes() == DATA
    assert (done.verified_bytes, done.rate, done.held_back) == (len(DATA), 0, None)
    assert done.sources == (ana,)
    assert mine.parts() == []
    eventually(lambda: mine.shares.done)
    assert mine.shares.done == [(Path(done.path), MANIFEST)]
    assert mine.worker.downloaded_bytes == len(DATA)


def test_a_running_download_shows_its_rate(mine: Downloading, peer: FakePeer) -> None:
    hang_after(peer, 3)
    number = queue_up(mine, peer)
    running = mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
    assert running.state is RUNNING
    assert running.rate > 0
    assert mine.worker.downloaded_bytes == 3 * MIB
    mine.wait_for(number, lambda download: not download.rate)


def test_a_running_download_shows_what_holds_it_back(tmp_path: Path, peer: FakePeer) -> None:
    limit = RateLimit(1_000_000)
    limiter = DownloadLimiter(limit)
    with downloading(tmp_path, tmp_path / "received", limiter=limiter) as mine:
        number = queue_up(mine, peer)
        mine.wait_for(number, lambda download: download.held_back is HeldBack.OUR_LIMIT)
        limit.rate = 0
        assert mine.wait(number, DONE).held_back is None


def test_pause_holds_and_resume_goes_on(mine: Downloading, peer: FakePeer) -> None:
    hang_after(peer, 3)
    number = queue_up(mine, peer)
    mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
    begun = time.monotonic()
    assert mine.queue.pause(number).state is PAUSED
    eventually(lambda: not mine.worker._tasks, AT_ONCE)
    assert time.monotonic() - begun < AT_ONCE
    assert mine.get(number).verified_bytes == 3 * MIB
    honest(peer)
    mine.queue.resume(number)
    mine.wait(number, DONE)
    eventually(lambda: peer.sent_bytes == len(DATA))  # nothing was fetched twice


def test_pause_and_resume_in_one_breath(mine: Downloading, peer: FakePeer) -> None:
    hang_after(peer, 3)
    number = queue_up(mine, peer)
    mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
    honest(peer)
    mine.queue.pause(number)
    mine.queue.resume(number)
    mine.wait(number, DONE)
    eventually(lambda: peer.sent_bytes == len(DATA))


@pytest.mark.parametrize("paused_first", [False, True])
def test_cancel_removes_the_partial_file(
    mine: Downloading, peer: FakePeer, paused_first: bool
) -> None:
    hang_after(peer, 3)
    number = queue_up(mine, peer)
    mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
    if paused_first:
        mine.queue.pause(number)
        eventually(lambda: not mine.worker._tasks)
        assert len(mine.parts()) == 3
    begun = time.monotonic()
    mine.queue.cancel(number)
    eventually(lambda: not mine.parts(), AT_ONCE)
    assert time.monotonic() - begun < AT_ONCE
    assert mine.get(number).state is CANCELLED
    assert list(mine.folder.iterdir()) == [mine.folder / ".videoteca"]
    honest(peer)
    mine.queue.retry(number)
    mine.wait(number, DONE)
    eventually(lambda: peer.sent_bytes == 3 * MIB + len(DATA))


def test_a_stop_keeps_what_was_verified(tmp_path: Path, peer: FakePeer) -> None:
    hang_after(peer, 3)
    with downloading(tmp_path, tmp_path / "received") as mine:
        number = queue_up(mine, peer)
        mine.wait_for(number, lambda download: download.verified_bytes == 3 * MIB)
        begun = time.monotonic()
        mine.worker.stop()
        assert time.monotonic() - begun < AT_ONCE
        assert mine.get(number).state is WAITING
    honest(peer)
    with downloading(tmp_path, tmp_path / "received") as mine:
        mine.videos[MANIFEST.video_id] = located(MANIFEST, "clip.mp4", [("ana", peer.endpoint)])
        assert mine.get(number).verified_bytes == 3 * MIB
        mine.wait(number, DONE)
    eventually(lambda: peer.sent_bytes == len(DATA))
    assert peer.manifests == 1


def test_who_waits_for_a_source_blocks_nobody(mine: Downloading, peer: FakePeer) -> None:
    other = manifest_of(b"nobody has it")
    waiting = mine.add(located(other, "other.mp4"))
    number = queue_up(mine, peer)
    mine.wait(number, DONE)
    held = mine.get(waiting)
    assert (held.state, held.reason) == (WAITING, "NO_SOURCE_ONLINE")
    assert held.held_back is HeldBack.NO_SOURCE
    with fake_peer(b"nobody has it") as late:
        mine.videos[other.video_id] = located(other, "other.mp4", [("late", late.endpoint)])
        mine.wait(waiting, DONE)


def test_who_is_named_but_gone_is_no_source(mine: Downloading) -> None:
    with fake_peer(b"gone") as gone:
        pass
    number = queue_up(mine, gone)
    held = mine.wait_for(number, lambda download: download.reason)
    assert (held.state, held.reason) == (WAITING, "UNREACHABLE")
    assert held.held_back is HeldBack.NO_SOURCE


def test_a_tracker_that_is_away_is_waited_for(mine: Downloading, peer: FakePeer) -> None:
    mine.tracker_trouble = Unreachable(what="tracker", address="10.0.0.1:1025", detail="no answer")
    number = queue_up(mine, peer)
    held = mine.wait_for(number, lambda download: download.reason)
    assert (held.state, held.reason, held.held_back) == (WAITING, "UNREACHABLE", None)
    mine.tracker_trouble = None
    mine.wait(number, DONE)


def test_a_video_that_everybody_took_back_is_waited_for(mine: Downloading, peer: FakePeer) -> None:
    mine.tracker_trouble = VideoUnknown(video=MANIFEST.video_id)
    number = queue_up(mine, peer)
    held = mine.wait_for(number, lambda download: download.reason)
    assert (held.state, held.reason, held.failed_tries) == (WAITING, "NO_SOURCE_ONLINE", 0)
    mine.tracker_trouble = None
    mine.wait(number, DONE)


def test_a_peer_that_is_gone_is_waited_for(mine: Downloading) -> None:
    with fake_peer(DATA) as gone:
        pass
    number = queue_up(mine, gone)
    held = mine.wait_for(number, lambda download: download.reason)
    assert (held.state, held.reason, held.failed_tries) == (WAITING, "UNREACHABLE", 0)


def test_taken_slots_are_waited_for(
    mine: Downloading, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_service.transfer.download._PATIENCE_SECONDS", 0.5)

    def taken(messages: Messages) -> Messages:
        raise NoUploadSlot(retry_after_seconds=40)

    peer.alter = taken
    number = queue_up(mine, peer)
    held = mine.wait_for(number, lambda download: download.reason == "NO_UPLOAD_SLOT")
    assert held.held_back is HeldBack.THEIR_SLOTS
    assert 38 < (mine.queue.seconds_until_due() or 0) <= 40
    honest(peer)
    mine.queue.retry(number)
    mine.wait(number, DONE)


def test_neither_itself_nor_a_forbidden_address_is_asked(tmp_path: Path, peer: FakePeer) -> None:
    with (
        fake_peer(DATA) as myself,
        downloading(
            tmp_path, tmp_path / "received", may_use=lambda endpoint: endpoint != peer.endpoint
        ) as mine,
    ):
        sources = [("me", myself.endpoint), ("ana", peer.endpoint)]
        number = mine.add(located(MANIFEST, "clip.mp4", sources))
        mine.wait_for(number, lambda download: download.reason == "NO_SOURCE_ONLINE")
        assert myself.manifests == peer.manifests == 0


def test_several_at_once(tmp_path: Path, peer: FakePeer) -> None:
    hang_after(peer, 2)
    with (
        fake_peer(b"x" * MIB) as other,
        downloading(tmp_path, tmp_path / "received", parallel=2) as mine,
    ):
        held = queue_up(mine, peer)
        mine.wait_for(held, lambda download: download.verified_bytes == 2 * MIB)
        number = mine.add(located(other.manifest, "other.mp4", [("ana", other.endpoint)]))
        mine.wait(number, DONE)
        assert mine.get(held).state is RUNNING


def test_several_at_once_have_a_dozen_streams_in_all(tmp_path: Path) -> None:
    with (
        ExitStack() as stack,
        downloading(tmp_path, tmp_path / "received", parallel=2) as mine,
    ):
        peers = [[stack.enter_context(fake_peer(data)) for _ in range(8)] for data in two_videos()]
        for number, sources in enumerate(peers):
            for each in sources:
                hang_after(each, 0)
            named = [(f"peer{number}.{place}", it.endpoint) for place, it in enumerate(sources)]
            mine.add(located(sources[0].manifest, f"clip{number}.mp4", named))

        def fetching() -> int:
            return sum(len(each.fetches) for sources in peers for each in sources)

        eventually(lambda: fetching() == 12)
        with pytest.raises(AssertionError):
            eventually(lambda: fetching() > 12, timeout_seconds=1.0)
        for sources in peers:
            for each in sources:
                each.hold.set()
        eventually(lambda: all(each.state is DONE for each in mine.worker.downloads()))


def two_videos() -> tuple[bytes, bytes]:
    return video_bytes(16 * MIB, seed=1), video_bytes(16 * MIB, seed=2)


def test_one_at_a_time_by_default(mine: Downloading, peer: FakePeer) -> None:
    hang_after(peer, 2)
    held = queue_up(mine, peer)
    mine.wait_for(held, lambda download: download.verified_bytes == 2 * MIB)
    with fake_peer(b"x" * MIB) as other:
        number = mine.add(located(other.manifest, "other.mp4", [("ana", other.endpoint)]))
        mine.queue.move(number, position=1)
        assert mine.get(number).state is WAITING
        mine.queue.pause(held)
        mine.wait(number, DONE)


def test_a_missing_folder_fails_at_once_and_says_so(mine: Downloading, peer: FakePeer) -> None:
    mine.folder.rmdir()
    number = queue_up(mine, peer)
    failed = mine.wait(number, FAILED)
    assert failed.reason == "FOLDER_UNUSABLE"
    assert str(mine.folder) in failed.message
    mine.folder.mkdir()
    mine.queue.retry(number)
    mine.wait(number, DONE)


def test_sharing_on_may_fail(mine: Downloading, peer: FakePeer) -> None:
    mine.shares.trouble = FileUnreadable(path="clip.mp4", detail="gone")
    number = queue_up(mine, peer)
    mine.wait(number, DONE)
    with fake_peer(b"") as empty:
        other = mine.add(located(empty.manifest, "empty.mp4", [("ana", empty.endpoint)]))
        mine.wait(other, DONE)


def test_a_mistake_of_ours_ends_one_download_only(tmp_path: Path, peer: FakePeer) -> None:
    def may_use(endpoint: Endpoint) -> bool:
        if peer.fetches:
            return True
        peer.fetches.append((0, 0))
        raise ZeroDivisionError

    with downloading(tmp_path, tmp_path / "received", may_use=may_use) as mine:
        number = queue_up(mine, peer)
        failed = mine.wait(number, FAILED)
        assert (failed.reason, failed.message) == (
            "INTERNAL_ERROR",
            "Internal error; the log has its cause.",
        )
        mine.queue.retry(number)
        mine.wait(number, DONE)
