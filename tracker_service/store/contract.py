"""What the catalogue needs of a database: small operations, in transactions.

A catalogue's use case is one function of a :class:`Transaction`. A store runs it to read or to
write; in a write, everything that it changed is kept or nothing is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from videoteca_core.catalogue import Holding, Reachability, Source, VideoSummary

T = TypeVar("T")


@dataclass(frozen=True)
class Peer:
    """A peer as it is stored.

    Attributes:
        token_hash: of the token that identifies it; none while an imported name is unclaimed.
        claim_hash: of the code that claims an imported name; none once it was used.
        host: the IP literal that it registered; empty when it does not serve.
        port: 0 when it does not serve.
        instance_key: the key of its answers to a challenge; may be empty.
        lease_expires_at: seconds since the epoch.
        dialled_at: when the dial that found the reachability ended, seconds since the epoch.
        holdings_digest: of all its holdings.
    """

    peer_id: str
    name: str
    token_hash: bytes | None
    claim_hash: bytes | None
    host: str
    port: int
    instance_key: bytes
    lease_expires_at: float
    reachability: Reachability
    dialled_at: float
    holdings_digest: bytes


@dataclass(frozen=True)
class Content:
    """A content of the catalogue.

    Attributes:
        name: the name that was asked for, or the one that most holders use.
        video_id: empty for imported videos of that name that nobody has published anew.
        holders: how many peers hold it, under whatever name.
    """

    name: str
    video_id: str
    size_bytes: int
    holders: int


class Transaction(Protocol):
    """Operations on one state of the database. Names are exact; peers are known by id."""

    def tracker_id(self) -> str:
        """This tracker's id, made with the database and kept for its lifetime."""
        ...

    def peer_by_token(self, token_hash: bytes) -> Peer | None:
        """The peer whose token has that hash."""
        ...

    def peer_by_name(self, name: str) -> Peer | None:
        """The peer of that name."""
        ...

    def peer_by_id(self, peer_id: str) -> Peer | None:
        """The peer of that id."""
        ...

    def peers(self) -> list[Peer]:
        """Every peer, by name."""
        ...

    def expired(self, after: float, until: float) -> list[str]:
        """Names of the peers whose lease ended in that time, its end included."""
        ...

    def add_peer(self, peer: Peer) -> None:
        """Store a new peer; its name and its token are nobody else's."""
        ...

    def update_peer(self, peer: Peer) -> None:
        """Store every field of a known peer anew."""
        ...

    def remove_peer(self, peer_id: str) -> None:
        """Forget a peer and its holdings."""
        ...

    def renew_lease(self, peer_id: str, expires_at: float) -> None:
        """Let a peer's lease end at that time."""
        ...

    def holdings(self, peer_id: str, names: Sequence[str] | None = None) -> list[Holding]:
        """A peer's holdings by name: those under these names, or all."""
        ...

    def put_holdings(self, peer_id: str, holdings: Sequence[Holding]) -> None:
        """Store holdings of a peer, each in place of the one under its name."""
        ...

    def remove_holdings(self, peer_id: str, names: Sequence[str]) -> None:
        """Forget a peer's holdings under these names."""
        ...

    def summaries(
        self, folded: str, after: tuple[str, str], limit: int, now: float, *, to_loopback: bool
    ) -> list[VideoSummary]:
        """Videos whose folded name contains a text, by name and then id, in code point order.

        Args:
            folded: what :func:`tracker_service.folding.fold` made of the text; may be empty.
            after: name and id before the first one wanted; two empty texts to start.
            limit: how many at most.
            now: seconds since the epoch, for who is online.
            to_loopback: whether sources on loopback count.
        """
        ...

    def contents_by_name(self, name: str, owner: str, limit: int) -> list[Content]:
        """The contents that bear a name, most holders first.

        Args:
            name: the name of the video.
            owner: the name of the peer that must hold it so; empty for any.
            limit: how many at most.
        """
        ...

    def contents_by_id(self, prefix: str, owner: str, limit: int) -> list[Content]:
        """The contents whose ids begin so, most holders first; arguments as above."""
        ...

    def owners(self, content: Content, limit: int) -> list[str]:
        """Names of the peers that hold a content, in order."""
        ...

    def sources(self, video_id: str, now: float, limit: int, *, to_loopback: bool) -> list[Source]:
        """The peers that hold a content and are online, those that have all of it first."""
        ...


class Store(Protocol):
    """A database that runs use cases."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a use case that changes nothing on one state of the database."""
        ...

    async def write(self, work: Callable[[Transaction], T], *, durable: bool = True) -> T:
        """Run a use case; once this returns, its changes are kept.

        Args:
            work: what to do; when it raises, nothing of it is kept.
            durable: whether the changes must survive a power cut, or the process's end only.

        Raises:
            DiskFull: there is no space for the changes.
            DatabaseCorrupt: the database was found damaged.
            FileUnreadable: the database can't be read or written for another reason.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
        ...
