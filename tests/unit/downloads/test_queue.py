"""The queue: its table of states, its order, its patience."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from peer_service.database import PeerDatabase
from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.queue import MOST_FINAL, DownloadQueue
from peer_service.downloads.retry import MAX_DELAY_SECONDS, MOST_TRIES
from peer_service.transfer.model import SourceReport, SourceState
from tests.clock import Clock
from tests.videos import located, manifest_of, video_bytes
from tests.waiting import eventually
from videoteca_core.catalogue import LocatedVideo
from videoteca_core.errors import (
    BadSource,
    DiskFull,
    DownloadUnknown,
    InvalidName,
    InvalidRequest,
    NoSourceOnline,
    NotPublished,
    VideotecaError,
    WrongState,
)

WAITING, RUNNING, PAUSED, DONE, FAILED, CANCELLED = DownloadState
LIE: Final = BadSource(source="eve", problem="nonsense")
NOBODY: Final = NoSourceOnline(name="clip")
ANA: Final = SourceReport("ana", "10.0.0.2:1030", 70, state=SourceState.LEFT)
EVE: Final = SourceReport(
    "eve", "10.0.0.3:1030", 0, 0, SourceState.DROPPED, LIE.reason, str(LIE), LIE.fields
)


def video(number: int, name: str = "clip.mp4") -> LocatedVideo:
    return located(manifest_of(video_bytes(100, seed=number)), name)


class Bench:
    """A queue, its clock, and ways to bring a download into a state."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.open()

    def open(self) -> None:
        self.database = PeerDatabase(self.path / "peer.db")
        self.queue = DownloadQueue(self.database, self.clock)

    def add(self, number: int = 0, priority: int = 0) -> int:
        return self.queue.enqueue(video(number), priority=priority)[0].download_id

    def take(self) -> int:
        taken = self.queue.take()
        assert taken
        return taken.download_id

    def add_in(self, state: DownloadState) -> int:
        number = self.add()
        if state in (RUNNING, DONE, FAILED):
            assert self.take() == number
        if state is DONE:
            path = self.path / "done.mp4"
            path.write_bytes(video_bytes(100))
            self.queue.done(number, path)
        if state is FAILED:
            self.queue.give_up(number, DiskFull(path="/"))
        if state is PAUSED:
            self.queue.pause(number)
        if state is CANCELLED:
            self.queue.cancel(number)
        if state in (DONE, FAILED):
            self.queue.release(number)
        assert self.queue.get(number).state is state
        return number

    def order(self) -> list[int]:
        return [each.download_id for each in self.queue.downloads()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.database.close()


NOT_POSSIBLE: Final = None


@pytest.mark.parametrize(
    ("says", "becomes"),
    [
        ("pause", (PAUSED, PAUSED, PAUSED, NOT_POSSIBLE, NOT_POSSIBLE, NOT_POSSIBLE)),
        ("resume", (WAITING, RUNNING, WAITING, NOT_POSSIBLE, NOT_POSSIBLE, NOT_POSSIBLE)),
        ("retry", (WAITING, NOT_POSSIBLE, NOT_POSSIBLE, NOT_POSSIBLE, WAITING, WAITING)),
        ("cancel", (CANCELLED, CANCELLED, CANCELLED, NOT_POSSIBLE, CANCELLED, CANCELLED)),
    ],
)
def test_what_the_owner_says(
    bench: Bench, says: str, becomes: tuple[DownloadState | None, ...]
) -> None:
    for before, after in zip(DownloadState, becomes, strict=True):
        number = bench.add_in(before)
        say = getattr(bench.queue, says)
        if after is NOT_POSSIBLE:
            with pytest.raises(WrongState, match=f"download {number} is {before.value}"):
                say(number)
            assert bench.queue.get(number).state is before
        else:
            assert say(number).state is after
            assert say(number).state is after
            assert bench.queue.get(number).state is after
        bench.database.close()
        (bench.path / "peer.db").unlink()
        bench.open()


@pytest.mark.parametrize("says", ["pause", "resume", "retry", "cancel", "get"])
def test_an_unknown_number(bench: Bench, says: str) -> None:
    with pytest.raises(DownloadUnknown, match="no download 7"):
        getattr(bench.queue, says)(7)


def test_move_needs_a_sensible_place(bench: Bench) -> None:
    number = bench.add()
    for priority, position in ((None, None), (1, 1), (None, 0), (None, -1)):
        with pytest.raises(InvalidRequest):
            bench.queue.move(number, priority=priority, position=position)
    with pytest.raises(DownloadUnknown):
        bench.queue.move(7, position=1)
    bench.queue.cancel(number)
    with pytest.raises(WrongState):
        bench.queue.move(number, position=1)


def test_a_queued_video_is_answered_as_it_is(bench: Bench) -> None:
    for state in (WAITING, RUNNING, PAUSED, DONE):
        number = bench.add_in(state)
        again, already = bench.queue.enqueue(video(0, "another name.mp4"), priority=5)
        assert (again.download_id, again.state, again.priority, already) == (number, state, 0, True)
        bench.database.close()
        (bench.path / "peer.db").unlink()
        bench.open()


@pytest.mark.parametrize("state", [FAILED, CANCELLED])
def test_one_that_came_to_nothing_is_queued_anew(bench: Bench, state: DownloadState) -> None:
    number = bench.add_in(state)
    again, already = bench.queue.enqueue(video(0))
    assert (again.state, already) == (WAITING, False)
    assert again.download_id > number
    with pytest.raises(WrongState):  # the one video is not fetched twice at once
        bench.queue.retry(number)
    assert bench.queue.get(number).state is state


def test_a_done_one_whose_file_is_gone_is_queued_anew(bench: Bench) -> None:
    number = bench.add_in(DONE)
    (bench.path / "done.mp4").write_bytes(b"something else")
    again, already = bench.queue.enqueue(video(0))
    assert (again.download_id != number, already) == (True, False)


def test_only_what_can_be_fetched_and_stored_is_queued(bench: Bench) -> None:
    with pytest.raises(NotPublished):
        bench.queue.enqueue(LocatedVideo("clip.mp4", "", 0, (), ("ana",), 1))
    with pytest.raises(InvalidName):
        bench.queue.enqueue(video(0, "../clip.mp4"))
    assert bench.queue.downloads() == ()


def test_what_is_queued_is_remembered(bench: Bench) -> None:
    added, _ = bench.queue.enqueue(video(0), owner="ana", priority=3)
    assert added == Download(1, "clip.mp4", video(0).video_id, 100, "ana", WAITING, priority=3)
    bench.database.close()
    bench.open()
    assert bench.queue.downloads() == (added,)


def test_the_order_in_which_they_run(bench: Bench) -> None:
    low, first, second, high = bench.add(0, -1), bench.add(1), bench.add(2), bench.add(3, 9)
    assert bench.order() == [high, first, second, low]
    assert bench.take() == high
    bench.queue.pause(first)
    bench.queue.cancel(low)
    assert bench.order() == [high, second, first, low]
    assert [each.state for each in bench.queue.downloads()] == [RUNNING, WAITING, PAUSED, CANCELLED]
    assert bench.take() == second
    assert bench.queue.take() is None


def test_a_priority_is_behind_its_equals(bench: Bench) -> None:
    one, two, three = bench.add(1), bench.add(2, 5), bench.add(3)
    moved = bench.queue.move(one, priority=5)
    assert moved.priority == 5
    assert bench.order() == [two, one, three]
    bench.queue.move(two, priority=0)
    assert bench.order() == [one, three, two]


def test_a_position_is_among_all_that_wait(bench: Bench) -> None:
    running = bench.add(0, 9)
    bench.take()
    one, two, three, low = bench.add(1), bench.add(2), bench.add(3), bench.add(4, -1)
    assert bench.queue.move(three, position=1).priority == 0
    assert bench.order() == [running, three, one, two, low]
    bench.queue.move(three, position=3)
    assert bench.order() == [running, one, two, three, low]
    assert bench.queue.move(one, position=4).priority == -1
    assert bench.order() == [running, two, three, low, one]
    bench.queue.move(one, position=3)
    assert bench.order() == [running, two, three, one, low]
    bench.queue.move(one, position=99)
    assert bench.order() == [running, two, three, low, one]
    assert bench.queue.move(low, position=1).priority == 0
    assert bench.order() == [running, low, two, three, one]
    bench.queue.move(running, position=2)
    assert bench.order() == [running, low, two, three, one]


def test_positions_do_not_wear_out(bench: Bench) -> None:
    numbers = [bench.add(number) for number in range(3)]
    for _ in range(60):
        bench.queue.move(bench.order()[2], position=2)
    assert sorted(bench.order()) == numbers
    assert len({bench.queue.get(each).priority for each in numbers}) == 1


def test_a_claimed_download_is_not_taken_twice(bench: Bench) -> None:
    number = bench.add()
    assert bench.take() == number
    bench.queue.pause(number)
    bench.queue.resume(number)
    assert bench.queue.take() is None
    bench.queue.release(number)
    assert bench.take() == number


def test_one_left_running_is_taken_again(bench: Bench) -> None:
    number = bench.add()
    bench.take()
    bench.queue.release(number)
    assert bench.take() == number


def test_after_a_start_what_ran_waits(bench: Bench) -> None:
    number, other = bench.add(0), bench.add(1)
    bench.take()
    bench.queue.progress(number, 40)
    bench.queue.release(bench.take())
    bench.queue.wait(other, NOBODY)
    bench.database.close()
    bench.open()
    bench.queue.recover()
    assert [each.state for each in bench.queue.downloads()] == [WAITING, WAITING]
    assert bench.queue.get(number).verified_bytes == 40
    assert [bench.take(), bench.take()] == [number, other]


def fail(bench: Bench, number: int, error: VideotecaError = LIE) -> float:
    """Let a try fail; the seconds until the next one."""
    assert bench.take() == number
    bench.queue.failed(number, error)
    bench.queue.release(number)
    return bench.queue.seconds_until_due() or 0.0


def test_failed_tries_back_off_and_end(bench: Bench) -> None:
    number = bench.add()
    delays: list[float] = []
    for tries in range(1, MOST_TRIES):
        delays.append(fail(bench, number))
        failed = bench.queue.get(number)
        assert (failed.state, failed.failed_tries) == (WAITING, tries)
        assert (failed.reason, failed.message) == ("BAD_SOURCE", str(LIE))
        assert bench.queue.take() is None
        bench.clock.now += delays[-1] + 0.001
    assert all(0.7 * 2**n <= delay <= 2**n for n, delay in enumerate(delays[:6]))
    assert delays[-1] <= MAX_DELAY_SECONDS
    fail(bench, number)
    assert bench.queue.get(number).state is FAILED
    assert bench.queue.retry(number).failed_tries == 0
    assert bench.take() == number


def test_progress_forgives(bench: Bench) -> None:
    number = bench.add()
    bench.clock.now += fail(bench, number) + 0.001
    assert bench.take() == number
    assert bench.queue.get(number).reason == ""
    bench.queue.progress(number, 0)
    assert bench.queue.get(number).failed_tries == 1
    bench.queue.progress(number, 10)
    assert bench.queue.get(number).failed_tries == 0


def test_nobody_online_never_fails_and_blocks_nobody(bench: Bench) -> None:
    number, other = bench.add(0), bench.add(1)
    for tries in range(5 * MOST_TRIES):
        assert bench.take() == number
        bench.queue.wait(number, NOBODY)
        bench.queue.release(number)
        waiting = bench.queue.get(number)
        assert (waiting.state, waiting.reason, waiting.failed_tries) == (WAITING, NOBODY.reason, 0)
        if not tries:
            assert bench.take() == other
            bench.queue.pause(other)
            bench.queue.release(other)
        bench.clock.now += (bench.queue.seconds_until_due() or 0.0) + 0.001


def test_a_source_says_when_to_come_back(bench: Bench) -> None:
    number = bench.add()
    bench.take()
    bench.queue.wait(number, NOBODY, at_least_seconds=30)
    assert bench.queue.seconds_until_due() == 30
    bench.queue.release(number)
    assert bench.queue.take() is None
    bench.queue.retry(number)
    bench.take()
    bench.queue.wait(number, NOBODY, at_least_seconds=1e9)
    assert bench.queue.seconds_until_due() == MAX_DELAY_SECONDS


def test_a_clock_that_is_set_back_holds_nobody_up(bench: Bench) -> None:
    number = bench.add()
    fail(bench, number)
    bench.clock.now -= 1_000_000
    assert bench.take() == number


def test_what_cannot_be_mended_fails_at_once(bench: Bench) -> None:
    number = bench.add()
    bench.take()
    bench.queue.give_up(number, DiskFull(path="/here"))
    failed = bench.queue.get(number)
    assert (failed.state, failed.reason) == (FAILED, "DISK_FULL")
    assert "/here" in failed.message


def test_the_owners_word_holds_against_the_workers(bench: Bench) -> None:
    number = bench.add()
    worker_says: tuple[Callable[[], None], ...] = (
        lambda: bench.queue.put_back(number),
        lambda: bench.queue.wait(number, NOBODY),
        lambda: bench.queue.failed(number, LIE),
        lambda: bench.queue.give_up(number, LIE),
    )
    for says in worker_says:
        bench.take()
        bench.queue.pause(number)
        says()
        held = bench.queue.get(number)
        assert (held.state, held.reason, held.failed_tries) == (PAUSED, "", 0)
        bench.queue.resume(number)
        bench.queue.release(number)
    bench.take()
    bench.queue.cancel(number)
    bench.queue.progress(number, 50)
    assert bench.queue.get(number).verified_bytes == 0
    bench.queue.done(number, Path("/there"))  # the last bytes were in already
    assert bench.queue.get(number).state is DONE


def test_a_done_download_says_where(bench: Bench) -> None:
    done = bench.queue.get(bench.add_in(DONE))
    assert done.path == str(bench.path / "done.mp4")
    assert (done.verified_bytes, done.reason) == (100, "")


def test_abandoned_is_what_was_cancelled_last(bench: Bench) -> None:
    cancelled = bench.queue.get(bench.add_in(CANCELLED)).video_id
    assert bench.queue.abandoned([cancelled, "0" * 64]) == (cancelled,)
    again = bench.add()
    assert bench.queue.abandoned([cancelled]) == ()
    bench.take()
    bench.queue.cancel(again)
    assert bench.queue.abandoned([cancelled]) == ()  # its file is still in use
    bench.queue.release(again)
    assert bench.queue.abandoned([cancelled]) == (cancelled,)


def test_abandoned_is_no_video_whose_earlier_download_goes_on(bench: Bench) -> None:
    failed = bench.add_in(FAILED)
    bench.queue.cancel(bench.add())
    video_id = bench.queue.get(failed).video_id
    assert bench.queue.abandoned([video_id]) == (video_id,)
    bench.queue.retry(failed)
    assert bench.queue.abandoned([video_id]) == ()


def test_stopped_is_what_neither_waits_nor_runs(bench: Bench) -> None:
    number = bench.add()
    video_id = bench.queue.get(number).video_id
    bench.take()
    assert bench.queue.stopped([video_id, "0" * 64]) == ()
    bench.queue.pause(number)
    assert bench.queue.stopped([video_id]) == ()  # its transfer has not ended yet
    bench.queue.release(number)
    assert bench.queue.stopped([video_id]) == (video_id,)
    bench.queue.resume(number)
    assert bench.queue.stopped([video_id]) == ()
    bench.queue.cancel(number)
    assert bench.queue.stopped([video_id]) == (video_id,)
    bench.add()
    assert bench.queue.stopped([video_id]) == ()


def test_running_is_what_runs(bench: Bench) -> None:
    number, other = bench.add(0), bench.add(1)
    assert bench.queue.running() == frozenset()
    bench.take()
    assert bench.queue.running() == {number}
    bench.take()
    bench.queue.pause(number)
    assert bench.queue.running() == {other}


@pytest.mark.parametrize("becomes", [DONE, FAILED, CANCELLED])
def test_the_sources_are_known_to_the_end_and_after_it(
    bench: Bench, becomes: DownloadState
) -> None:
    number = bench.add_in(becomes)
    bench.queue.note_sources(number, [ANA, EVE])
    bench.database.close()
    bench.open()
    bench.queue.recover()
    assert bench.queue.get(number).sources == (ANA, EVE)


def test_another_try_begins_without_prejudice(bench: Bench) -> None:
    number = bench.add_in(FAILED)
    bench.queue.note_sources(number, [ANA, EVE])
    forgiven = SourceReport("eve", EVE.address, state=SourceState.LEFT)
    assert bench.queue.retry(number).sources == (ANA, forgiven)


def test_only_the_newest_final_downloads_are_remembered(bench: Bench) -> None:
    kept, paused = bench.add(0), bench.add(1)
    bench.queue.pause(paused)
    with bench.database.transaction() as connection:  # a thousand times the clip of before
        connection.execute(
            "INSERT INTO downloads (name, video_id, size_bytes, owner, state, priority, place)"
            " WITH RECURSIVE numbers (n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
            " SELECT 'clip.mp4', n, 1, '', iif(n % 2, 'failed', 'cancelled'), 0, n FROM numbers",
            (MOST_FINAL,),
        )
    path = bench.path / "done.mp4"
    path.write_bytes(video_bytes(100, seed=2))
    done = bench.add(2)
    bench.queue.done(done, path)  # the last bytes came while its owner spoke
    last = bench.add(3)
    numbers = sorted(bench.order())
    assert numbers == [kept, paused, *range(paused + 2, last + 1)]
    assert path.exists()
    assert bench.queue.enqueue(video(2)) == (bench.queue.get(done), True)  # nothing was added
    assert sorted(bench.order()) == numbers


def test_every_change_is_told(bench: Bench) -> None:
    seen = [bench.queue.version]

    def changes() -> bool:
        seen.append(bench.queue.version)
        return seen[-1] > seen[-2]

    number = bench.add()
    assert changes()
    bench.take()
    assert changes()
    bench.queue.progress(number, 1)
    assert changes()
    bench.queue.note_sources(number, [ANA])
    assert changes()
    bench.queue.pause(number)
    assert changes()
    bench.queue.take()
    assert not changes()


def test_a_watcher_wakes_at_a_change(bench: Bench) -> None:
    since = bench.queue.version
    assert bench.queue.wait_changed(since, 0.01) == since
    woken: list[int] = []
    thread = threading.Thread(target=lambda: woken.append(bench.queue.wait_changed(since)))
    thread.start()
    bench.add()
    eventually(lambda: woken)
    thread.join()
    assert woken == [bench.queue.version]


def test_many_threads_take_each_download_once(bench: Bench) -> None:
    numbers = [bench.add(number) for number in range(40)]
    taken: list[int] = []

    def work() -> None:
        while download := bench.queue.take():
            taken.append(download.download_id)
            bench.queue.progress(download.download_id, 1)
            bench.queue.done(download.download_id, bench.path / "x")
            bench.queue.release(download.download_id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == numbers
