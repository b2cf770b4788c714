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
RUN = 8  # pieces

Reading = tuple[str, int]
"""The name of a video, and an offset in it."""


def big_file(path: Path, mebibytes: int) -> Path:
    """A file whose pieces all differ."""
    with path.open("wb") as file:
        for number in range(mebibytes):
            file.seek(number * MIB)
            file.write(number.to_bytes(8, "big"))
        file.truncate(mebibytes * MIB)
    return path


def job_of(path: Path) -> HashJob:
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
            assert not hasher._jobs

    asyncio.run(main())


def test_as_many_threads_as_cores_hash_one_file_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3)  # breaks, and so fails the job, when one never comes

    def before(reading: Reading) -> None:
        if reading[1] % (RUN * MIB) == 0:
            together.wait(20)

    hashing(monkeypatch, threads=3, before=before)
    path = big_file(tmp_path / "big.mp4", 5 * RUN + 3)

    async def scenario(hasher: Hasher) -> None:
        big = job_of(path)
        assert await hasher.hash(big) == manifest_of(path)
        assert big.hashed_bytes == big.size_bytes

    run(scenario)


def test_no_more_at_once_than_there_are_threads(
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
    paths = [big_file(tmp_path / f"{number}.mp4", 2) for number in range(8)]

    async def scenario(hasher: Hasher) -> None:
        await asyncio.gather(*(hasher.hash(job_of(path)) for path in paths))

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
    sizes = {"big": 2 * RUN, "bigger": 3 * RUN, "small": 2, "smaller": 1}
    paths = {name: big_file(tmp_path / name, size) for name, size in sizes.items()}

    async def scenario(hasher: Hasher) -> None:
        jobs = {name: job_of(path) for name, path in paths.items()}
        jobs["bigger"].urgent = True
        first = asyncio.create_task(hasher.hash(jobs.pop("big")))
        assert await asyncio.to_thread(began.wait, 20)
        others = [asyncio.create_task(hasher.hash(each)) for each in jobs.values()]
        await asyncio.sleep(0)  # they wait for the thread now
        go_on.set()
        await asyncio.gather(first, *others)

    run(scenario)
    assert [name for name, _ in done] == [
        *["big"] * RUN,
        *["bigger"] * 3 * RUN,
        *["smaller"],
        *["small"] * 2,
        *["big"] * RUN,
    ]


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
        if reading == ("big.mp4", RUN * MIB):
            both.wait(20)
            assert failed.wait(20)

    done = hashing(monkeypatch, threads=2, before=before)
    big_path, fine_path = (
        big_file(tmp_path / "big.mp4", 5 * RUN),
        big_file(tmp_path / "fine.mp4", 3),
    )

    async def scenario(hasher: Hasher) -> None:
        big = job_of(big_path)
        task = asyncio.create_task(hasher.hash(big))
        await asyncio.to_thread(eventually, lambda: big._error)
        failed.set()
        assert await hasher.hash(job_of(fine_path)) == manifest_of(fine_path)
        with pytest.raises(kind):
            await task

    run(scenario)
    assert [offset for name, offset in done if name == "big.mp4"] == [RUN * MIB]


def test_a_file_that_is_written_to_is_given_up_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = big_file(tmp_path / "big.mp4", 5 * RUN)
    done = hashing(monkeypatch, threads=1, before=lambda _: os.utime(path, ns=(1, 1)))

    async def scenario(hasher: Hasher) -> None:
        with pytest.raises(FileChanged):
            await hasher.hash(job_of(path))

    run(scenario)
    assert len(done) == RUN


def test_a_stopped_file_ends_once_no_thread_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def before(_: Reading) -> None:
        began.set()
        assert go_on.wait(20)

    done = hashing(monkeypatch, threads=1, before=before)
    paths = [big_file(tmp_path / name, 4) for name in ("big.mp4", "other.mp4")]

    async def scenario(hasher: Hasher) -> None:
        big, other = map(job_of, paths)
        tasks = [asyncio.create_task(hasher.hash(each)) for each in (big, other)]
        assert await asyncio.to_thread(began.wait, 20)
        for each in (big, other):
            each.stop()
        with pytest.raises(Stopped):
            await tasks[1]
        assert not big.ended.is_set()
        go_on.set()
        with pytest.raises(Stopped):
            await tasks[0]
        big.stop()  # closes the file no second time

    run(scenario)
    assert done == [("big.mp4", 0)]


def test_an_empty_file_has_nothing_to_hash(tmp_path: Path) -> None:
    path = big_file(tmp_path / "empty.mp4", 0)

    async def scenario(hasher: Hasher) -> None:
        assert await hasher.hash(job_of(path)) == Manifest(0, b"")

    run(scenario)


def test_there_is_a_thread_for_each_core_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {1, 3, 5}, raising=False)
    assert Hasher().threads == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert Hasher().threads == 7
