"""Runs the downloads of the queue."""

import threading
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.resolve import Locate
from peer_service.downloads.retry import retry_after
from peer_service.downloads.task import Task
from peer_service.stop import Stopped, check
from peer_service.transfer.download import Candidate, Finished, Transfer, Wanted
from peer_service.transfer.folder import PARTS_FOLDER, ReceivedFolder
from peer_service.transfer.part_file import part_ids, remove_part
from peer_service.transfer.source import PeerSource
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import VideoQuery
from videoteca_core.errors import (
    BadSource,
    InternalError,
    LocalTrouble,
    NoSourceOnline,
    NotRegistered,
    NoUploadSlot,
    Unavailable,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.manifest import Manifest

_log: Final = structlog.get_logger()
_LOOK_SECONDS: Final = 1.0
_TROUBLE_SECONDS: Final = 5.0


class DownloadWorker:
    """Takes the downloads of a queue, one after the other, and brings each to its outcome.

    Args:
        queue: where the downloads are.
        locate: asks the tracker who has a video; may raise any VideotecaError.
        received_folder: where finished videos go.
        parallel: how many downloads run at once.
        may_use: whether an address that the tracker handed out may be dialled.
        on_done: told of each finished video, from a thread of the worker.
        own_name: the name of this peer, which is never its own source.
        connect: makes a source.
    """

    def __init__(
        self,
        queue: DownloadQueue,
        *,
        locate: Locate,
        received_folder: Path,
        parallel: int = 1,
        may_use: Callable[[Endpoint], bool],
        on_done: Callable[[Path, Manifest], None],
        own_name: Callable[[], str],
        connect: Callable[..., PeerSource] = PeerSource,
    ) -> None:
        self._queue = queue
        self._locate = locate
        self._received_folder = received_folder
        self._may_use = may_use
        self._on_done = on_done
        self._own_name = own_name
        self._connect = connect
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._tasks: dict[int, Task] = {}
        self._finished_bytes = 0
        self._liars: dict[int, dict[str, BadSource]] = {}
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

    def live(self, download: Download) -> Download:
        """The download with what only the worker knows: its source and its rate."""
        with self._guard:
            task = self._tasks.get(download.download_id)
        if task is None or download.state is not DownloadState.RUNNING:
            return download
        return replace(download, source=task.source, rate=task.rate)

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
        """Do what the owner's words mean for running transfers and for partial files."""
        while not self._stopping.is_set():
            version = self._queue.version
            try:
                for task in self._running():
                    if (
                        self._queue.get(task.download.download_id).state
                        is not DownloadState.RUNNING
                    ):
                        task.stop.set()
                self._remove_abandoned()
            except VideotecaError as error:
                self._rest_after(error)
            if self._queue.wait_changed(version, _LOOK_SECONDS) == version and self._running():
                self._queue.wake()  # rates change by themselves

    def _rest_after(self, error: VideotecaError) -> None:
        _log.error("downloads held up", reason=error.reason, message=str(error))
        self._stopping.wait(_TROUBLE_SECONDS)

    def _remove_abandoned(self) -> None:
        if not (self._received_folder / PARTS_FOLDER).exists():
            return
        with ReceivedFolder(self._received_folder) as folder:
            for video_id in self._queue.abandoned(part_ids(folder)):
                remove_part(folder, video_id)

    def _run(self, download: Download) -> None:
        number = download.download_id
        task = Task(download, self._queue, self._liars.setdefault(number, {}))
        with self._guard:
            self._tasks[number] = task
        if self._stopping.is_set():  # it may have looked through the tasks before this one came
            task.stop.set()
        try:
            self._try(task)
            if self._queue.get(number).state.is_final:
                del self._liars[number]  # tried again, it begins without prejudice
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
        except NoUploadSlot as error:
            queue.wait(number, error, retry_after(error))
        except (Unavailable, NotRegistered) as error:
            lie = next(iter(task.liars.values()), None)
            if lie and isinstance(error, NoSourceOnline):  # somebody is there, but only who lied
                queue.failed(number, lie)
            else:
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
        candidates = self._candidates(download, task.liars)
        check(task.stop)
        return Transfer(
            Wanted(download.name, download.video_id),
            candidates,
            self._received_folder,
            observer=task,
            stop=task.stop,
            connect=self._connect,
        ).run()

    def _candidates(self, download: Download, liars: Container[str]) -> list[Candidate]:
        own_name = self._own_name()
        try:
            located = self._locate(VideoQuery(video_id=download.video_id))
        except VideoUnknown:  # whoever had it took it back, and may bring it again
            located = ()
        return [
            Candidate(source.peer_name, endpoint)
            for video in located
            for source in video.sources
            if source.peer_name != own_name and source.peer_name not in liars
            for endpoint in source.endpoints
            if self._may_use(endpoint)
        ]

    def _tell(self, finished: Finished) -> None:
        _log.info("downloaded", path=str(finished.path), video_id=finished.manifest.video_id)
        try:
            self._on_done(finished.path, finished.manifest)
        except VideotecaError as error:  # it is done all the same
            _log.warning("not shared on", path=str(finished.path), message=str(error))
