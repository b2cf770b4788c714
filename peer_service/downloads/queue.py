"""The persistent queue of downloads: what is to be fetched, in which order, and how far it is."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from peer_service.database import PeerDatabase
from peer_service.downloads import table
from peer_service.downloads.model import Download, DownloadState
from peer_service.downloads.retry import (
    MAX_DELAY_SECONDS,
    MOST_TRIES,
    delay_after_failure,
    delay_while_waiting,
)
from peer_service.downloads.sources import forgiven, sources_to_json
from peer_service.downloads.states import TRANSITIONS, Event
from peer_service.transfer.model import SourceReport
from videoteca_core.catalogue import LocatedVideo
from videoteca_core.errors import InvalidRequest, NotPublished, VideotecaError, WrongState
from videoteca_core.names import valid_name
from videoteca_core.text import N_

MOST_FINAL: Final = 1_000
"""So many downloads that are done, failed or cancelled are remembered, the newest ones."""


class DownloadQueue:
    """The downloads of a peer, kept in its database; the only one that writes them there.

    Usable from any thread. The first methods are for the owner of the downloads, the next for the
    worker, which claims a download before it runs it and releases it afterwards, whatever its
    state has become meanwhile.

    Args:
        database: the peer's.
        clock: seconds since the epoch.
    """

    def __init__(self, database: PeerDatabase, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._changed = threading.Condition()
        self._version = 0
        self._claimed: set[int] = set()
        self._waits: dict[int, int] = {}  # how many times in a row a download found nobody

    # For the owner

    def enqueue(
        self, video: LocatedVideo, *, owner: str = "", priority: int = 0
    ) -> tuple[Download, bool]:
        """Put a video behind the others of its priority.

        The oldest final downloads beyond :data:`MOST_FINAL` are forgotten; no file is touched.

        Returns:
            The download, and whether it was queued already: not final yet, or done and its file
            still there. Then it is answered as it is.

        Raises:
            NotPublished: the video has no id.
            InvalidName: its name can't be that of a file.
        """
        if not video.video_id:
            raise NotPublished(video=video.name)
        name = valid_name(video.name)
        with self._changing() as connection:
            for known in table.select(connection, "video_id = ?", video.video_id):
                if not known.state.is_final or _is_there(known):
                    return known, True
            table.forget_final(connection, MOST_FINAL)
            download = table.add(
                connection,
                name=name,
                video_id=video.video_id,
                size_bytes=video.size_bytes,
                owner=owner,
                state=DownloadState.WAITING.value,
                priority=priority,
            )
            return download, False

    def downloads(self) -> tuple[Download, ...]:
        """All of them: running, waiting, paused, each by priority and place, then the final ones.

        The final ones are in the order of their numbers, the newest last.
        """
        with self._database.transaction() as connection:
            return table.select(connection)

    def get(self, download_id: int) -> Download:
        """One download.

        Raises:
            DownloadUnknown: there is none of that number.
        """
        with self._database.transaction() as connection:
            return table.get(connection, download_id)

    def pause(self, download_id: int) -> Download:
        """Hold a download until it is resumed.

        Raises:
            DownloadUnknown, WrongState: as all of the following.
        """
        return self._owner_says(download_id, Event.PAUSE, **table.problem_columns(None))

    def resume(self, download_id: int) -> Download:
        """Let a paused download wait for its turn; nothing changes for one that runs."""
        return self._owner_says(download_id, Event.RESUME, next_try_at=0)

    def retry(self, download_id: int) -> Download:
        """Let a failed, cancelled or waiting download be tried as soon as it is its turn.

        No source is held to have lied any more.

        Raises:
            WrongState: besides, when its video was queued again since.
        """
        self._waits.pop(download_id, None)
        with self._event(download_id, Event.RETRY) as connection:
            sources = forgiven(table.get(connection, download_id).sources)
            return table.update(
                connection,
                download_id,
                failed_tries=0,
                next_try_at=0,
                sources=sources_to_json(sources),
                **table.problem_columns(None),
            )

    def cancel(self, download_id: int) -> Download:
        """Give a download up; the worker removes its partial file."""
        return self._owner_says(
            download_id, Event.CANCEL, verified_bytes=0, **table.problem_columns(None)
        )

    def move(
        self, download_id: int, *, priority: int | None = None, position: int | None = None
    ) -> Download:
        """Change when a download that is not final runs.

        Args:
            download_id: which.
            priority: its new priority; behind the others of it.
            position: its new place among all that wait, 1 being the next; it takes the priority
                of the one whose place it takes.

        Raises:
            InvalidRequest: not exactly one of the two, or a position below 1.
        """
        if (priority is None) == (position is None):
            raise InvalidRequest(field="place", problem=N_("give a priority or a position"))
        if position is not None and position < 1:
            raise InvalidRequest(field="position", problem=N_("the first position is 1"))
        with self._event(download_id, Event.MOVE) as connection:
            if position is not None:
                table.move(connection, download_id, position)
            else:
                place = table.last_place(connection, priority)
                table.update(connection, download_id, priority=priority, place=place)
            return table.get(connection, download_id)

    # For the worker

    def recover(self) -> None:
        """After a start: what was running waits again, and all that wait are tried at once."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE downloads SET state = 'waiting', next_try_at = 0"
                " WHERE state IN ('running', 'waiting')"
            )

    def take(self) -> Download | None:
        """Claim the next download whose time has come and let it run; none when there is none."""
        with self._database.transaction() as connection:
            now = self._clock()
            # A time too far ahead was noted before the clock was set back.
            due = (
                "state = 'running' OR (state = 'waiting' AND (next_try_at <= ? OR next_try_at > ?))"
            )
            for download in table.select(connection, due, now, now + MAX_DELAY_SECONDS):
                if download.download_id not in self._claimed:
                    break
            else:
                return None
            state = TRANSITIONS[download.state, Event.TAKE]
            taken = table.update(
                connection, download.download_id, state=state.value, **table.problem_columns(None)
            )
            self._claimed.add(taken.download_id)
        self.wake()
        return taken

    def release(self, download_id: int) -> None:
        """A claimed download may be taken again, if its state is such."""
        self._claimed.discard(download_id)
        self.wake()

    def seconds_until_due(self) -> float | None:
        """Seconds until a waiting download's time comes; none when none waits for its time."""
        now = self._clock()
        with self._database.transaction() as connection:
            (at,) = connection.execute(
                "SELECT min(next_try_at) FROM downloads"
                " WHERE state = 'waiting' AND next_try_at > ?",
                (now,),
            ).fetchone()
        return None if at is None else min(float(at) - now, MAX_DELAY_SECONDS)

    def running(self) -> frozenset[int]:
        """The downloads that are to run now."""
        with self._database.transaction() as connection:
            running = table.select(connection, "state = 'running'")
        return frozenset(each.download_id for each in running)

    def abandoned(self, video_ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the videos whose download was cancelled and is not claimed any more."""
        return self._unclaimed(video_ids, lambda state: state is DownloadState.CANCELLED)

    def stopped(self, video_ids: Iterable[str]) -> tuple[str, ...]:
        """Those whose download neither waits nor runs, and is not claimed any more."""
        return self._unclaimed(
            video_ids, lambda state: state.is_final or state is DownloadState.PAUSED
        )

    def progress(self, download_id: int, verified_bytes: int) -> None:
        """So many bytes of a download are verified, written and synced."""
        with self._changing() as connection:
            before = table.get(connection, download_id)
            if before.state.is_final:
                return
            table.update(connection, download_id, verified_bytes=verified_bytes)
            if verified_bytes > before.verified_bytes:
                self._waits.pop(download_id, None)
                table.update(connection, download_id, failed_tries=0)

    def note_sources(self, download_id: int, sources: Sequence[SourceReport]) -> None:
        """These are the peers that a download was fetched from so far, and what came of it."""
        with self._changing() as connection:
            table.update(connection, download_id, sources=sources_to_json(sources))

    def put_back(self, download_id: int) -> None:
        """A download was stopped: it waits for its turn."""
        self._worker_says(download_id, Event.PUT_BACK)

    def wait(self, download_id: int, error: VideotecaError, at_least_seconds: float = 0) -> None:
        """A download can't go on now: it waits, as long as it takes, and lets others run.

        Args:
            download_id: which.
            error: why.
            at_least_seconds: how long it is not worth to look again.
        """
        waits = self._waits.get(download_id, 0)
        self._waits[download_id] = waits + 1
        seconds = max(delay_while_waiting(waits), min(at_least_seconds, MAX_DELAY_SECONDS))
        self._worker_says(download_id, Event.PUT_BACK, error, next_try_at=self._clock() + seconds)

    def failed(self, download_id: int, error: VideotecaError) -> None:
        """A try failed: the next one follows after a while, unless it was the last."""
        tries = self.get(download_id).failed_tries + 1
        self._worker_says(
            download_id,
            Event.GIVE_UP if tries >= MOST_TRIES else Event.PUT_BACK,
            error,
            failed_tries=tries,
            next_try_at=self._clock() + delay_after_failure(tries),
        )

    def give_up(self, download_id: int, error: VideotecaError) -> None:
        """A download failed in a way that trying again does not mend."""
        self._worker_says(download_id, Event.GIVE_UP, error)

    def done(self, download_id: int, path: Path) -> None:
        """The video is complete, verified and in the received folder."""
        size_bytes = self.get(download_id).size_bytes
        self._worker_says(
            download_id, Event.FINISH, path=str(path), verified_bytes=size_bytes, failed_tries=0
        )

    # For all who watch

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    def wait_changed(self, since: int, timeout: float | None = None) -> int:
        """Wait until the version is another than ``since``, at most so many seconds.

        Returns:
            The version now.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version != since, timeout)
            return self._version

    def wake(self) -> None:
        """Let all who wait for a change look again."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._database.transaction() as connection:
            yield connection
        self.wake()

    @contextlib.contextmanager
    def _event(self, download_id: int, event: Event) -> Iterator[sqlite3.Connection]:
        """Something happens to a download; the table says what it becomes.

        Raises:
            DownloadUnknown: there is none of that number.
            WrongState: the table says that it can't happen.
        """
        with self._changing() as connection:
            before = table.get(connection, download_id)
            after = TRANSITIONS.get((before.state, event))
            if after is None or (
                before.state.is_final
                and not after.is_final
                and table.select(
                    connection, f"video_id = ? AND {table.UNFINISHED}", before.video_id
                )
            ):
                raise WrongState(download_id=download_id, state=before.state.value)
            table.update(connection, download_id, state=after.value)
            yield connection

    def _owner_says(self, download_id: int, event: Event, **fields: object) -> Download:
        with self._event(download_id, event) as connection:
            return table.update(connection, download_id, **fields)

    def _unclaimed(
        self, video_ids: Iterable[str], meets: Callable[[DownloadState], bool]
    ) -> tuple[str, ...]:
        with self._database.transaction() as connection:
            return tuple(
                video_id
                for video_id in video_ids
                if (downloads := table.select(connection, "video_id = ?", video_id))
                and meets(_deciding(downloads).state)
                and self._claimed.isdisjoint(each.download_id for each in downloads)
            )

    def _worker_says(
        self, download_id: int, event: Event, error: VideotecaError | None = None, **fields: object
    ) -> None:
        # A WrongState means that the owner decided otherwise meanwhile, and that holds.
        with contextlib.suppress(WrongState), self._event(download_id, event) as connection:
            table.update(connection, download_id, **table.problem_columns(error), **fields)


def _deciding(downloads: Sequence[Download]) -> Download:
    """Of the downloads of one video the one that is not final, or else the newest."""
    return downloads[-1] if downloads[0].state.is_final else downloads[0]


def _is_there(download: Download) -> bool:
    path = Path(download.path)
    return (
        download.state is DownloadState.DONE
        and path.is_file()
        and path.stat().st_size == download.size_bytes
    )
