"""Runs the downloads of the queue."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from peer_service.downloads.candidates import candidates
from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.offers import Offers, Sharing
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.resolve import Locate
from peer_service.downloads.retry import SPACE_SECONDS
from peer_service.downloads.sources import liars
from peer_service.downloads.task import Task
from peer_service.limits import DownloadLimiter
from peer_service.partial import PartialVideo
from peer_service.stop import Stopped
from peer_service.transfer.download import Transfer
from peer_service.transfer.folder import PARTS_FOLDER, ReceivedFolder
from peer_service.transfer.model import Candidate, Finished, HeldBack, Wanted
from peer_service.transfer.part_file import part_ids, remove_part
from peer_service.transfer.source import STALL_SECONDS
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import VideoQuery
from videoteca_core.errors import (
    Busy,
    DiskFull,
    InternalError,
    LocalTrouble,
    NoSourceOnline,
    NotRegistered,
    NoUploadSlot,
    Unavailable,
    Unreachable,
    VideotecaError,
    VideoUnknown,
)

_log: Final = structlog.get_logger()
_MOST_STREAMS: Final = 12
_LOOK_SECONDS: Final = 1.0
_GATHER_SECONDS: Final = 0.1  # sources change what they do many times a second
_NOTE_SECONDS: Final = 5.0
_TROUBLE_SECONDS: Final = 5.0
_WAITS_FOR: Final = {
    NoSourceOnline.reason: HeldBack.NO_SOURCE,
    NoUploadSlot.reason: HeldBack.THEIR_SLOTS,
    DiskFull.reason: HeldBack.DISK,
}


class DownloadWorker:
    """Takes the downloads of a queue, one after the other, and brings each to its outcome.

    Args:
        queue: where the downloads are.
        locate: asks the tracker who has a video; may raise any VideotecaError.
        received_folder: where finished videos go.
        parallel: how many downloads run at once.
        may_use: whether an address that the tracker handed out may be dialled.
        own_name: the name of this peer, which is never its own source.
        library: shares each finished video.
        reshare: whether it shares downloads before they are finished, too.
        limiter: holds all transfers to the download limit.
        stall_seconds: for how long a source may send nothing.
    """

    def __init__(
        self,
        queue: DownloadQueue,
        *,
        locate: Locate,
        received_folder: Path,
        parallel: int = 1,
        may_use: Callable[[Endpoint], bool],
        own_name: Callable[[], str],
        library: Sharing,
        reshare: bool = True,
        limiter: DownloadLimiter,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._queue = queue
        self._locate = locate
        self._received_folder = received_folder
        self._may_use = may_use
        self._own_name = own_name
        self._library = library
        self._reshare = reshare
        self._offers = Offers(library, queue)
        self._limiter = limiter
        self._stall_seconds = stall_seconds
        self._streams = threading.Semaphore(_MOST_STREAMS)
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._tasks: dict[int, Task] = {}
        self._finished_bytes = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"download-{number}", daemon=True)
            for number in range(parallel)
        ]
        self._threads.append(
            threading.Thread(target=self._supervise, name="download-supervisor", daemon=True)
        )

    def start(self) -> None:
        """Begin: what ran when the last worker ended is first."""
        self._queue.recover()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop all transfers and wait until they have: what was verified counts."""
        self._stopping.set()
        for task in self._running():
            task.stop.set()
        self._queue.wake()
        for thread in self._threads:
            thread.join()

    @property
    def downloaded_bytes(self) -> int:
        """Bytes received and verified since the start."""
        with self._guard:
            return self._finished_bytes + sum(each.received_bytes for each in self._tasks.values())

    def downloads(self) -> tuple[Download, ...]:
        """The queue, with what only the worker knows: how the sources do now, and at what rate."""
        with self._guard:
            tasks = dict(self._tasks)  # one that ends after this has told the queue all before
        return tuple(
            _live(download, tasks.get(download.download_id)) for download in self._queue.downloads()
        )

    def _running(self) -> tuple[Task, ...]:
        with self._guard:
            return tuple(self._tasks.values())

    def _work(self) -> None:
        while not self._stopping.is_set():
            version = self._queue.version
            try:
                download = self._queue.take()
                if download:
                    self._run(download)
                else:
                    self._queue.wait_changed(version, self._queue.seconds_until_due())
            except VideotecaError as error:  # the queue's database can't be used now
                self._rest_after(error)

    def _supervise(self) -> None:
        """Do what the owner's words mean for transfers, for offers and for partial files."""
        while not self._stopping.is_set():
            version = self._queue.version
            try:
                self._look_after_tasks()
                abandoned = self._abandoned()
                self._offers.end_stopped()  # so that none of those is offered any more
                self._remove(abandoned)
            except VideotecaError as error:
                self._rest_after(error)
            if self._queue.wait_changed(version, _LOOK_SECONDS) == version and self._running():
                self._queue.wake()  # rates change by themselves
            self._stopping.wait(_GATHER_SECONDS)

    def _look_after_tasks(self) -> None:
        tasks, running = self._running(), self._queue.running()
        for task in tasks:
            if task.download.download_id not in running:
                task.stop.set()
            task.note_sources(after_seconds=_NOTE_SECONDS)

    def _rest_after(self, error: VideotecaError) -> None:
        _log.error("downloads held up", reason=error.reason, message=str(error))
        self._stopping.wait(_TROUBLE_SECONDS)

    def _abandoned(self) -> tuple[str, ...]:
        if not (self._received_folder / PARTS_FOLDER).exists():
            return ()
        with ReceivedFolder(self._received_folder) as folder:
            return self._queue.abandoned(part_ids(folder))

    def _remove(self, video_ids: tuple[str, ...]) -> None:
        if video_ids:
            with ReceivedFolder(self._received_folder) as folder:
                for video_id in video_ids:
                    remove_part(folder, video_id)

    def _run(self, download: Download) -> None:
        number = download.download_id
        task = Task(download, self._queue)
        with self._guard:
            self._tasks[number] = task
        if self._stopping.is_set():  # it may have looked through the tasks before this one came
            task.stop.set()
        try:
            self._try(task)
        finally:
            with self._guard:
                self._finished_bytes += self._tasks.pop(number).received_bytes
            self._queue.release(number)

    def _try(self, task: Task) -> None:
        number, queue = task.download.download_id, self._queue
        try:
            finished = self._transfer(task)
        except Stopped:
            queue.put_back(number)
        except Busy as error:
            queue.wait(number, error, error.retry_after)
        except DiskFull as error:
            queue.wait(number, error, SPACE_SECONDS)
        except (Unavailable, NotRegistered) as error:
            queue.wait(number, error)
        except LocalTrouble as error:
            queue.give_up(number, error)
        except VideotecaError as error:
            queue.failed(number, error)
        except Exception:  # noqa: BLE001 - a mistake of ours must not end the worker
            _log.exception("download failed", download=number)
            queue.give_up(number, InternalError())
        else:
            queue.done(number, finished.path)
            self._tell(finished)

    def _transfer(self, task: Task) -> Finished:
        download = task.download
        transfer = Transfer(
            Wanted(download.name, download.video_id),
            self._received_folder,
            find=lambda: self._find(download),
            observer=task,
            offer=self._offer,
            stop=task.stop,
            streams=self._streams,
            limiter=self._limiter,
            stall_seconds=self._stall_seconds,
        )
        task.follow(transfer)
        try:
            return transfer.run()
        finally:
            task.note_sources()

    def _find(self, download: Download) -> tuple[Candidate, ...]:
        try:
            located = self._locate(VideoQuery(video_id=download.video_id))
        except VideoUnknown:  # whoever had it took it back, and may bring it again
            located = ()
        return candidates(
            located,
            own_name=self._own_name(),
            liars=liars(download.sources),
            may_use=self._may_use,
        )

    def _offer(self, partial: PartialVideo) -> None:
        if self._reshare:
            self._offers.offer(partial)

    def _tell(self, finished: Finished) -> None:
        _log.info("downloaded", path=str(finished.path), video_id=finished.manifest.video_id)
        try:
            self._library.add_received(finished.path, finished.manifest)
        except VideotecaError as error:  # it is done all the same
            _log.warning("not shared on", path=str(finished.path), message=str(error))


def _live(download: Download, task: Task | None) -> Download:
    if task:
        download = task.live(download)
    if download.state is DownloadState.WAITING:
        return replace(download, held_back=_waits_for(download))
    return download


def _waits_for(download: Download) -> HeldBack | None:
    if download.reason == Unreachable.reason and download.fields["what"] == "peer":
        return HeldBack.NO_SOURCE  # for a while the tracker names one that is gone
    return _WAITS_FOR.get(download.reason)
