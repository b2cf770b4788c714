"""What the library hashes, in which order, what it knows without, and how far it says it is."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from peer_service.database import PeerDatabase
from peer_service.library.cache import DigestCache
from peer_service.library.library import Library
from peer_service.library.model import HashingProgress, ShareProgress
from peer_service.library.reading import OpenVideo
from tests.sharing import Sharing, sharing
from tests.waiting import eventually
from videoteca_core.errors import DiskFull, FileChanged

MIB = 1 << 20
ENDLESS_BYTES = 1 << 37
"""So much that no test sees the end of its hashing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shared"
    path.mkdir()
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "peer.db"


def write(path: Path, size_bytes: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size_bytes))
    return path


def sparse(path: Path, size_bytes: int) -> Path:
    path.touch()
    os.truncate(path, size_bytes)
    return path


def use_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr("peer_service.library.hashing._usable_cores", lambda: threads)


def before_each_block(
    monkeypatch: pytest.MonkeyPatch, before: Callable[[str, int], object]
) -> None:
    """Call that with the name of the video and the offset before a block of it is read."""
    real = OpenVideo.read_into

    def read_into(video: OpenVideo, offset: int, into: memoryview) -> None:
        before(video._name, offset)
        real(video, offset, into)

    monkeypatch.setattr(OpenVideo, "read_into", read_into)


async def run_until_shared(library: Library, count: int) -> None:
    """Let a library look, hash and share until it shares so many videos."""
    running = asyncio.create_task(library.run())
    version = library.version
    async with asyncio.timeout(20):
        while len(library.holdings()) < count:
            version = await library.changed(version)
    running.cancel()
    await asyncio.wait({running})


async def share(library: Library, path: Path) -> ShareProgress:
    return [progress async for progress in library.share(path)][-1]


def video_id(peer: Sharing, name: str) -> str:
    return peer.library.find(name=name).holding.video_id


def paths(peer: Sharing) -> list[str]:
    return [video.file.path for video in peer.library._shelf.videos()]


# In which order


def test_many_files_are_hashed_at_once(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_threads(monkeypatch, 4)
    together = threading.Barrier(4)  # breaks, and ends the library, when one never comes
    libraries: list[Library] = []
    begun: list[int] = []

    def before(_name: str, _offset: int) -> None:
        together.wait(20)
        begun.append(len(libraries[0]._indexer._jobs))

    before_each_block(monkeypatch, before)
    for number in range(12):
        write(folder / f"{number:02}.mp4", 1000)
    with PeerDatabase(database) as opened:
        libraries.append(Library(opened, [folder], settle_seconds=0, interval_seconds=3600))
        asyncio.run(run_until_shared(libraries[0], 12))
        assert libraries[0].hashed_bytes == 12_000
    assert max(begun) <= 4  # what waits holds no memory


def test_a_small_video_that_comes_later_does_not_wait_for_a_big_one(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_threads(monkeypatch, 1)
    began = threading.Event()
    before_each_block(monkeypatch, lambda _name, _offset: began.set())
    sparse(folder / "endless.mp4", ENDLESS_BYTES)
    with sharing(database, folder) as peer:
        assert began.wait(20)
        for number in range(3):
            write(folder / f"small {number}.mp4", 3 * MIB)
        peer.wait_shared("small 0.mp4", "small 1.mp4", "small 2.mp4")
        eventually(lambda: peer.library.hashing().files == 1)


def test_what_the_owner_shares_now_does_not_wait_for_what_is_smaller(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_threads(monkeypatch, 1)
    began, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def before(name: str, _offset: int) -> None:
        began.set()
        assert go_on.wait(20)
        order.append(name)

    before_each_block(monkeypatch, before)
    sparse(folder / "automatic.mp4", 40 * MIB)
    with sharing(database, folder) as peer:
        assert began.wait(20)
        urgent = sparse(folder.parent / "urgent.mp4", 50 * MIB)
        sharing_now = asyncio.run_coroutine_threadsafe(share(peer.library, urgent), peer.loop)
        eventually(lambda: len(peer.library._indexer._hasher._jobs) == 2)
        go_on.set()
        assert sharing_now.result(20).holding
        peer.wait_shared("automatic.mp4", "urgent.mp4")
    assert order[8:58] == ["urgent.mp4"] * 50  # the thread ends its run of 8 pieces first


def test_a_mistake_of_this_program_is_not_hidden(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_name: str, _offset: int) -> None:
        raise ZeroDivisionError

    before_each_block(monkeypatch, fail)
    write(folder / "clip.mp4", 5)
    with PeerDatabase(database) as opened:
        library = Library(opened, [folder], settle_seconds=0, interval_seconds=0.02)
        with pytest.raises(ExceptionGroup) as caught:
            asyncio.run(asyncio.wait_for(library.run(), 20))
    assert caught.group_contains(ZeroDivisionError)


# How far it is


def test_it_says_how_far_it_is(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_threads(monkeypatch, 1)
    go_on = threading.Event()

    def before(name: str, offset: int) -> None:
        if (name, offset) == ("3.mp4", 2 * MIB):
            assert go_on.wait(20)

    before_each_block(monkeypatch, before)
    for size in (1, 3, 5):
        sparse(folder / f"{size}.mp4", size * MIB)
    with sharing(database, folder) as peer:
        eventually(lambda: peer.library.hashing() == HashingProgress(2, 8 * MIB, 2 * MIB))
        peer.wait_shared("1.mp4")
        go_on.set()
        peer.wait_shared("1.mp4", "3.mp4", "5.mp4")
        eventually(lambda: peer.library.hashing() == HashingProgress(0, 0, 0))
        assert peer.library.hashed_bytes == 9 * MIB


def test_what_the_owner_shares_counts_before_a_look_has_found_it(
    folder: Path, database: Path
) -> None:
    path = write(folder / "clip.mp4", 3 * MIB)

    async def scenario(library: Library) -> None:
        steps = library.share(path)
        await anext(steps)
        assert (library.hashing().files, library.hashing().size_bytes) == (1, 3 * MIB)
        assert [step async for step in steps][-1].holding
        assert library.hashing().files == 0

    with PeerDatabase(database) as opened:
        asyncio.run(scenario(Library(opened, [folder])))


# What is known without


def test_a_renamed_video_is_shared_at_once_and_not_hashed(folder: Path, database: Path) -> None:
    path = write(folder / "old.mp4", 3 * MIB)
    with sharing(database, folder, settle_seconds=3600) as peer:
        peer.call(share(peer.library, path))
        before = video_id(peer, "old.mp4")
        path.rename(folder / "new.mp4")
        peer.wait_shared("new.mp4")
        assert video_id(peer, "new.mp4") == before
        (folder / "season 1").mkdir()
        (folder / "new.mp4").rename(folder / "season 1" / "newer.mp4")
        peer.wait_shared("newer.mp4")
        (folder / "season 1").rename(folder / "season one")
        eventually(lambda: paths(peer) == [str(folder / "season one" / "newer.mp4")])
        assert peer.library.hashed_bytes == 3 * MIB


def test_a_video_that_is_renamed_while_it_is_hashed_is_not_hashed_again(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_threads(monkeypatch, 1)
    path = sparse(folder / "old.mp4", 40 * MIB)

    def before(_name: str, offset: int) -> None:
        if offset == 30 * MIB:
            path.rename(folder / "new.mp4")

    before_each_block(monkeypatch, before)
    with sharing(database, folder) as peer:
        peer.wait_shared("new.mp4")
        assert peer.library.hashed_bytes == 40 * MIB
        assert peer.library.version == 1  # it was not even offered under its old name


def test_videos_that_were_renamed_while_the_peer_was_down_are_not_hashed(
    tmp_path: Path, folder: Path, database: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number in range(20):
        write(folder / "season 1" / f"{number:02}.mp4", 1000)
    with sharing(database, folder, other) as peer:
        peer.wait_shared(*(f"{number:02}.mp4" for number in range(20)))
        ids = {holding.video_id for holding in peer.library.holdings()}
    for number in range(10):
        (folder / "season 1" / f"{number:02}.mp4").rename(other / f"moved {number:02}.mp4")
    (folder / "season 1").rename(folder / "season one")
    names = [f"moved {number:02}.mp4" for number in range(10)]
    names += [f"{number:02}.mp4" for number in range(10, 20)]
    for _ in range(2):
        with sharing(database, folder, other, settle_seconds=3600) as peer:
            peer.wait_shared(*names)
            assert {holding.video_id for holding in peer.library.holdings()} == ids
            assert peer.library.hashed_bytes == 0


def test_a_file_with_several_names_is_hashed_once(
    tmp_path: Path, folder: Path, database: Path
) -> None:
    path = write(folder / "a.mp4", 3 * MIB)
    for name in ("b.mp4", "c.mp4"):
        (folder / name).hardlink_to(path)
    with sharing(database, folder) as peer:
        peer.wait_shared("a.mp4", "b.mp4", "c.mp4")
        (folder / "d.mp4").hardlink_to(path)
        peer.wait_shared("a.mp4", "b.mp4", "c.mp4", "d.mp4")
        (tmp_path / "e.mp4").hardlink_to(path)
        assert peer.call(share(peer.library, tmp_path / "e.mp4")).holding
        assert len({holding.video_id for holding in peer.library.holdings()}) == 1
        assert peer.library.hashed_bytes == 3 * MIB


def test_what_the_owner_shares_is_known_before_the_next_look(folder: Path, database: Path) -> None:
    path = write(folder / "old.mp4", 3 * MIB)

    async def scenario(library: Library) -> None:
        old = await share(library, path)
        new = await share(library, path.rename(folder / "new.mp4"))
        assert old.holding
        assert new.holding
        assert old.holding.video_id == new.holding.video_id

    with PeerDatabase(database) as opened:
        library = Library(opened, [folder])
        asyncio.run(scenario(library))
        assert library.hashed_bytes == 3 * MIB


def test_a_known_video_is_looked_at_before_it_is_shared_again(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder / "clip.mp4", 1000)

    def lift(_cache: DigestCache, _name: str) -> None:
        write(path, 1001)

    with PeerDatabase(database) as opened:
        library = Library(opened, [folder])
        asyncio.run(share(library, path))
        library._shelf.withdraw(library.find(name="clip.mp4"))
        monkeypatch.setattr(DigestCache, "lift", lift)
        with pytest.raises(FileChanged):
            asyncio.run(share(library, path))


def test_what_is_put_in_the_place_of_a_video_is_hashed(folder: Path, database: Path) -> None:
    path = write(folder / "clip.mp4", 3 * MIB)
    status = path.stat()
    with sharing(database, folder) as peer:
        peer.wait_shared("clip.mp4")
        first = video_id(peer, "clip.mp4")
        path.rename(folder / "first.mp4")
        replacement = write(folder.parent / "replacement.mp4", 3 * MIB)
        os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
        replacement.rename(path)
        peer.wait_shared("clip.mp4", "first.mp4")
        assert video_id(peer, "first.mp4") == first
        assert video_id(peer, "clip.mp4") != first
        assert peer.library.hashed_bytes == 6 * MIB


def test_without_room_to_remember_a_renamed_video_it_is_hashed(
    folder: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adopt(_cache: DigestCache, _files: object) -> None:
        raise DiskFull(path=database)

    path = write(folder / "old.mp4", 1000)
    with sharing(database, folder) as peer:
        peer.wait_shared("old.mp4")
        monkeypatch.setattr(DigestCache, "adopt", adopt)
        path.rename(folder / "new.mp4")
        peer.wait_shared("new.mp4")
        assert peer.library.hashed_bytes == 2000
