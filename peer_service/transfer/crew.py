"""The sources that work on one video, and what each of them is asked for now."""

import random
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from peer_service.pieces import PieceSet, Run
from peer_service.stop import check
from peer_service.transfer.pace import Pace
from peer_service.transfer.part_file import PartFile
from peer_service.transfer.plan import Plan
from videoteca_core.manifest import Manifest

_LOOK_SECONDS: Final = 0.25
"""What one source could take from a slower one changes with their rates, of which nobody tells."""


class Member(Hashable, Protocol):
    """A source of the crew."""

    @property
    def pace(self) -> Pace:
        """How it does."""

    def interrupt(self) -> None:
        """End what it fetches now: nobody wants it any more."""


class Crew:
    """Hands out the pieces of one video to the threads that fetch them.

    Args:
        over: set when it is over, whyever; all who wait here are told :class:`Stopped`.

    Attributes:
        changed: guards everything here; notified when those who wait should look again.
        manifest: the video's, once a source told it.
        failure: what went wrong in a way that no other source could mend.
    """

    def __init__(self, over: threading.Event) -> None:
        self.changed = threading.Condition()
        self.manifest: Manifest | None = None
        self.failure: Exception | None = None
        self._over = over
        self._part: PartFile | None = None
        self._plan: Plan[Member]
        self._members: set[Member] = set()
        self._at_work: dict[Member, _Work] = {}

    # For the transfer

    def open(self, part: PartFile) -> None:
        """There is a file now: what it lacks is to be fetched."""
        with self.changed:
            self._plan = Plan(part.manifest, part.pieces.snapshot(), random.Random())  # noqa: S311 - nothing secret hangs on it
            self._part = part
            self.changed.notify_all()

    @property
    def is_open(self) -> bool:
        """Whether there is a file."""
        return self._part is not None

    @property
    def is_complete(self) -> bool:
        """Whether every piece is there."""
        return self.is_open and self._plan.is_complete

    # For its members

    def learn(self, manifest: Manifest) -> None:
        """A source told the manifest."""
        with self.changed:
            self.manifest = manifest
            self.changed.notify_all()

    def fail(self, failure: Exception) -> None:
        """Something went wrong on this machine."""
        with self.changed:
            self.failure = self.failure or failure
            self.changed.notify_all()

    def part(self) -> PartFile:
        """The file, as soon as there is one.

        Raises:
            Stopped: it is over.
        """
        with self.changed:
            while self._part is None:
                self.wait()
            return self._part

    def join(self, member: Member, has: PieceSet | None = None) -> None:
        """A source has these pieces, or all of them."""
        with self.changed:
            self._members.add(member)
            self._plan.join(member, has)
            self.changed.notify_all()

    def gained(self, member: Member, pieces: PieceSet) -> None:
        """A source has these pieces besides; said of one that has left it means nothing."""
        with self.changed:
            self._plan.gained(member, pieces)
            self.changed.notify_all()

    def leave(self, member: Member) -> None:
        """A source goes; others may have what it was asked for."""
        with self.changed:
            self._members.discard(member)
            if self._part:
                self._plan.leave(member)
            self.changed.notify_all()

    def claim(self, member: Member) -> Run | None:
        """What a source is to be asked for now; none when there is nothing now."""
        with self.changed:
            part = self.part()
            claim = self._plan.claim(member, {each: each.pace for each in self._members})
            if claim is None:
                return None
            work = self._at_work[member] = _Work()
            if claim.revoked:
                self._take_over(claim.revoked)
            # While it waited its piece may have been brought after all, or taken by a third one.
            if work.is_revoked or part.pieces.run_length(claim.run.first):
                self.release(member)
                return None
            return claim.run

    def granted(self, member: Member, count: int) -> None:
        """A source gives only so many pieces of what it was asked for."""
        with self.changed:
            self._plan.granted(member, count)
            self.changed.notify_all()

    def received(self, member: Member, piece: int) -> bool:
        """A piece was verified and written.

        Returns:
            Whether the next one is the same source's.
        """
        with self.changed:
            goes_on = self._plan.received(member, piece)
            if self._plan.is_complete:
                self.changed.notify_all()
            return goes_on

    def release(self, member: Member) -> None:
        """The stream of a source ended; others may have what it did not bring."""
        with self.changed:
            self._at_work.pop(member, None)
            self._plan.release(member)
            self.changed.notify_all()

    def wait(self) -> None:
        """Until something may have changed; the guard is held before and after.

        Raises:
            Stopped: it is over.
        """
        if not self._over.is_set():
            self.changed.wait(_LOOK_SECONDS)
        check(self._over)

    def _take_over(self, slow: Member) -> None:
        """Wait until a source writes no more of the piece that another is going to write."""
        work = self._at_work[slow]
        work.is_revoked = True
        while self._at_work.get(slow) is work:
            slow.interrupt()  # again and again: its stream may be about to begin
            self.wait()


@dataclass
class _Work:
    """Of a source that may write to the file, or is going to as soon as nobody else does.

    Attributes:
        is_revoked: whether its current piece was taken from it.
    """

    is_revoked: bool = False
