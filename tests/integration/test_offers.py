"""What others may fetch of downloads that are not finished, and until when."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.downloads.model import DownloadState
from tests.downloading import Downloading, Shares, downloading, hang_after, honest
from tests.fakes.peer import FakePeer, Messages, fake_peer
from tests.sharing import sharing
from tests.videos import MIB, located, manifest_of, video_bytes
from tests.waiting import eventually
from videoteca_core.catalogue import HoldingState, LocatedVideo, Source
from videoteca_core.errors import FolderUnusable, NoUploadSlot

WAITING, RUNNING, PAUSED, DONE, FAILED, CANCELLED = DownloadState
DATA: Final = video_bytes(8 * MIB)
MANIFEST: Final = manifest_of(DATA)
VIDEO: Final = MANIFEST.video_id


@pytest.fixture
def peer() -> Iterator[FakePeer]:
    with fake_peer(DATA) as serving:
        yield serving


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Downloading]:
    with downloading(tmp_path, tmp_path / "received") as running:
        yield running


def begin(mine: Downloading, peer: FakePeer, pieces: int = 3) -> int:
    """Let a download have so many pieces and no more."""
    hang_after(peer, pieces)
    number = mine.add(located(MANIFEST, "clip.mp4", [("ana", peer.endpoint)]))
    mine.wait_for(number, lambda download: download.verified_bytes == pieces * MIB)
    return number


def test_a_running_download_is_offered_until_it_is_done(mine: Downloading, peer: FakePeer) -> None:
    number = begin(mine, peer)
    offered = mine.shares.offered[VIDEO]
    assert (offered.name, offered.manifest) == ("clip.mp4", MANIFEST)
    assert len(offered.pieces.snapshot()) == 3
    assert (offered.folder / offered.part).stat().st_size == len(DATA)
    peer.hold.set()
    mine.wait(number, DONE)
    eventually(lambda: not mine.shares.offered)
    # Somebody has it at every moment.
    assert mine.shares.said == [("offer", VIDEO), ("done", VIDEO), ("end", VIDEO)]


def test_a_download_that_waits_is_offered_until_it_does_not(
    mine: Downloading, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_service.transfer.download._PATIENCE_SECONDS", 0.2)

    def taken(messages: Messages) -> Messages:
        raise NoUploadSlot(retry_after_seconds=40)

    number = begin(mine, peer)
    mine.queue.pause(number)
    eventually(lambda: not mine.shares.offered)
    peer.alter = taken
    mine.queue.resume(number)
    mine.wait_for(number, lambda download: download.reason == "NO_UPLOAD_SLOT")
    mine.add(located(manifest_of(b"x"), "other.mp4"))  # all look again at what is to be done
    eventually(lambda: any(each.reason == "NO_SOURCE_ONLINE" for each in mine.worker.downloads()))
    assert len(mine.shares.offered[VIDEO].pieces.snapshot()) == 3
    mine.queue.pause(number)
    eventually(lambda: not mine.shares.offered)


def test_the_offer_of_a_cancelled_download_ends_before_its_file_is_gone(
    tmp_path: Path, peer: FakePeer
) -> None:
    part_at_end: list[bool] = []

    class Watching(Shares):
        def end_offer(self, video_id: str) -> None:
            offered = self.offered[video_id]
            part_at_end.append((offered.folder / offered.part).exists())
            super().end_offer(video_id)

    shares = Watching()
    with downloading(tmp_path, tmp_path / "received", library=shares) as mine:
        number = begin(mine, peer)
        mine.queue.cancel(number)
        eventually(lambda: not mine.parts())
        assert part_at_end == [True]
        assert shares.offered == {}


def test_a_failed_download_is_not_offered(mine: Downloading, peer: FakePeer) -> None:
    number = begin(mine, peer)
    mine.queue.pause(number)
    eventually(lambda: not mine.shares.offered)
    mine.tracker_trouble = FolderUnusable(path=mine.folder, detail="it is gone")
    mine.queue.resume(number)
    mine.wait(number, FAILED)
    eventually(lambda: not mine.shares.offered)
    assert mine.shares.said == [("offer", VIDEO), ("end", VIDEO)] * 2


def test_after_a_start_what_is_here_is_offered_again(tmp_path: Path, peer: FakePeer) -> None:
    with downloading(tmp_path, tmp_path / "received") as mine:
        begin(mine, peer)
    hang_after(peer, 0)
    with downloading(tmp_path, tmp_path / "received") as mine:
        mine.videos[VIDEO] = located(MANIFEST, "clip.mp4", [("ana", peer.endpoint)])
        eventually(lambda: mine.shares.offered)
        assert len(mine.shares.offered[VIDEO].pieces.snapshot()) == 3


def test_who_shares_nothing_on_offers_nothing(tmp_path: Path, peer: FakePeer) -> None:
    with downloading(tmp_path, tmp_path / "received", reshare=False) as mine:
        number = begin(mine, peer)
        peer.hold.set()
        mine.wait(number, DONE)
        eventually(lambda: mine.shares.done)
        assert mine.shares.said == [("done", VIDEO)]


def test_all_of_a_video_from_a_peer_that_is_still_downloading_it(
    tmp_path: Path, peer: FakePeer
) -> None:
    homes = [tmp_path / "ana", tmp_path / "eva"]
    for home in homes:
        (home / "received").mkdir(parents=True)
    ana, eva = homes
    with (
        sharing(ana / "library.db", ana / "received") as hers,
        downloading(ana, ana / "received", library=hers.library) as to_ana,
        downloading(eva, eva / "received") as to_eva,
    ):
        number = begin(to_ana, peer, pieces=5)
        assert [each.state for each in hers.library.holdings()] == [HoldingState.PARTIAL]
        states: list[tuple[HoldingState, ...]] = []
        over = threading.Event()

        def look() -> None:
            while not over.is_set():
                states.append(tuple(each.state for each in hers.library.holdings()))

        watcher = threading.Thread(target=look)
        watcher.start()
        partly = Source("ana", HoldingState.PARTIAL, (hers.endpoint,))
        other = to_eva.add(
            LocatedVideo("clip.mp4", VIDEO, len(DATA), (partly,), ("ana", "owner"), 2)
        )
        to_eva.wait_for(other, lambda download: download.verified_bytes == 5 * MIB)
        honest(peer)
        peer.hold.set()
        to_ana.wait(number, DONE)
        done = to_eva.wait(other, DONE)
        eventually(lambda: states[-1] == (HoldingState.COMPLETE,))
        over.set()
        watcher.join()
    assert Path(done.path).read_bytes() == DATA
    assert [(each.peer, each.bytes) for each in done.sources] == [("ana", len(DATA))]
    assert set(states) == {(HoldingState.PARTIAL,), (HoldingState.COMPLETE,)}
