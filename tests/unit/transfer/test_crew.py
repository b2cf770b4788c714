"""Who may write which piece: never two at once."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import pytest

from peer_service.pieces import PieceSet, Run
from peer_service.stop import Stopped
from peer_service.transfer.crew import Crew
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.pace import Pace
from peer_service.transfer.part_file import PartFile
from tests.videos import MIB, manifest_of, video_bytes
from tests.waiting import eventually

DATA: Final = video_bytes(MIB)
WAITING_SECONDS: Final = 0.3


class Source:
    """A member whose stream ends when the test says so."""

    def __init__(self, rate: float) -> None:
        self.pace = Pace(rate)
        self.interrupts = 0

    def interrupt(self) -> None:
        self.interrupts += 1


class Claiming:
    """A claim in a thread of its own."""

    def __init__(self, crew: Crew, source: Source) -> None:
        self.runs: list[Run | None] = []
        self._thread = threading.Thread(target=self._claim, args=(crew, source))

    def _claim(self, crew: Crew, source: Source) -> None:
        try:
            self.runs.append(crew.claim(source))
        except Stopped:
            self.runs.append(None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(20)

    def result(self) -> Run | None:
        eventually(lambda: self.runs)
        return self.runs[0]

    def waits(self) -> bool:
        self._thread.join(WAITING_SECONDS)
        return self._thread.is_alive()


@pytest.fixture
def over() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def part(tmp_path: Path) -> Iterator[PartFile]:
    with (
        ReceivedFolder(tmp_path) as folder,
        PartFile(
            folder, manifest_of(DATA), stop=threading.Event(), on_progress=lambda _count: None
        ) as opened,
    ):
        yield opened


@pytest.fixture
def crew(part: PartFile, over: threading.Event) -> Crew:
    made = Crew(over)
    made.open(part)
    return made


def joined(crew: Crew, rate: float) -> Source:
    source = Source(rate)
    crew.join(source)
    return source


def brought(crew: Crew, part: PartFile, source: Source) -> bool:
    assert len(part.writer(0).feed(memoryview(DATA))) == 0
    return crew.received(source, 0)


@pytest.fixture
def slow(crew: Crew) -> Source:
    """A slow source that was asked for the only piece."""
    source = joined(crew, 1.0)
    assert crew.claim(source) == Run(0, 1)
    return source


def test_who_takes_a_piece_over_waits_until_the_other_writes_no_more(
    crew: Crew, slow: Source
) -> None:
    fast = joined(crew, 1e6)
    with Claiming(crew, fast) as claim:
        eventually(lambda: slow.interrupts)
        assert claim.waits()
        crew.release(slow)
        assert claim.result() == Run(0, 1)


def test_who_has_not_begun_yet_is_interrupted_as_soon_as_it_has(crew: Crew, slow: Source) -> None:
    fast = joined(crew, 1e6)
    with Claiming(crew, fast) as claim:
        eventually(lambda: slow.interrupts > 1)  # the first one may have come before its stream
        crew.release(slow)
        assert claim.result() == Run(0, 1)


def test_a_third_that_takes_it_from_the_one_who_waits_waits_too(crew: Crew, slow: Source) -> None:
    middle, fast = joined(crew, 1e3), joined(crew, 1e6)
    with Claiming(crew, middle) as second:
        eventually(lambda: slow.interrupts)
        with Claiming(crew, fast) as third:
            eventually(lambda: middle.interrupts)
            assert third.waits()
            assert second.waits()
            crew.release(slow)
            assert second.result() is None
            assert third.result() == Run(0, 1)


def test_a_piece_that_comes_in_the_last_moment_is_not_asked_for_again(
    crew: Crew, part: PartFile, slow: Source
) -> None:
    fast = joined(crew, 1e6)
    with Claiming(crew, fast) as claim:
        eventually(lambda: slow.interrupts)
        assert not brought(crew, part, slow)
        crew.release(slow)
        assert claim.result() is None
    assert crew.is_complete


def test_all_who_wait_are_let_go_when_it_is_over(
    crew: Crew, slow: Source, over: threading.Event
) -> None:
    fast = joined(crew, 1e6)
    with Claiming(crew, fast) as claim:
        eventually(lambda: slow.interrupts)
        over.set()
        assert claim.result() is None


def test_what_a_source_leaves_is_anothers(crew: Crew, slow: Source) -> None:
    other = joined(crew, 1.0)
    assert crew.claim(other) is None
    crew.leave(slow)
    assert crew.claim(other) == Run(0, 1)


def test_news_of_who_has_left_means_nothing(crew: Crew, slow: Source) -> None:
    crew.leave(slow)
    crew.gained(slow, PieceSet.full(1))
    crew.granted(slow, 1)
    crew.release(slow)
    assert crew.claim(slow) is None


def test_the_first_failure_is_kept(crew: Crew) -> None:
    first, second = ValueError("first"), ValueError("second")
    crew.fail(first)
    crew.fail(second)
    assert crew.failure is first
