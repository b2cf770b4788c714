"""The thread that fetches from one source."""

import threading
import time
from collections.abc import Callable
from typing import Final

from peer_service.limits import DownloadLimiter
from peer_service.pieces import Run, byte_range
from peer_service.rate import WINDOW_SECONDS, RateMeter
from peer_service.stop import Stopped
from peer_service.transfer.crew import Crew
from peer_service.transfer.model import Candidate, HeldBack, SourceReport, SourceState
from peer_service.transfer.pace import Pace
from peer_service.transfer.part_file import PartFile, PieceRejected, PieceWriter
from peer_service.transfer.shares import TimeShares
from peer_service.transfer.source import Interrupted, PeerSource, Stream
from videoteca_core.errors import Busy, LocalTrouble, VideotecaError
from videoteca_core.manifest import Manifest
from videoteca_core.text import N_

_KNOWN_SECONDS: Final = 1.0
"""How long a source must have been at it before its rate, or its silence, says something."""

_SHORTEST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 5.0
"""For an upload slot, whatever the source asks for: its place in the line may be lost later."""

_NEWS_SECONDS: Final = 0.05
"""After each message of a source about its pieces: it should gather them for so long itself."""


class Fetcher(threading.Thread):
    """Fetches from one source what the crew asks of it, until there is nothing or it fails.

    Args:
        candidate: the source.
        video_id: the video.
        crew: what else works on the video.
        connect: makes the connection.
        limiter: holds it to the download limit.
        on_verified: told how many bytes more were verified.
        on_changed: told of every change of state.
        bytes_before: what came from the same peer earlier.

    Attributes:
        state: what it does.
        error: why it was dropped, or has no slot.
        since: when the state began, by the monotonic clock.
        is_limited: whether the source keeps to an upload limit.
        shares: on what its time went lately.
    """

    def __init__(
        self,
        candidate: Candidate,
        video_id: str,
        crew: Crew,
        *,
        connect: Callable[[Candidate], PeerSource],
        limiter: DownloadLimiter,
        on_verified: Callable[[int], None],
        on_changed: Callable[[], None],
        bytes_before: int = 0,
    ) -> None:
        super().__init__(name=f"source-{candidate.endpoint}", daemon=True)
        self.candidate = candidate
        self.state = SourceState.CONNECTING
        self.error: VideotecaError | None = None
        self.since = time.monotonic()
        self.is_limited = False
        self.shares = TimeShares()
        self._video_id = video_id
        self._crew = crew
        self._connect = connect
        self._limiter = limiter
        self._on_verified = on_verified
        self._on_changed = on_changed
        self._bytes = bytes_before
        self._meter = RateMeter()
        self._source: PeerSource | None = None
        self._dismissed = threading.Event()
        self._gone: VideotecaError | None = None
        self._asked_at: float | None = None
        self._known_rate: float | None = None
        self._fetch_bytes = 0
        self._piece_bytes = 0

    # For others

    @property
    def shown_state(self) -> SourceState:
        """What it does, as people are told: one that does not begin with the next run waits."""
        if self.state is not SourceState.CONNECTING and self._is_silent:
            return SourceState.WAITING
        return self.state

    @property
    def report(self) -> SourceReport:
        """How it does."""
        error = self.error
        return SourceReport(
            peer=self.candidate.peer_name,
            address=str(self.candidate.endpoint),
            bytes=self._bytes,
            rate=0 if self.state in (SourceState.DROPPED, SourceState.LEFT) else self._meter.rate,
            state=self.shown_state,
            reason=error.reason if error else "",
            message=str(error) if error else "",
            fields=error.fields if error else {},
        )

    @property
    def pace(self) -> Pace:
        """How it does, in the words of the plan."""
        if self._is_silent:
            return Pace(0.0)
        seconds = time.monotonic() - self.since
        if self.state is not SourceState.FETCHING or seconds < _KNOWN_SECONDS:
            return Pace(self._known_rate, self._piece_bytes)
        rate: float = self._meter.rate
        if seconds < WINDOW_SECONDS:  # the meter looks back to before this fetch
            rate = max(rate, self._fetch_bytes / seconds)
        return Pace(rate, self._piece_bytes)

    @property
    def _is_silent(self) -> bool:
        """Whether it was asked for a run some time ago and has not answered."""
        asked_at = self._asked_at
        return asked_at is not None and time.monotonic() - asked_at > _KNOWN_SECONDS

    def interrupt(self) -> None:
        """End what it fetches now: nobody wants it any more."""
        if self._source:
            self._source.interrupt()

    def dismiss(self) -> None:
        """Let it end."""
        self._dismissed.set()
        self.interrupt()

    # The thread

    def run(self) -> None:
        """Work until the end."""
        ended = SourceState.LEFT
        watcher: threading.Thread | None = None
        try:
            with self._connect(self.candidate) as source:
                self._source = source
                manifest = self._crew.manifest or self._ask_manifest(source)
                part = self._crew.part()
                if self.candidate.is_partial:
                    watcher = threading.Thread(
                        target=self._watch, args=(source, manifest), name="pieces", daemon=True
                    )
                    watcher.start()
                else:
                    self._crew.join(self)
                try:
                    while run := self._next_run():
                        self._fetch(source, part, run)
                finally:
                    self._dismissed.set()  # that the connection ends now is no news to the watcher
        except Stopped:
            pass
        except LocalTrouble as error:
            self._crew.fail(error)
        except VideotecaError as error:
            self._gone = self._gone or error
        except Exception as error:  # noqa: BLE001 - whoever runs the transfer tells of it
            self._crew.fail(error)
        if watcher:
            watcher.join()
        if self._gone:
            self.error, ended = self._gone, SourceState.DROPPED
        self._become(ended)
        self._crew.leave(self)

    def _ask_manifest(self, source: PeerSource) -> Manifest:
        manifest = source.manifest(self._video_id)
        self._crew.learn(manifest)
        return manifest

    def _watch(self, source: PeerSource, manifest: Manifest) -> None:
        """Tell the crew which pieces the source has; without news of them it is of no use."""
        has_joined = False
        try:
            for pieces in source.pieces(manifest):
                if has_joined:
                    self._crew.gained(self, pieces)
                else:
                    self._crew.join(self, pieces)
                    has_joined = True
                self._dismissed.wait(_NEWS_SECONDS)
        except Stopped:
            pass
        except VideotecaError as error:
            if not self._dismissed.is_set():
                self._gone = error
                self.dismiss()
        except Exception as error:  # noqa: BLE001 - as above
            self._crew.fail(error)

    def _next_run(self) -> Run | None:
        """What to fetch next, as soon as there is something; none when it is to end."""
        with self._crew.changed:
            while not self._dismissed.is_set():
                run = self._crew.claim(self)
                if run:
                    return run
                self._become(SourceState.IDLE)
                self._crew.wait()
        return None

    def _fetch(self, source: PeerSource, part: PartFile, run: Run) -> None:
        self._asked_at = asked_at = time.monotonic()
        self._fetch_bytes = 0
        try:
            with source.fetch(part.manifest, *byte_range(run, part.manifest)) as stream:
                self._asked_at = None
                self.error, self.is_limited = None, stream.is_limited
                self._become(SourceState.FETCHING)
                self._crew.granted(self, -(-stream.granted // part.manifest.piece_size))
                self._read(source, stream, part, run.first)
        except Interrupted:
            pass
        except Busy as error:
            self._crew.release(self)
            self._asked_at, self.error = None, error
            self._become(SourceState.WAITING)
            seconds = max(_SHORTEST_WAIT_SECONDS, error.retry_after)
            self._dismissed.wait(min(seconds, _LONGEST_WAIT_SECONDS))
        finally:
            self._crew.release(self)
            self._asked_at, self._piece_bytes = None, 0
            if self._fetch_bytes:
                self._known_rate = self._fetch_bytes / (time.monotonic() - asked_at)

    def _read(self, source: PeerSource, stream: Stream, part: PartFile, first: int) -> None:
        writer = part.writer(first)
        begun = time.monotonic()
        for chunk in stream:
            came = time.monotonic()
            self.shares.add(HeldBack.NETWORK, came - begun)
            self._meter.add(len(chunk))
            self._fetch_bytes += len(chunk)
            goes_on = self._write(source, part, writer, chunk)
            self.shares.add(HeldBack.DISK, time.monotonic() - came)
            waited = self._limiter.received(len(chunk), self._dismissed)
            self.shares.add(HeldBack.OUR_LIMIT, waited)
            if not goes_on:
                return
            writer = goes_on
            begun = time.monotonic()

    def _write(
        self, source: PeerSource, part: PartFile, writer: PieceWriter, chunk: memoryview
    ) -> PieceWriter | None:
        """Write a chunk.

        Returns:
            What takes the next one; none when the next piece is not this source's.
        """
        while chunk:
            try:
                chunk = writer.feed(chunk)
            except PieceRejected as error:
                raise source.bad(N_("a piece with another digest")) from error
            if writer.left:
                self._piece_bytes = writer.length - writer.left
                continue
            self._bytes += writer.length
            self._on_verified(writer.length)
            if not self._crew.received(self, writer.piece):
                return None
            writer, self._piece_bytes = part.writer(writer.piece + 1), 0
        return writer

    def _become(self, state: SourceState) -> None:
        if state is not self.state:
            self.state, self.since = state, time.monotonic()
            self._on_changed()
