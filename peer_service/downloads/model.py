"""What a download is, apart from where it is kept and how it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from peer_service.transfer.model import HeldBack, SourceReport


class DownloadState(Enum):
    """Where a download stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in (DownloadState.DONE, DownloadState.FAILED, DownloadState.CANCELLED)


@dataclass(frozen=True)
class Download:
    """A download of the queue, as it is at one moment.

    Attributes:
        download_id: its number, never used again.
        name: the name of the video.
        owner: the peer that was asked for; empty for anybody.
        verified_bytes: bytes that are verified, written and synced.
        priority: higher runs first.
        failed_tries: how many tries have failed since the last progress.
        reason: why it waits or failed, an error's reason; empty otherwise.
        message: the same for a person, in English.
        fields: what the message is made of, an error's fields.
        sources: the peers that it was or is fetched from, the first one first.
        held_back: what holds it back most, or what it waits for; none when nothing is known.
        rate: bytes a second over the last seconds; 0 unless running.
        path: the finished file; empty until done.
    """

    download_id: int
    name: str
    video_id: str
    size_bytes: int
    owner: str
    state: DownloadState
    verified_bytes: int = 0
    priority: int = 0
    failed_tries: int = 0
    reason: str = ""
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[SourceReport, ...] = ()
    held_back: HeldBack | None = None
    rate: int = 0
    path: str = ""
