"""One video, from the peers that have it to a finished file in the received folder."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from peer_service.pieces import byte_range
from peer_service.transfer.folder import ReceivedFolder
from peer_service.transfer.part_file import (
    PartFile,
    PieceRejected,
    part_ids,
    remove_part,
    stored_manifest,
)
from peer_service.transfer.source import PeerSource
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    LocalTrouble,
    NoSourceOnline,
    NoUploadSlot,
    Unavailable,
    VideotecaError,
)
from videoteca_core.manifest import Manifest
from videoteca_core.text import N_

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """A video to fetch, and the name under which it is to be stored."""

    name: str
    video_id: str


@dataclass(frozen=True)
class Candidate:
    """A peer that should have it, and where it answers."""

    peer_name: str
    endpoint: Endpoint


class Observer(Protocol):
    """Who wants to know how it goes. Called from several threads."""

    def fetching_from(self, candidate: Candidate) -> None:
        """A source is tried now."""

    def verified(self, count: int) -> None:
        """So many more bytes were received and verified."""

    def progressed(self, verified_bytes: int) -> None:
        """So many bytes of the video count now: verified, written and synced."""

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:
        """A source did not do; a BadSource is not to be tried again."""


@dataclass(frozen=True)
class Finished:
    """A video in the received folder."""

    path: Path
    manifest: Manifest


class Transfer:
    """Fetches a video from one source, and when that fails from the next, no piece twice.

    Args:
        wanted: the video.
        candidates: who should have it, the best first.
        received_folder: where it is to be.
        observer: told how it goes.
        stop: when it is set, the transfer stops within a second and keeps what it verified.
        connect: makes a source.
    """

    def __init__(
        self,
        wanted: Wanted,
        candidates: Sequence[Candidate],
        received_folder: Path,
        *,
        observer: Observer,
        stop: threading.Event,
        connect: Callable[..., PeerSource] = PeerSource,
    ) -> None:
        self._wanted = wanted
        self._candidates = list(candidates)
        self._received_folder = received_folder
        self._observer = observer
        self._stop = stop
        self._connect = connect
        self._failures: list[VideotecaError] = []

    def run(self) -> Finished:
        """Fetch what is missing and give the file its name.

        Raises:
            NoSourceOnline: there were no candidates.
            NoUploadSlot, Unavailable: none did, and at least one of them may do later.
            BadSource, VideoUnknown, Aborted, RemoteFailure: none did; what the last one said.
            LocalTrouble: something on this machine is in the way.
            Stopped: asked to stop.
        """
        name, video_id = self._wanted.name, self._wanted.video_id
        with ReceivedFolder(self._received_folder) as folder:
            manifest = stored_manifest(folder, video_id) or self._from_any(
                lambda source: source.manifest(video_id)
            )
            there = folder.find(name, manifest, self._stop)
            if there:
                if video_id in part_ids(folder):  # the process ended between naming and clearing
                    remove_part(folder, video_id)
                return Finished(there, manifest)
            with PartFile(
                folder, manifest, stop=self._stop, on_progress=self._observer.progressed
            ) as part:
                if part.next_missing():
                    self._from_any(lambda source: self._fetch_missing(source, part))
                return Finished(part.finish(name), manifest)

    def _from_any(self, ask: Callable[[PeerSource], T]) -> T:
        """What the first candidate that does not fail answers; the failed ones are not asked again.

        Raises:
            VideotecaError: all failed; see :meth:`run`.
        """
        while self._candidates:
            candidate = self._candidates[0]
            self._observer.fetching_from(candidate)
            try:
                with self._connect(
                    candidate.endpoint, name=candidate.peer_name, stop=self._stop
                ) as source:
                    return ask(source)
            except LocalTrouble:
                raise
            except VideotecaError as error:
                self._failures.append(error)
                self._observer.failed(candidate, error)
                del self._candidates[0]
        raise self._outcome()

    def _fetch_missing(self, source: PeerSource, part: PartFile) -> None:
        while run := part.next_missing():
            with source.fetch(part.manifest, *byte_range(run, part.manifest)) as stream:
                writer = part.writer(run.first)
                for chunk in stream:
                    try:
                        self._observer.verified(writer.feed(chunk))
                    except PieceRejected as error:
                        raise source.bad(N_("a piece with another digest")) from error

    def _outcome(self) -> VideotecaError:
        """The failure that says most about when to try again."""
        for kind in (NoUploadSlot, Unavailable, VideotecaError):
            for error in reversed(self._failures):
                if isinstance(error, kind):
                    return error
        return NoSourceOnline(name=self._wanted.name)
