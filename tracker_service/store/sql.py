"""The operations of a transaction in SQL, the same for every engine."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Table,
    and_,
    case,
    delete,
    distinct,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tracker_service.folding import fold
from tracker_service.store.contract import Content, Peer
from tracker_service.store.schema import holdings, peers, tracker
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Holding, HoldingState, Reachability, Source, VideoSummary

_UPSERTS: Final[dict[str, Callable[[Table], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_AFTER_HEX: Final = "g"
"""Sorts behind every hexadecimal digit, so that a prefix is a range of an index."""


class SqlTransaction:
    """A transaction on a connection; who made it begins and ends it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tracker_id(self) -> str:
        """This tracker's id."""
        return str(self._connection.scalar(select(tracker.c.tracker_id)))

    def peer_by_token(self, token_hash: bytes) -> Peer | None:
        """The peer whose token has that hash."""
        return self._peer(peers.c.token_hash == token_hash)

    def peer_by_name(self, name: str) -> Peer | None:
        """The peer of that name."""
        return self._peer(peers.c.name == name)

    def peer_by_id(self, peer_id: str) -> Peer | None:
        """The peer of that id."""
        return self._peer(peers.c.peer_id == peer_id)

    def _peer(self, condition: ColumnElement[bool]) -> Peer | None:
        row = self._connection.execute(select(peers).where(condition)).mappings().first()
        return _peer_from_row(row) if row else None

    def peers(self) -> list[Peer]:
        """Every peer, by name."""
        rows = self._connection.execute(select(peers).order_by(peers.c.name)).mappings()
        return [_peer_from_row(row) for row in rows]

    def expired(self, after: float, until: float) -> list[str]:
        """Names of the peers whose lease ended in that time."""
        ended = peers.c.lease_expires_at
        query = select(peers.c.name).where(ended > after, ended <= until).order_by(peers.c.name)
        return list(self._connection.scalars(query))

    def add_peer(self, peer: Peer) -> None:
        """Store a new peer."""
        self._connection.execute(insert(peers).values(_peer_to_row(peer)))

    def update_peer(self, peer: Peer) -> None:
        """Store every field of a known peer anew."""
        self._connection.execute(
            update(peers).where(peers.c.peer_id == peer.peer_id).values(_peer_to_row(peer))
        )

    def remove_peer(self, peer_id: str) -> None:
        """Forget a peer and its holdings."""
        self._connection.execute(delete(peers).where(peers.c.peer_id == peer_id))

    def renew_lease(self, peer_id: str, expires_at: float) -> None:
        """Let a peer's lease end at that time."""
        self._connection.execute(
            update(peers).where(peers.c.peer_id == peer_id).values(lease_expires_at=expires_at)
        )

    def holdings(self, peer_id: str, names: Sequence[str] | None = None) -> list[Holding]:
        """A peer's holdings by name."""
        query = select(holdings).where(holdings.c.peer_id == peer_id).order_by(holdings.c.name)
        if names is not None:
            query = query.where(holdings.c.name.in_(names))
        return [_holding_from_row(row) for row in self._connection.execute(query).mappings()]

    def put_holdings(self, peer_id: str, new: Sequence[Holding]) -> None:
        """Store holdings of a peer, each in place of the one under its name."""
        if not new:
            return
        upsert = _UPSERTS[self._connection.dialect.name](holdings)
        key = (holdings.c.peer_id, holdings.c.name)
        others = {
            column.name: upsert.excluded[column.name] for column in holdings.c if column not in key
        }
        self._connection.execute(
            upsert.on_conflict_do_update(index_elements=key, set_=others),
            [_holding_to_row(peer_id, holding) for holding in new],
        )

    def remove_holdings(self, peer_id: str, names: Sequence[str]) -> None:
        """Forget a peer's holdings under these names."""
        self._connection.execute(
            delete(holdings).where(holdings.c.peer_id == peer_id, holdings.c.name.in_(names))
        )

    def summaries(
        self, folded: str, after: tuple[str, str], limit: int, now: float, *, to_loopback: bool
    ) -> list[VideoSummary]:
        """Videos whose folded name contains a text, by name and then id."""
        key = (holdings.c.name, holdings.c.video_id)
        online = case((_is_offered(now, to_loopback=to_loopback), 1), else_=0)
        query = (
            select(*key, func.max(holdings.c.size_bytes), func.count(), func.sum(online))
            .join_from(holdings, peers)
            .where(tuple_(*key) > tuple_(*map(literal, after)))
            .group_by(*key)
            .order_by(*key)
            .limit(limit)
        )
        if folded:
            query = query.where(holdings.c.folded_name.contains(folded, autoescape=True))
        return [VideoSummary(*row) for row in self._connection.execute(query)]

    def contents_by_name(self, name: str, owner: str, limit: int) -> list[Content]:
        """The contents that bear a name, most holders first."""
        named = holdings.c.name == name
        # Imported videos have no id in common: only those of one name are taken for one.
        return [
            Content(name, video_id, size, holders)
            for video_id, size, holders in self._contents(named, owner, limit, or_(_HAS_ID, named))
        ]

    def contents_by_id(self, prefix: str, owner: str, limit: int) -> list[Content]:
        """The contents whose ids begin so, most holders first."""
        begins = and_(holdings.c.video_id >= prefix, holdings.c.video_id < prefix + _AFTER_HEX)
        return [
            Content(self._usual_name(video_id), video_id, size, holders)
            for video_id, size, holders in self._contents(begins, owner, limit, true())
        ]

    def _contents(
        self,
        wanted: ColumnElement[bool],
        owner: str,
        limit: int,
        counted: ColumnElement[bool],
    ) -> list[tuple[str, int, int]]:
        """Id, size and number of holders of the contents of the wanted holdings."""
        ids = select(holdings.c.video_id).where(wanted)
        if owner:
            ids = ids.join_from(holdings, peers).where(peers.c.name == owner)
        holders = func.count(distinct(holdings.c.peer_id))
        query = (
            select(holdings.c.video_id, func.max(holdings.c.size_bytes), holders)
            .where(holdings.c.video_id.in_(ids), counted)
            .group_by(holdings.c.video_id)
            .order_by(holders.desc(), holdings.c.video_id)
            .limit(limit)
        )
        return [
            (video_id, size, count) for video_id, size, count in self._connection.execute(query)
        ]

    def _usual_name(self, video_id: str) -> str:
        query = (
            select(holdings.c.name)
            .where(holdings.c.video_id == video_id)
            .group_by(holdings.c.name)
            .order_by(func.count().desc(), holdings.c.name)
            .limit(1)
        )
        return str(self._connection.scalar(query))

    def owners(self, content: Content, limit: int) -> list[str]:
        """Names of the peers that hold a content, in order."""
        query = (
            select(peers.c.name)
            .distinct()
            .join_from(holdings, peers)
            .where(holdings.c.video_id == content.video_id)
            .order_by(peers.c.name)
            .limit(limit)
        )
        if not content.video_id:
            query = query.where(holdings.c.name == content.name)
        return list(self._connection.scalars(query))

    def sources(self, video_id: str, now: float, limit: int, *, to_loopback: bool) -> list[Source]:
        """The peers that hold a content and are online, those that have all of it first."""
        complete = holdings.c.state == HoldingState.COMPLETE.value
        has_all = func.max(case((complete, 1), else_=0))
        query = (
            select(peers.c.name, has_all, peers.c.host, peers.c.port)
            .join_from(holdings, peers)
            .where(holdings.c.video_id == video_id, _is_offered(now, to_loopback=to_loopback))
            .group_by(peers.c.peer_id, peers.c.name, peers.c.host, peers.c.port)
            .order_by(has_all.desc(), peers.c.peer_id)
            .limit(limit)
        )
        return [
            Source(
                peer_name=name,
                state=HoldingState.COMPLETE if all_of_it else HoldingState.PARTIAL,
                endpoints=(Endpoint(host, port),),
            )
            for name, all_of_it, host, port in self._connection.execute(query)
        ]


_HAS_ID: Final = holdings.c.video_id != ""


def _is_offered(now: float, *, to_loopback: bool) -> ColumnElement[bool]:
    """Whether a holding can be fetched now: has an id, and its peer is leased and proved."""
    on_loopback = or_(peers.c.host.startswith("127."), peers.c.host == "::1")
    return and_(
        _HAS_ID,
        peers.c.lease_expires_at > now,
        peers.c.reachability == Reachability.PROVED.value,
        true() if to_loopback else ~on_loopback,
    )


def _peer_to_row(peer: Peer) -> dict[str, Any]:
    return asdict(peer) | {"reachability": peer.reachability.value}


def _peer_from_row(row: RowMapping) -> Peer:
    return Peer(**{**row, "reachability": Reachability(row["reachability"])})


def _holding_to_row(peer_id: str, holding: Holding) -> dict[str, Any]:
    columns = {"peer_id": peer_id, "folded_name": fold(holding.name)}
    return asdict(holding) | columns | {"state": holding.state.value}


def _holding_from_row(row: RowMapping) -> Holding:
    return Holding(
        name=row["name"],
        video_id=row["video_id"],
        size_bytes=row["size_bytes"],
        pieces_root=row["pieces_root"],
        state=HoldingState(row["state"]),
    )
