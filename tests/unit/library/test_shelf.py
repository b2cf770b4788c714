"""The shelf holds one file for each name and tells of every change."""

import asyncio
import threading
from pathlib import Path

import pytest

from peer_service.library.model import FileStamp, FoundFile, SharedVideo
from peer_service.library.shelf import Shelf
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
