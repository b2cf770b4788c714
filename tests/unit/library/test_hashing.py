"""Files are hashed by all threads, in order of urgency and size, and one by one they may fail."""

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from peer_service.library.hashing import Hasher, HashJob
from peer_service.library.model import FoundFile
from peer_service.library.reading import OpenVideo, find_file
from peer_service.stop import Stopped
from tests.waiting import eventually
from videoteca_core.errors import FileChanged, FileUnreadable
from videoteca_core.manifest import Manifest, digest

MIB = 1 << 20
RUN = 16 * MIB

Reading = tuple[str, int]
"""The name of a video, and an offset in it."""


def big_file(path: Path, mebibytes: int) -> HashJob:
    """A file whose pieces all differ."""
    with path.open("wb") as file:
        for number in range(mebibytes):
            file.seek(number * MIB)
            file.write(number.to_bytes(8, "big"))
        file.truncate(mebibytes * MIB)
    return job(path)


def job(path: Path) -> HashJob:
    return HashJob(path.name, find_file(path.parent, (path.name,)))


def manifest_of(path: Path) -> Manifest:
    data = path.read_bytes()
    pieces = (data[at : at + MIB] for at in range(0, len(data), MIB))
    return Manifest(len(data), b"".join(map(digest, pieces)))


def hashing(
    monkeypatch: pytest.MonkeyPatch,
    *,
    threads: int,
    before: Callable[[Reading], object] = lambda _: None,
) -> list[Reading]:
    """Let that many threads hash, and tell of each block just before it is read.

    Returns:
        What was read, in order, filled while the test runs.
    """
    real = OpenVideo.read_into
    done: list[Reading] = []

    def read_into(video: OpenVideo, offset: int, into: memoryview) -> None:
        before((video._name, offset))
        done.append((video._name, offset))
        real(video, offset, into)

    monkeypatch.setattr(OpenVideo, "read_into", read_into)
    monkeypatch.setattr("peer_service.library.hashing._usable_cores", lambda: threads)
    return done


@pytest.fixture(autouse=True)
def no_file_stays_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    opened: list[OpenVideo] = []
    open_video, close = OpenVideo.__init__, OpenVideo.close

    def opening(video: OpenVideo, file: FoundFile, name: str) -> None:
        open_video(video, file, name)
        opened.append(video)

    def closing(video: OpenVideo) -> None:
        close(video)
        opened.remove(video)

    monkeypatch.setattr(OpenVideo, "__init__", opening)
    monkeypatch.setattr(OpenVideo, "close", closing)
    yield
    assert not opened


def run(scenario: Callable[[Hasher], Coroutine[object, object, None]]) -> None:
    async def main() -> None:
        with contextlib.closing(Hasher()) as hasher:
            await asyncio.wait_for(scenario(hasher), 30)

    asyncio.run(main())


def test_as_many_threads_as_cores_hash_one_file_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3)  # breaks, and so fails the job, when one never comes

    def before(reading: Reading) -> None:
        if reading[1] % RUN == 0:
            together.wait(20)

    hashing(monkeypatch, threads=3, before=before)
    big = big_file(tmp_path / "big.mp4", 5 * 16 + 3)

    async def scenario(hasher: Hasher) -> None:
        assert await hasher.hash(big) == manifest_of(tmp_path / "big.mp4")
        assert big.hashed_bytes == big.size_bytes

    run(scenario)


def test_no_more_files_at_once_than_there_are_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2)
    lock = threading.Lock()
    inside, most = 0, 0

    def before(_: Reading) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait(20)
        with lock:
            inside -= 1

    hashing(monkeypatch, threads=2, before=before)
    jobs = [big_file(tmp_path / f"{number}.mp4", 1) for number in range(8)]

    async def scenario(hasher: Hasher) -> None:
        await asyncio.gather(*map(hasher.hash, jobs))

    run(scenario)
    assert most == 2


def test_what_is_waited_for_goes_first_and_then_the_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def before(_: Reading) -> None:
        began.set()
        assert go_on.wait(20)

    done = hashing(monkeypatch, threads=1, before=before)
    big, bigger = big_file(tmp_path / "big", 40), big_file(tmp_path / "bigger", 50)
    small, smaller = big_file(tmp_path / "small", 2), big_file(tmp_path / "smaller", 1)
    bigger.urgent = True

    async def scenario(hasher: Hasher) -> None:
        first = asyncio.create_task(hasher.hash(big))
        assert await asyncio.to_thread(began.wait, 20)
        others = [asyncio.create_task(hasher.hash(each)) for each in (small, smaller, bigger)]
        await asyncio.sleep(0)  # they wait for the thread now
        go_on.set()
        await asyncio.gather(first, *others)

    run(scenario)
    order = [name for name, _ in done]
    # A thread ends its run before it looks what comes first.
    assert order == [*["big"] * 16, *["bigger"] * 50, "smaller", *["small"] * 2, *["big"] * 24]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (OSError(errno.EIO, "the disk says no"), FileUnreadable),
        (FileNotFoundError(), FileChanged),
        (FileChanged(name="big.mp4"), FileChanged),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
def test_a_failure_ends_that_file_in_all_threads_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, kind: type[Exception]
) -> None:
    both = threading.Barrier(2)
    failed = threading.Event()

    def before(reading: Reading) -> None:
        if reading == ("big.mp4", 0):
            both.wait(20)
            raise fault
        if reading == ("big.mp4", RUN):
            both.wait(20)
            assert failed.wait(20)

    done = hashing(monkeypatch, threads=2, before=before)
    big, fine = big_file(tmp_path / "big.mp4", 64), big_file(tmp_path / "fine.mp4", 3)

    async def scenario(hasher: Hasher) -> None:
        task = asyncio.create_task(hasher.hash(big))
        await asyncio.to_thread(eventually, lambda: big._error)
        failed.set()
        assert await hasher.hash(fine) == manifest_of(tmp_path / "fine.mp4")
        with pytest.raises(kind):
            await task

    run(scenario)
    assert [offset for name, offset in done if name == "big.mp4"] == [RUN]


def test_a_stopped_file_ends_once_no_thread_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def before(_: Reading) -> None:
        began.set()
        assert go_on.wait(20)

    done = hashing(monkeypatch, threads=1, before=before)
    big, other = big_file(tmp_path / "big.mp4", 40), big_file(tmp_path / "other.mp4", 50)

    async def scenario(hasher: Hasher) -> None:
        tasks = [asyncio.create_task(hasher.hash(each)) for each in (big, other)]
        assert await asyncio.to_thread(began.wait, 20)
        big.stop()
        other.stop()
        assert (big.ended.is_set(), other.ended.is_set()) == (False, True)
        go_on.set()
        for task in tasks:
            with pytest.raises(Stopped):
                await task

    run(scenario)
    assert done == [("big.mp4", 0)]


def test_an_empty_file_is_looked_at_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    here, gone = job(path), job(path)

    async def scenario(hasher: Hasher) -> None:
        assert await hasher.hash(here) == Manifest(0, b"")
        path.unlink()
        with pytest.raises(FileChanged):
            await hasher.hash(gone)

    run(scenario)


def test_there_is_a_thread_for_each_core_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1, 3, 5}, raising=False)
    assert Hasher().threads == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert Hasher().threads == 7
