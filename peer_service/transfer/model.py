"""What a transfer speaks of: what is wanted, who should have it, and how each of them does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from videoteca_core.addresses import Endpoint
from videoteca_core.errors import VideotecaError
from videoteca_core.manifest import Manifest


@dataclass(frozen=True)
class Wanted:
    """A video to fetch, and the name under which it is to be stored."""

    name: str
    video_id: str


@dataclass(frozen=True)
class Candidate:
    """A peer that should have it, and where it answers.

    Attributes:
        peer_name: its name at the tracker.
        endpoint: where it answers.
        is_partial: whether it is still downloading, and tells which pieces it has.
    """

    peer_name: str
    endpoint: Endpoint
    is_partial: bool = False


@dataclass(frozen=True)
class Finished:
    """A video in the received folder."""

    path: Path
    manifest: Manifest


class SourceState(Enum):
    """What a source does for a transfer; see ``control.proto``."""

    CONNECTING = "connecting"
    FETCHING = "fetching"
    WAITING = "waiting"
    IDLE = "idle"
    DROPPED = "dropped"
    LEFT = "left"


class HeldBack(Enum):
    """What holds a transfer back most; see ``control.proto``."""

    OUR_LIMIT = "our_limit"
    THEIR_LIMIT = "their_limit"
    THEIR_SLOTS = "their_slots"
    NETWORK = "network"
    DISK = "disk"
    NO_SOURCE = "no_source"


@dataclass(frozen=True)
class SourceReport:
    """How one source does, or did.

    Attributes:
        peer: its name at the tracker.
        address: where it answers, as host:port.
        bytes: bytes that came from it and were verified.
        rate: bytes a second over the last seconds; 0 unless it sends.
        state: what it does.
        reason: why it was dropped or has no slot, an error's reason; empty otherwise.
        message: the same for a person, in English.
        fields: what the message is made of, an error's fields.
    """

    peer: str
    address: str
    bytes: int = 0
    rate: int = 0
    state: SourceState = SourceState.CONNECTING
    reason: str = ""
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


class Observer(Protocol):
    """Who wants to know how it goes. Called from several threads."""

    def verified(self, count: int) -> None:
        """So many more bytes were received and verified."""

    def progressed(self, verified_bytes: int) -> None:
        """So many bytes of the video count now: verified, written and synced."""

    def changed(self) -> None:
        """A source joined, left, or does something else now."""

    def failed(self, candidate: Candidate, error: VideotecaError) -> None:
        """A source was dropped; after a BadSource it is not to be tried again."""
