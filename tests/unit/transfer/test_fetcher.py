"""What a thread that fetches tells of its source: how fast it is, and what it does."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self

import pytest

from peer_service.limits import DownloadLimiter, RateLimit
from peer_service.rate import RateMeter
from peer_service.stop import Stopped
from peer_service.transfer import crew as crew_module
from peer_service.transfer import fetcher as module
from peer_service.transfer.crew import Crew
from peer_service.transfer.fetcher import Fetcher
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.model import Candidate, HeldBack, SourceState
from peer_service.transfer.pace import Pace
from peer_service.transfer.part_file import PartFile
from tests.clock import Clock
from tests.videos import MIB, manifest_of, video_bytes
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import FileChanged, NoUploadSlot
from videoteca_core.manifest import Manifest

DATA: Final = video_bytes(8 * MIB)
STEP: Final = MIB // 4


class Source:
    """A source that does in each fetch what the test says; then all is over.

    Attributes:
        fetcher: what fetches from it.
    """

    def __init__(self, *fetches: "Script") -> None:
        self.fetcher: Fetcher
        self.granted = 0
        self.is_limited = True
        self._fetches = list(fetches)
        self._chunks: Iterator[int]
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def interrupt(self) -> None:
        pass

    @contextlib.contextmanager
    def fetch(self, _manifest: Manifest, offset: int, length: int) -> Iterator["Source"]:
        if not self._fetches:
            raise Stopped
        self._at, self.granted = offset, length
        self._chunks = self._fetches.pop(0)(self)
        assert next(self._chunks) == HEADER
        yield self

    def __iter__(self) -> Iterator[memoryview]:
        for count in self._chunks:
            yield memoryview(DATA)[self._at : self._at + count]
            self._at += count


HEADER: Final = 0
Script = Callable[[Source], Iterator[int]]
"""What a source does in a fetch: the header, then the bytes of each chunk.

What stands between two of them happens while the fetcher waits for the next one.
"""


class Firsts:
    """Chooses the first of all that is equally good."""

    def randrange(self, _: int) -> int:
        return 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(module, "RateMeter", functools.partial(RateMeter, clock))
    return clock


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    monkeypatch.setattr(crew_module, "random", SimpleNamespace(Random=Firsts))
    made = Crew(threading.Event())
    with (
        ReceivedFolder(tmp_path) as folder,
        PartFile(
            folder, manifest_of(DATA), stop=threading.Event(), on_progress=lambda _: None
        ) as part,
    ):
        made.learn(part.manifest)
        made.open(part)
        yield made


def run(crew: Crew, *fetches: Script) -> Fetcher:
    """Let a fetcher do its work in this thread."""
    source: Any = Source(*fetches)
    source.fetcher = Fetcher(
        Candidate("ana", Endpoint("127.0.0.1", 1)),
        manifest_of(DATA).video_id,
        crew,
        connect=lambda _candidate: source,
        limiter=DownloadLimiter(RateLimit()),
        on_verified=lambda _count: None,
        on_changed=lambda: None,
    )
    fetcher: Fetcher = source.fetcher
    assert fetcher.pace == Pace(None)
    assert fetcher.report.state is SourceState.CONNECTING
    fetcher.run()
    assert crew.failure is None
    return fetcher


def test_a_rate_is_known_after_a_second(crew: Crew, clock: Clock) -> None:
    def fetch(source: Source) -> Iterator[int]:
        yield HEADER
        assert source.fetcher.pace == Pace(None)
        yield STEP
        assert source.fetcher.pace == Pace(None, STEP)
        clock.advance(0.5)
        yield STEP
        assert source.fetcher.pace == Pace(None, 2 * STEP)
        clock.advance(0.6)
        assert source.fetcher.pace.rate == pytest.approx(2 * STEP / 1.1)
        clock.advance(0.9)
        assert source.fetcher.pace == Pace(2 * STEP / 2, 2 * STEP)

    run(crew, fetch)


def test_of_a_piece_that_is_there_nothing_is_left(crew: Crew, clock: Clock) -> None:
    def fetch(source: Source) -> Iterator[int]:
        yield HEADER
        clock.advance(0.1)
        yield STEP
        yield MIB - STEP
        assert source.fetcher.pace.piece_bytes == 0
        yield MIB + STEP
        assert source.fetcher.pace.piece_bytes == STEP
        assert source.fetcher.report.bytes == 2 * MIB

    assert run(crew, fetch).pace.piece_bytes == 0


def test_a_source_that_stops_sending_becomes_slow_and_then_stands_still(
    crew: Crew, clock: Clock
) -> None:
    def fetch(source: Source) -> Iterator[int]:
        yield HEADER
        rates = []
        for _ in range(4):
            clock.advance(1)
            yield MIB
        for _ in range(5):
            clock.advance(1)
            rates.append(source.fetcher.pace.rate or 0)
        assert rates == sorted(rates, reverse=True)
        assert MIB / 2 < rates[0] <= MIB
        assert rates[-1] == 0

    run(crew, fetch)


def test_a_source_that_does_not_begin_stands_still_too(crew: Crew, clock: Clock) -> None:
    def first(source: Source) -> Iterator[int]:
        clock.advance(0.9)
        assert source.fetcher.pace == Pace(None)
        clock.advance(0.2)
        assert source.fetcher.pace == Pace(0.0)
        assert source.fetcher.report.state is SourceState.CONNECTING
        yield HEADER
        assert source.fetcher.pace == Pace(None)
        yield MIB

    def second(source: Source) -> Iterator[int]:
        states = [source.fetcher.report.state]
        clock.advance(1.1)
        states.append(source.fetcher.report.state)
        assert source.fetcher.pace == Pace(0.0)
        yield HEADER
        states.append(source.fetcher.report.state)
        told.extend(states)

    told: list[SourceState] = []
    run(crew, first, second)
    assert told == [SourceState.FETCHING, SourceState.WAITING, SourceState.FETCHING]


def test_between_two_fetches_the_rate_of_the_last_one_is_kept(crew: Crew, clock: Clock) -> None:
    def fetch(source: Source) -> Iterator[int]:
        yield HEADER
        clock.advance(2)
        yield MIB
        clock.advance(2)

    assert run(crew, fetch).pace == Pace(MIB / 4)


def test_a_source_without_a_slot_is_told_of_and_asked_again(
    crew: Crew, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []

    class Dismissed(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return False

    def busy(seconds: int | None) -> Script:
        def fetch(source: Source) -> Iterator[int]:
            source.fetcher._dismissed = Dismissed()
            if seconds is not None:
                raise NoUploadSlot(retry_after_seconds=seconds)
            yield HEADER

        return fetch

    def last(source: Source) -> Iterator[int]:
        told = source.fetcher.report
        assert (told.state, told.reason) == (SourceState.WAITING, "NO_UPLOAD_SLOT")
        yield HEADER
        assert source.fetcher.report.reason == ""

    run(crew, busy(0), busy(3), busy(60), last)
    assert waits == [1, 3, 5]


def test_a_source_that_fails_is_told_of(crew: Crew, clock: Clock) -> None:
    def fetch(source: Source) -> Iterator[int]:
        yield HEADER
        clock.advance(1)
        yield MIB
        raise FileChanged(name="clip.mp4")

    told = run(crew, fetch).report
    assert (told.state, told.reason, told.bytes, told.rate) == (
        SourceState.DROPPED,
        "FILE_CHANGED",
        MIB,
        0,
    )


def test_on_what_its_time_goes_is_noted(crew: Crew, clock: Clock) -> None:
    def fetch(source: Source) -> Iterator[int]:
        yield HEADER
        for _ in range(2):
            clock.advance(0.5)
            yield MIB

    fetcher = run(crew, fetch)
    assert fetcher.shares.lately()[HeldBack.NETWORK] == pytest.approx(1.0)
    assert fetcher.is_limited
