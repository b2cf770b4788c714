"""What a running download says of itself, and what of that is kept."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from peer_service.database import PeerDatabase
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.task import Task
from peer_service.transfer.model import HeldBack, SourceReport, SourceState
from tests.videos import located, manifest_of

ANA: Final = SourceReport("ana", "10.0.0.2:1", 10, 5, SourceState.FETCHING)
LEFT: Final = SourceReport("ana", "10.0.0.2:1", 10, state=SourceState.LEFT)


class FakeTransfer:
    """Says what it is told to."""

    def __init__(self, *reports: SourceReport) -> None:
        self.reports = reports

    def sources(self) -> tuple[SourceReport, ...]:
        return self.reports

    def held_back(self) -> HeldBack | None:
        return HeldBack.NETWORK


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[DownloadQueue]:
    with PeerDatabase(tmp_path / "peer.db") as database:
        yield DownloadQueue(database)


def running(queue: DownloadQueue, transfer: Any) -> Task:
    queue.enqueue(located(manifest_of(b"clip"), "clip.mp4"))
    download = queue.take()
    assert download
    task = Task(download, queue)
    task.follow(transfer)
    return task


def test_sources_are_noted_when_they_changed_and_it_is_time(queue: DownloadQueue) -> None:
    transfer = FakeTransfer()
    task = running(queue, transfer)
    version = queue.version
    task.note_sources()
    assert queue.version == version  # there is nothing to note
    transfer.reports = (ANA,)
    task.note_sources(after_seconds=60)
    assert queue.get(1).sources == ()  # not yet
    task.note_sources()
    assert queue.get(1).sources == (LEFT,)
    version = queue.version
    transfer.reports = (SourceReport("ana", ANA.address, 10, 7, SourceState.IDLE),)
    task.note_sources()
    assert queue.version == version  # at rest it is the same
    transfer.reports = (SourceReport("ana", ANA.address, 11),)
    task.note_sources(after_seconds=60)
    assert queue.get(1).sources == (LEFT,)


def test_what_was_noted_is_not_counted_twice(queue: DownloadQueue) -> None:
    task = running(queue, FakeTransfer(ANA))
    task.note_sources()
    assert task.live(queue.get(1)).sources == (ANA,)


def test_it_is_as_fast_as_its_sources_together(queue: DownloadQueue) -> None:
    bruno = SourceReport("bruno", "10.0.0.3:1", rate=7, state=SourceState.FETCHING)
    task = running(queue, FakeTransfer(ANA, bruno))
    assert task.live(queue.get(1)).rate == 12


def test_before_there_is_a_transfer_nothing_holds_it_back(queue: DownloadQueue) -> None:
    queue.enqueue(located(manifest_of(b"clip"), "clip.mp4"))
    queue.note_sources(1, [ANA])
    download = queue.take()
    assert download
    live = Task(download, queue).live(download)
    assert (live.sources, live.held_back, live.rate) == ((LEFT,), None, 0)


def test_no_byte_is_missed_however_many_threads_tell(queue: DownloadQueue) -> None:
    task = running(queue, FakeTransfer())

    def tell() -> None:
        for _ in range(5_000):
            task.verified(1)

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert task.received_bytes == 40_000
