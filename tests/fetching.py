"""Transfers of one video into one folder, as a test asks for them."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from peer_service.limits import DownloadLimiter, RateLimit
from peer_service.partial import PartialVideo
from peer_service.transfer.download import Transfer
from peer_service.transfer.model import Candidate, Finished, SourceReport, SourceState, Wanted
from tests.fakes.peer import FakePeer
from tests.videos import MIB, manifest_of, video_bytes
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import VideotecaError
from videoteca_core.manifest import Manifest

DATA: Final = video_bytes(7 * MIB + 12_345)
STALL_SECONDS: Final = 0.5
STREAMS: Final = 12

Peer = FakePeer | Endpoint | Candidate


class Log:
    """An observer that remembers.

    Attributes:
        on_failed: called after each source that was dropped.
    """

    def __init__(self) -> None:
        self.on_failed: Callable[[], object] = lambda: None
        self.verified_bytes = 0
        self.progress: list[int] = []
        self.failures: list[tuple[str, VideotecaError]] = []
        self._guard = threading.Lock()

    def verified(self, count: int) -> None:
        with self._guard:
            self.verified_bytes += count

    def progressed(self, verified_bytes: int) -> None:
        self.progress.append(verified_bytes)

    def changed(self) -> None:
        pass

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:
        self.failures.append((candidate.peer_name, error))
        self.on_failed()


class Fetching:
    """Transfers of one video, one after the other.

    Attributes:
        find: what the tracker answers; :meth:`begin` sets it.
        stop: stops the transfer.
        limit: what this peer receives at most.
        streams: how many more sources its transfers may have.
        log: what the last transfer told.
        offered: what the last transfer offered.
        transfer: the last transfer.
    """

    def __init__(
        self,
        folder: Path,
        data: bytes = DATA,
        name: str = "clip.mp4",
        manifest: Manifest | None = None,
    ) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.data = data
        self.name = name
        self.manifest = manifest or manifest_of(data)
        self.stall_seconds = STALL_SECONDS
        self.find: Callable[[], Sequence[Candidate]] = tuple
        self.stop = threading.Event()
        self.limit = RateLimit()
        self.streams = threading.Semaphore(STREAMS)
        self.log = Log()
        self.offered: PartialVideo | None = None
        self.transfer: Transfer

    def begin(self, *peers: Peer) -> Transfer:
        """A transfer from these peers, which are called peer0, peer1 and so on."""
        self.log = Log()
        self.offered = None
        self.found(*peers)
        self.transfer = Transfer(
            Wanted(self.name, self.manifest.video_id),
            self.folder,
            find=self._find,
            observer=self.log,
            offer=self._offer,
            stop=self.stop,
            streams=self.streams,
            limiter=DownloadLimiter(self.limit),
            stall_seconds=self.stall_seconds,
        )
        return self.transfer

    def found(self, *peers: Peer) -> None:
        """The tracker names these from now on."""
        candidates = [as_candidate(number, peer) for number, peer in enumerate(peers)]
        self.find = lambda: candidates

    def run(self, *peers: Peer) -> Finished:
        return self.begin(*peers).run()

    def succeed(self, *peers: Peer) -> Path:
        """Run a transfer and check all that it leaves."""
        return self.check(self.run(*peers))

    def check(self, finished: Finished) -> Path:
        assert finished.path.read_bytes() == self.data
        assert finished.manifest == self.manifest
        assert self.parts() == []
        return finished.path

    def _find(self) -> Sequence[Candidate]:
        return self.find()

    def _offer(self, partial: PartialVideo) -> None:
        self.offered = partial

    @contextlib.contextmanager
    def running(self, *peers: Peer) -> Iterator["Running"]:
        """Let a transfer run beside the test, from these peers or else the one that was begun.

        It is stopped at the end of the block.
        """
        running = Running(self.begin(*peers) if peers else self.transfer)
        try:
            yield running
        finally:
            self.stop.set()
            running.thread.join(20)
            self.stop.clear()

    def parts(self) -> list[str]:
        return [part.name for part in (self.folder / ".videoteca").iterdir()]

    def source(self, number: int) -> SourceReport:
        """How the peer of that number does in the last transfer, in which it was tried."""
        return next(each for each in self.transfer.sources() if each.peer == f"peer{number}")

    def states(self) -> dict[str, SourceState]:
        """What each peer does in the last transfer."""
        return {each.peer: each.state for each in self.transfer.sources()}


class Running:
    """A transfer in a thread of its own."""

    def __init__(self, transfer: Transfer) -> None:
        self._outcome: Finished | BaseException | None = None
        self._transfer = transfer
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._transfer.run()
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            self._outcome = error

    def result(self, timeout_seconds: float = 30.0) -> Finished:
        """What it ends with."""
        self.thread.join(timeout_seconds)
        assert self._outcome is not None, "it still runs"
        if isinstance(self._outcome, Finished):
            return self._outcome
        raise self._outcome


def as_candidate(number: int, peer: Peer) -> Candidate:
    match peer:
        case Candidate():
            return peer
        case FakePeer():
            return Candidate(f"peer{number}", peer.endpoint, peer.is_partial)
        case _:
            return Candidate(f"peer{number}", peer)
