"""One video, from the peers that have it to a finished file in the received folder."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from peer_service.limits import DownloadLimiter
from peer_service.partial import PartialVideo
from peer_service.stop import check
from peer_service.transfer.crew import Crew
from peer_service.transfer.fetcher import Fetcher
from peer_service.transfer.finder import Finder
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.model import (
    Candidate,
    Finished,
    HeldBack,
    Observer,
    SourceReport,
    Wanted,
)
from peer_service.transfer.part_file import PartFile, part_ids, remove_part, stored_manifest
from peer_service.transfer.roster import MOST_SOURCES, Roster
from peer_service.transfer.source import STALL_SECONDS, PeerSource
from peer_service.transfer.watchdog import Watchdog

T = TypeVar("T")

_LOOK_SECONDS: Final = 0.1
_NEXT_SOURCE_SECONDS: Final = 0.3
"""One source tells the manifest as well as another: each is given so long before the next."""

_LEAST_SHARE: Final = 500_000
"""Bytes a second of our limit for each source: with less, its writes seem to stall."""

_PATIENCE_SECONDS: Final = 10.0
"""So long a transfer goes on while no source sends; then other downloads may have its place."""


class Transfer:
    """Fetches a video from several sources at once, no piece twice.

    Args:
        wanted: the video.
        received_folder: where it is to be.
        find: asks the tracker who should have it, the best first; asked again now and then.
        observer: told how it goes.
        offer: told, once, what others may fetch from here meanwhile.
        stop: when it is set, the transfer stops within a second and keeps what it verified.
        streams: how many more sources all transfers of this peer may have at once.
        limiter: holds them to the download limit.
        stall_seconds: how long a source may bring nothing.
        connect: makes a source.
    """

    def __init__(
        self,
        wanted: Wanted,
        received_folder: Path,
        *,
        find: Callable[[], Sequence[Candidate]],
        observer: Observer,
        offer: Callable[[PartialVideo], None],
        stop: threading.Event,
        streams: threading.Semaphore,
        limiter: DownloadLimiter,
        stall_seconds: float = STALL_SECONDS,
        connect: Callable[..., PeerSource] = PeerSource,
    ) -> None:
        self._wanted = wanted
        self._received_folder = received_folder
        self._observer = observer
        self._offer = offer
        self._stop = stop
        self._limiter = limiter
        self._stall_seconds = stall_seconds
        self._connect = connect
        self._over = threading.Event()
        self._crew = Crew(self._over)
        self._roster = Roster(self._hire, observer.failed, streams)
        self._finder = Finder(find, self._found, self._crew.fail, self._over)
        self._watchdog = Watchdog(self._over)

    def sources(self) -> tuple[SourceReport, ...]:
        """How the sources do, or did; from any thread."""
        return self._roster.reports()

    def held_back(self) -> HeldBack | None:
        """What holds it back most; from any thread."""
        return self._roster.held_back()

    def run(self) -> Finished:
        """Fetch what is missing and give the file its name. To be called once.

        Raises:
            NoSourceOnline: there is nobody who has what is missing.
            Busy, Unavailable: nobody did, and at least one of them may do later.
            BadSource, VideoUnknown, Aborted, RemoteFailure: nobody did; what one of them said.
            LocalTrouble: something on this machine is in the way.
            VideotecaError: the tracker was asked and failed.
            Stopped: asked to stop.
        """
        with ReceivedFolder(self._received_folder) as folder, self._watchdog:
            try:
                return self._run(folder)
            finally:
                self._end()

    def _run(self, folder: ReceivedFolder) -> Finished:
        name, video_id = self._wanted.name, self._wanted.video_id
        stored = stored_manifest(folder, video_id)
        if stored:
            self._crew.learn(stored)
        manifest = stored or self._until(lambda: self._crew.manifest)
        there = folder.find(name, manifest, self._stop)
        if there:
            if video_id in part_ids(folder):  # the process ended between naming and clearing
                remove_part(folder, video_id)
            return Finished(there, manifest)
        with PartFile(
            folder, manifest, stop=self._stop, on_progress=self._observer.progressed
        ) as part:
            self._offer(part.offer(name))
            self._crew.open(part)
            try:
                self._until(lambda: self._crew.is_complete)
            finally:
                self._end()  # nobody may write to the file once it is closed
            return Finished(part.finish(name), manifest)

    def _until(self, reached: Callable[[], T | None]) -> T:
        """Keep sources at work until something is reached.

        Raises:
            VideotecaError, Stopped: it can't be now; see :meth:`run`.
        """
        begun = busy_at = time.monotonic()
        while True:
            with self._crew.changed:
                result = reached()
                if result:
                    return result
                check(self._stop)
                if self._crew.failure:
                    raise self._crew.failure
            now = time.monotonic()
            if not self._knows_candidates():
                begun = busy_at = now
            else:
                some = self._roster.fill(self._most_sources(now - begun))
                if self._roster.is_busy:
                    busy_at = now
                if not some or now - busy_at > _PATIENCE_SECONDS:
                    raise self._roster.outcome(self._wanted.name)
            with self._crew.changed:
                if not reached():
                    self._crew.changed.wait(_LOOK_SECONDS)

    def _knows_candidates(self) -> bool:
        """Whether it is known who should have it; if nobody was asked yet, that begins now."""
        if self._finder.ident is None:
            self._finder.start()
        return self._roster.is_informed

    def _most_sources(self, seconds: float) -> int:
        """How many may be at work, so long after it was known who there is."""
        most = MOST_SOURCES if self._crew.manifest else 1 + int(seconds / _NEXT_SOURCE_SECONDS)
        limit = self._limiter.limit.rate
        if limit:
            most = min(most, max(1, limit // _LEAST_SHARE))
        return min(most, MOST_SOURCES)

    def _found(self, candidates: Sequence[Candidate]) -> None:
        self._roster.candidates_are(candidates)
        with self._crew.changed:
            self._crew.changed.notify_all()

    def _hire(self, candidate: Candidate, bytes_before: int) -> Fetcher:
        return Fetcher(
            candidate,
            self._wanted.video_id,
            self._crew,
            connect=self._open_source,
            limiter=self._limiter,
            on_verified=self._observer.verified,
            on_changed=self._observer.changed,
            bytes_before=bytes_before,
        )

    def _open_source(self, candidate: Candidate) -> PeerSource:
        return self._connect(
            candidate.endpoint,
            name=candidate.peer_name,
            watchdog=self._watchdog,
            stop=self._over,
            stall_seconds=self._stall_seconds,
        )

    def _end(self) -> None:
        """Let all sources end, and wait until they have."""
        with self._crew.changed:
            self._over.set()
            self._crew.changed.notify_all()
        self._roster.end()
