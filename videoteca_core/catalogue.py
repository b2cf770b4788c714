"""What peers tell the tracker and what it answers, apart from any wire or store."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from videoteca_core.addresses import Endpoint
from videoteca_core.manifest import DIGEST_BYTES, digest

MAX_BATCH = 1_000
"""Most holdings or names in one Publish or Withdraw."""


class HoldingState(Enum):
    """How much of a video a peer has."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class Reachability(Enum):
    """Whether a peer's address was proved by dialling it back."""

    NOT_SERVING = "not serving"
    PENDING = "pending"
    PROVED = "proved"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Holding:
    """A video that a peer has under a name; the key is (peer, name)."""

    name: str
    video_id: str
    size_bytes: int
    pieces_root: bytes
    state: HoldingState = HoldingState.COMPLETE

    def digest(self) -> bytes:
        """32 bytes that stand for this holding in a :func:`holdings_digest`."""
        return digest(f"{self.video_id}\n{self.state.value}\n{self.name}".encode())


NO_HOLDINGS = bytes(DIGEST_BYTES)


def xor(left: bytes, right: bytes) -> bytes:
    """The exclusive or of two digests: adds a holding to a digest, or takes it away."""
    number = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return number.to_bytes(DIGEST_BYTES, "big")


def holdings_digest(holdings: Iterable[Holding]) -> bytes:
    """32 bytes that change when any holding does, whatever their order."""
    total = NO_HOLDINGS
    for holding in holdings:
        total = xor(total, holding.digest())
    return total


@dataclass(frozen=True)
class Registration:
    """What a peer registers.

    Attributes:
        host: an IP literal; empty for the address that the tracker sees.
        port: 0 for a peer that only downloads.
        instance_key: 32 bytes, or empty for an address that can't be proved.
        tracker_id: the tracker that is expected there; empty for any.
        claim_code: the one-time code that claims an imported name; empty otherwise.
    """

    name: str
    host: str = ""
    port: int = 0
    instance_key: bytes = b""
    tracker_id: str = ""
    claim_code: str = ""


@dataclass(frozen=True)
class Lease:
    """What a registered peer is told.

    Attributes:
        token: only when the call brought none.
        endpoint: the address that was recorded; none for a peer that only downloads.
    """

    peer_id: str
    tracker_id: str
    seconds: int
    holdings_digest: bytes
    reachability: Reachability
    endpoint: Endpoint | None = None
    token: str = ""


@dataclass(frozen=True)
class VideoSummary:
    """A video of the catalogue under one of its names; no id: imported and not published yet."""

    name: str
    video_id: str
    size_bytes: int
    holders: int
    online: int


@dataclass(frozen=True)
class InfoPage:
    """One page of the catalogue; no next_page_token: the last one."""

    videos: tuple[VideoSummary, ...]
    next_page_token: str = ""


@dataclass(frozen=True)
class Source:
    """A peer from which a video can be fetched now; its endpoints best first."""

    peer_name: str
    state: HoldingState
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True)
class LocatedVideo:
    """A video and who has it; its sources best first, its owners online or not."""

    name: str
    video_id: str
    size_bytes: int
    sources: tuple[Source, ...]
    owners: tuple[str, ...]
    holders: int


@dataclass(frozen=True)
class VideoQuery:
    """Which video: by name, or by id or a prefix of it; and whose, or anybody's."""

    name: str = ""
    video_id: str = ""
    owner: str = ""

    def __str__(self) -> str:
        video = self.name or self.video_id
        return f"{self.owner}/{video}" if self.owner else video
