"""The shelf holds one file for each name and tells of every change."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from peer_service.library.model import FileStamp, FoundFile, SharedVideo
from peer_service.library.shelf import Shelf
from peer_service.partial import LivePieces, PartialVideo
from peer_service.pieces import PieceSet
from videoteca_core.catalogue import HoldingState
from videoteca_core.errors import NameInUse
from videoteca_core.manifest import Manifest, digest


def video(name: str, path: str = "", content: bytes = b"x") -> SharedVideo:
    path = path or f"/f/{name}"
    file = FoundFile(path, Path("/f"), (name,), FileStamp(len(content), 1, 1))
    return SharedVideo.of(name, Manifest(len(content), digest(content)), file)


def shelf_of(*videos: SharedVideo) -> Shelf:
    shelf = Shelf(lambda name: name == "withheld")
    for each in videos:
        shelf.put(each)
    return shelf


def test_videos_are_found_by_name_and_by_content() -> None:
    one, other = video("b.mp4"), video("a.mp4")
    shelf = shelf_of(one, other)
    assert shelf.named("b.mp4") is one
    assert shelf.identified(one.holding.video_id) in (one, other)
    assert [holding.name for holding in shelf.holdings()] == ["a.mp4", "b.mp4"]
    shelf.withdraw(one)
    assert shelf.identified(one.holding.video_id) is other
    shelf.withdraw(other)
    assert shelf.identified(one.holding.video_id) is None
    assert shelf.holdings() == ()


def test_a_name_belongs_to_one_file() -> None:
    shelf = shelf_of(video("a.mp4", "/f/1/a.mp4"))
    with pytest.raises(NameInUse):
        shelf.put(video("a.mp4", "/f/2/a.mp4"))
    newer = video("a.mp4", "/f/1/a.mp4", b"changed")
    shelf.put(newer)
    assert shelf.named("a.mp4") is newer
    assert shelf.videos() == (newer,)


def test_to_put_the_same_again_is_no_change() -> None:
    shelf = shelf_of(video("a.mp4"), video("a.mp4"))
    assert shelf.news.version == 1


def test_only_the_very_same_video_is_withdrawn() -> None:
    older, newer = video("a.mp4"), video("a.mp4", content=b"changed")
    shelf = shelf_of(older, newer)
    version = shelf.news.version
    shelf.withdraw(older)
    assert (shelf.named("a.mp4"), shelf.news.version) == (newer, version)


def test_what_is_withheld_is_not_put() -> None:
    shelf = shelf_of(video("withheld"))
    assert shelf.videos() == ()
    assert shelf.news.version == 0


def test_a_change_wakes_those_who_wait_from_any_thread() -> None:
    async def scenario() -> None:
        shelf = shelf_of()
        waiting = [asyncio.create_task(shelf.news.changed(0)) for _ in range(3)]
        gone = asyncio.create_task(shelf.news.changed(0))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        thread = threading.Thread(target=shelf.put, args=[video("a.mp4")])
        thread.start()
        assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [1, 1, 1]
        thread.join()
        assert await shelf.news.changed(0) == 1

    asyncio.run(scenario())


def partial(name: str, content: bytes) -> PartialVideo:
    manifest = Manifest(len(content), digest(content))
    folder = Path("/f/.videoteca")
    return PartialVideo(name, manifest, folder, "1.part", LivePieces(PieceSet(1)))


def told(shelf: Shelf) -> list[tuple[str, HoldingState]]:
    return [(holding.name, holding.state) for holding in shelf.holdings()]


PARTIAL, COMPLETE = HoldingState.PARTIAL, HoldingState.COMPLETE


def test_a_download_is_shared_until_its_file_is() -> None:
    shelf, download = shelf_of(), partial("a.mp4", b"x")
    shelf.offer(download)
    assert told(shelf) == [("a.mp4", PARTIAL)]
    (holding,) = shelf.holdings()
    assert shelf.partial(video_id=holding.video_id) is download
    assert shelf.partial(name="a.mp4") is download
    assert shelf.named("a.mp4") is shelf.identified(holding.video_id) is None
    file = video("b.mp4")
    shelf.put(file)
    assert told(shelf) == [("b.mp4", COMPLETE)]
    assert shelf.partial(video_id=holding.video_id) is shelf.partial(name="a.mp4") is None
    shelf.withdraw(file)
    assert told(shelf) == [("a.mp4", PARTIAL)]
    shelf.end_offer(holding.video_id)
    assert told(shelf) == []


def test_a_download_has_the_name_that_its_file_is_going_to_get() -> None:
    shelf = shelf_of(video("a.mp4", content=b"0"))
    first, second = partial("a.mp4", b"1"), partial("a.mp4", b"22")
    for each in (first, second, partial("b.mp4", b"3")):
        shelf.offer(each)
    names = ["a (2).mp4", "a (3).mp4", "a.mp4", "b.mp4"]
    assert [name for name, _ in told(shelf)] == names
    assert shelf.partial(name="a (3).mp4") is second
    shelf.put(video("a (2).mp4", content=b"1"))  # the first is complete
    assert [name for name, _ in told(shelf)] == names
    shelf.put(video("b.mp4", content=b"4"))  # the owner brought another
    assert [name for name, _ in told(shelf)] == [*names[:3], "b (2).mp4", "b.mp4"]


def test_a_download_whose_name_can_not_be_told_is_found_by_its_id_only() -> None:
    name = "a" * 236 + ".mp4"
    shelf, download = shelf_of(video(name, content=b"0")), partial(name, b"1")
    shelf.offer(download)
    assert told(shelf) == [(name, COMPLETE)]
    assert shelf.partial(video_id=download.manifest.video_id) is download
    assert shelf.partial(name="a" * 236 + " (2).mp4") is None
    other = partial("b.mp4", b"2")
    shelf.offer(other)
    assert shelf.partial(video_id=other.manifest.video_id) is other
    assert shelf.partial(video_id="0" * 64) is None


def test_a_download_whose_name_is_withheld_is_not_shared() -> None:
    shelf, download = shelf_of(), partial("withheld", b"1")
    shelf.offer(download)
    assert told(shelf) == []
    assert shelf.partial(video_id=download.manifest.video_id) is None


def test_every_change_of_what_is_told_is_told_once() -> None:
    shelf, download = shelf_of(), partial("a.mp4", b"x")

    def version_after(step: Callable[..., None], *arguments: object) -> int:
        step(*arguments)
        return shelf.news.version

    assert version_after(shelf.offer, download) == 1
    assert version_after(shelf.put, video("a.mp4")) == 2
    assert version_after(shelf.end_offer, download.manifest.video_id) == 2  # nobody saw it
    assert version_after(shelf.offer, partial("b.mp4", b"1")) == 3
    assert version_after(shelf.offer, partial("c.mp4", b"2")) == 4
    assert version_after(shelf.end_offers) == 6
    assert version_after(shelf.end_offers) == 6
    assert told(shelf) == [("a.mp4", COMPLETE)]


def test_who_watches_a_download_learns_that_it_is_not_shared_any_more() -> None:
    shelf, download = shelf_of(), partial("a.mp4", b"x")
    shelf.offer(download)
    before = download.pieces.news.version
    shelf.put(video("a.mp4"))
    assert download.pieces.news.version == before + 1
    shelf.end_offer(download.manifest.video_id)
    again = partial("a.mp4", b"x")
    shelf.offer(again)
    shelf.offer(download)
    assert again.pieces.news.version == 1
