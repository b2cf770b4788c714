"""Who works for a transfer, who may be tried next, and who is not asked again."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from peer_service.transfer.fetcher import Fetcher
from peer_service.transfer.model import Candidate, HeldBack, SourceReport, SourceState
from videoteca_core.errors import BadSource, Busy, NoSourceOnline, Unavailable, VideotecaError

MOST_SOURCES: Final = 8
"""Sources that work for one transfer at once."""

_ENDED: Final = (SourceState.DROPPED, SourceState.LEFT)
_AT_IT: Final = (SourceState.CONNECTING, SourceState.FETCHING)
_AGAIN_SECONDS: Final = 5.0  # after a failure; doubled with each, up to the next
_MOST_AGAIN_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 15.0  # then one that waits may have its place


class Roster:
    """Hires sources and keeps their records. Used by one thread; the reports by any.

    Args:
        hire: starts to fetch from a candidate, of whose peer so many bytes came before.
        dropped: told of each source that failed.
        streams: how many more all transfers of this peer may have.
    """

    def __init__(
        self,
        hire: Callable[[Candidate, int], Fetcher],
        dropped: Callable[[Candidate, VideotecaError], None],
        streams: threading.Semaphore,
    ) -> None:
        self._hire = hire
        self._dropped = dropped
        self._streams = streams
        self._candidates: Sequence[Candidate] | None = None
        self._by_peer: dict[str, Fetcher] = {}  # the newest of each, in the order of their first
        self._at_work: dict[Fetcher, bool] = {}  # whether it holds one of the streams
        self._before: dict[Fetcher, Fetcher] = {}  # the last one of its peer
        self._not_before: dict[Candidate, float] = {}
        self._pauses: defaultdict[Candidate, float] = defaultdict(float)
        self._liars: set[str] = set()

    def candidates_are(self, candidates: Sequence[Candidate]) -> None:
        """These should have the video now, the best first."""
        self._candidates = candidates

    @property
    def is_informed(self) -> bool:
        """Whether it was ever told who should have the video."""
        return self._candidates is not None

    def fill(self, most: int) -> bool:
        """Let so many sources be at work, if there are so many.

        Returns:
            Whether there are any at all.
        """
        self._let_go()
        now = time.monotonic()
        for candidate in tuple(self._available(now)):
            if len(self._at_work) >= most:
                self._make_place(now)
                break
            has_stream = self._streams.acquire(blocking=False)
            if not has_stream and self._at_work:
                break
            before = self._by_peer.get(candidate.peer_name)
            fetcher = self._hire(candidate, before.report.bytes if before else 0)
            if before:
                self._before[fetcher] = before
            self._by_peer[candidate.peer_name] = fetcher
            self._at_work[fetcher] = has_stream
            fetcher.start()
        return bool(self._at_work)

    def end(self) -> None:
        """Let all end, and wait until they have."""
        for fetcher in self._at_work:
            fetcher.dismiss()
        for fetcher in self._at_work:
            fetcher.join()
        self._let_go()

    @property
    def is_busy(self) -> bool:
        """Whether any source sends, or may be about to."""
        return any(fetcher.state in _AT_IT for fetcher in self._at_work)

    def reports(self) -> tuple[SourceReport, ...]:
        """How all those do that were ever tried, the first one first."""
        return tuple(fetcher.report for fetcher in tuple(self._by_peer.values()))

    def held_back(self) -> HeldBack | None:
        """What holds all of them back most; none while they are being reached."""
        at_work = tuple(self._at_work)
        fetching = [each for each in at_work if each.shown_state is SourceState.FETCHING]
        if fetching:
            shares = [each.shares.lately() for each in fetching]
            spent = {what: sum(each[what] for each in shares) for what in HeldBack}
            most = max(spent, key=spent.__getitem__)
            if most is HeldBack.NETWORK and all(each.is_limited for each in fetching):
                return HeldBack.THEIR_LIMIT
            return most if spent[most] else None
        states = {fetcher.shown_state for fetcher in at_work}
        if SourceState.WAITING in states:
            return HeldBack.THEIR_SLOTS
        return HeldBack.NO_SOURCE if SourceState.IDLE in states else None

    def outcome(self, name: str) -> VideotecaError:
        """What says most about when to try again, now that nobody can do anything."""
        errors = [each.error for each in reversed(self._by_peer.values()) if each.error]
        for kind in (Busy, Unavailable, VideotecaError):
            for error in errors:
                if isinstance(error, kind):
                    return error
        return NoSourceOnline(name=name)

    def _available(self, now: float) -> Iterator[Candidate]:
        """Those who may be tried now, at most one of each peer."""
        taken = self._liars | {fetcher.candidate.peer_name for fetcher in self._at_work}
        for candidate in self._candidates or ():
            if candidate.peer_name not in taken and now >= self._not_before.get(candidate, now):
                taken.add(candidate.peer_name)
                yield candidate

    def _let_go(self) -> None:
        """Take those off who have ended."""
        for fetcher, has_stream in tuple(self._at_work.items()):
            if fetcher.state not in _ENDED:
                continue
            del self._at_work[fetcher]
            if has_stream:
                self._streams.release()
            before = self._before.pop(fetcher, None)
            if fetcher.state is SourceState.DROPPED:
                self._note_failure(fetcher)
            elif before and before.report.bytes == fetcher.report.bytes:
                self._by_peer[fetcher.candidate.peer_name] = before  # that still says most

    def _note_failure(self, fetcher: Fetcher) -> None:
        candidate, error = fetcher.candidate, fetcher.error
        assert error
        pause = min(max(_AGAIN_SECONDS, 2 * self._pauses[candidate]), _MOST_AGAIN_SECONDS)
        self._pauses[candidate] = pause
        self._not_before[candidate] = time.monotonic() + pause
        if isinstance(error, BadSource):
            self._liars.add(candidate.peer_name)  # wherever it answers, and whatever it has by then
        self._dropped(candidate, error)

    def _make_place(self, now: float) -> None:
        """Let one end that has had nothing for us for long: another one waits to be tried."""
        for fetcher in self._at_work:
            if fetcher.state is SourceState.IDLE and now - fetcher.since > _IDLE_SECONDS:
                self._not_before[fetcher.candidate] = now + 2 * _IDLE_SECONDS
                fetcher.dismiss()
                return
