"""The tracker's use cases, apart from wire and store."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from tracker_service import registration as rules
from tracker_service.folding import fold
from tracker_service.handout import ordered
from tracker_service.paging import page_token, position
from tracker_service.registration import LEASE_SECONDS, LEFT, Application, Dial, added
from tracker_service.store.contract import Content, Peer, Store, Transaction
from videoteca_core.addresses import (
    Endpoint,
    IpAddress,
    IpNetwork,
    is_peer_address,
    tracker_may_dial,
)
from videoteca_core.catalogue import (
    MAX_BATCH,
    NO_HOLDINGS,
    Holding,
    InfoPage,
    Lease,
    LocatedVideo,
    Reachability,
    Registration,
    VideoQuery,
)
from videoteca_core.errors import (
    IdMismatch,
    InvalidAddress,
    InvalidRequest,
    InvalidVideoId,
    NotRegistered,
    OtherTracker,
    TooMany,
    VideoUnknown,
)
from videoteca_core.identity import INSTANCE_KEY_BYTES, is_token, new_token, token_hash
from videoteca_core.manifest import is_video_id_prefix, valid_video_id, video_id
from videoteca_core.names import MAX_NAME_BYTES, valid_name
from videoteca_core.text import N_

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1_000
MAX_CONTENTS: Final = 100
MAX_OWNERS: Final = 50
MAX_SOURCES: Final = 50
_SHUFFLED_SOURCES: Final = 1_000
"""Among how many sources the load of a popular video is spread."""

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a use case answers to a registered peer, and the name of that peer."""

    peer_name: str
    value: T


@dataclass(frozen=True)
class Registered:
    """What Register did.

    Attributes:
        lease: what the peer is told.
        is_change: whether more than the lease changed.
        dial: the address to prove now, if any.
    """

    lease: Lease
    is_change: bool
    dial: Dial | None


class Catalog:
    """Who shares what.

    Args:
        store: where it is kept.
        clock: seconds since the epoch.
        dialable: ranges that may be dialled besides the caller's own address.
        chance: spreads the load over sources.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        dialable: Sequence[IpNetwork] = (),
        chance: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._dialable = dialable
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing

    async def register(
        self, registration: Registration, token: str, caller: IpAddress
    ) -> Registered:
        """Register a peer, or renew its lease.

        Args:
            registration: what the peer says of itself.
            token: what identifies it; empty to be given one.
            caller: where the call came from.

        Raises:
            InvalidInput: a field is malformed.
            NameTaken: the name is somebody else's.
            OtherTracker: the peer expects another tracker.
            ClaimRefused: the name was imported and the claim code is not its own.
        """
        if token and not is_token(token):
            raise InvalidRequest(
                field="authorization",
                problem=N_("the token is not 64 of the characters 0-9 and a-f"),
            )
        given = "" if token else new_token()
        application = self._application(registration, token or given, caller)
        known = await self._store.read(lambda tx: tx.peer_by_token(application.token_hash))
        is_change = known is None or not rules.only_renews(known, application)

        def work(tx: Transaction) -> tuple[Peer, str]:
            tracker_id = tx.tracker_id()
            if registration.tracker_id not in ("", tracker_id):
                raise OtherTracker(expected=registration.tracker_id, actual=tracker_id)
            return rules.enrol(tx, application), tracker_id

        # A lease that a power cut takes back is renewed by the next heartbeat.
        peer, tracker_id = await self._store.write(work, durable=is_change)
        lease = Lease(
            peer_id=peer.peer_id,
            tracker_id=tracker_id,
            seconds=LEASE_SECONDS,
            holdings_digest=peer.holdings_digest,
            reachability=peer.reachability,
            endpoint=rules.endpoint_of(peer),
            token=given,
        )
        return Registered(lease, is_change, rules.due_dial(peer, application))

    def _application(
        self, registration: Registration, token: str, caller: IpAddress
    ) -> Application:
        if len(registration.instance_key) not in (0, INSTANCE_KEY_BYTES):
            raise InvalidRequest(field="instance_key", problem=N_("not 32 bytes"))
        endpoint = Endpoint.of(registration.host or str(caller), registration.port)
        if registration.host and registration.port and not is_peer_address(endpoint.ip):
            raise InvalidAddress(address=registration.host, problem=N_("no peer can be there"))
        may_dial = tracker_may_dial(endpoint.ip, caller, self._dialable)
        return Application(
            name=valid_name(registration.name),
            token_hash=token_hash(token),
            claim_code=registration.claim_code,
            endpoint=endpoint if endpoint.port else None,
            instance_key=registration.instance_key,
            may_dial=may_dial and bool(registration.instance_key),
            now=self._clock(),
        )

    async def record_dial_result(self, dial: Dial, *, proved: bool) -> bool:
        """Keep what dialling an address found, and say whether the registration still stood."""
        reachability = Reachability.PROVED if proved else Reachability.UNREACHABLE

        def work(tx: Transaction) -> bool:
            peer = tx.peer_by_id(dial.peer_id)
            if peer is None or not rules.is_proof_of(dial, peer):
                return False
            tx.update_peer(replace(peer, reachability=reachability, dialled_at=self._clock()))
            return True

        return await self._store.write(work, durable=False)

    async def publish(
        self, token: str, holdings: Sequence[Holding], *, replaces_all: bool = False
    ) -> Answer[bytes]:
        """Add or update holdings of a peer, all of them or none.

        Args:
            token: whose.
            holdings: at most MAX_BATCH, no name twice.
            replaces_all: whether every other holding of the peer is taken back.

        Returns:
            The digest of all the peer's holdings.

        Raises:
            NotRegistered: nobody has that token.
            InvalidInput: a holding is malformed, lies, or there are too many.
        """
        _check_count(holdings)
        new = {holding.name: holding for holding in map(_checked, holdings)}
        if len(new) < len(holdings):
            raise InvalidRequest(field="holdings", problem=N_("a name is there twice"))

        def work(tx: Transaction) -> Answer[bytes]:
            peer = _caller(tx, token)
            held = tx.holdings(peer.peer_id, None if replaces_all else list(new))
            if replaces_all:
                gone = [holding.name for holding in held if holding.name not in new]
                tx.remove_holdings(peer.peer_id, gone)
            unchanged = new.keys() & {old.name for old in held if new.get(old.name) == old}
            tx.put_holdings(
                peer.peer_id, [holding for name, holding in new.items() if name not in unchanged]
            )
            # What replaces all mends the digest too, should it ever be wrong.
            total = NO_HOLDINGS if replaces_all else added(peer.holdings_digest, held)
            return _with_digest(tx, peer, added(total, new.values()))

        return await self._store.write(work)

    async def withdraw(self, token: str, names: Sequence[str]) -> Answer[bytes]:
        """Take holdings of a peer back; names that it does not hold are ignored.

        Returns:
            The digest of all the peer's holdings.

        Raises:
            NotRegistered: nobody has that token.
            InvalidInput: a name is malformed, or there are too many.
        """
        _check_count(names)
        gone = [valid_name(name) for name in names]

        def work(tx: Transaction) -> Answer[bytes]:
            peer = _caller(tx, token)
            held = tx.holdings(peer.peer_id, gone)
            tx.remove_holdings(peer.peer_id, gone)
            return _with_digest(tx, peer, added(peer.holdings_digest, held))

        return await self._store.write(work)

    async def leave(self, token: str) -> Answer[None]:
        """End a peer's lease now.

        Raises:
            NotRegistered: nobody has that token.
        """

        def work(tx: Transaction) -> Answer[None]:
            peer = _caller(tx, token)
            tx.renew_lease(peer.peer_id, LEFT)
            return Answer(peer.name, None)

        return await self._store.write(work, durable=False)

    async def lost(self, after: float) -> tuple[list[str], float]:
        """The peers whose leases ended since then without their leaving, and the time now."""
        now = self._clock()
        return await self._store.read(lambda tx: tx.expired(after, now)), now

    async def info(
        self, token: str, query: str, page_size: int, token_of_page: str, caller: IpAddress
    ) -> Answer[InfoPage]:
        """One page of the videos whose names contain the query, by name and then id.

        Raises:
            NotRegistered: nobody has that token.
            InvalidInput: the query is too long, or page_size or the page token malformed.
        """
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            raise InvalidRequest(field="page_size", problem=N_("not between 0 and 1,000"))
        if len(query.encode()) > MAX_NAME_BYTES:
            raise InvalidRequest(field="query", problem=N_("it is longer than 240 bytes"))
        if "\0" in query:  # to databases it is the end of the text
            raise InvalidRequest(
                field="query", problem=N_("it has a control or invisible character")
            )
        folded = fold(query)
        after = position(folded, token_of_page)
        size = page_size or DEFAULT_PAGE_SIZE

        def work(tx: Transaction) -> Answer[InfoPage]:
            peer = _caller(tx, token)
            videos = tx.summaries(
                folded, after, size + 1, self._clock(), to_loopback=caller.is_loopback
            )
            page = tuple(videos[:size])
            is_last = len(videos) <= size
            following = "" if is_last else page_token(folded, (page[-1].name, page[-1].video_id))
            return Answer(peer.name, InfoPage(page, following))

        return await self._store.read(work)

    async def locate(
        self, token: str, query: VideoQuery, caller: IpAddress
    ) -> Answer[tuple[LocatedVideo, ...]]:
        """The contents that a query means, most holders first, each with its live sources.

        Raises:
            NotRegistered: nobody has that token.
            InvalidInput: name, id or owner are malformed.
            VideoUnknown: nobody has such a video.
        """
        wanted = _checked_query(query)

        def work(tx: Transaction) -> Answer[tuple[LocatedVideo, ...]]:
            peer = _caller(tx, token)
            if wanted.name:
                contents = tx.contents_by_name(wanted.name, wanted.owner, MAX_CONTENTS)
            else:
                contents = tx.contents_by_id(wanted.video_id, wanted.owner, MAX_CONTENTS)
            if not contents:
                raise VideoUnknown(video=wanted)
            located = tuple(self._located(tx, content, caller) for content in contents)
            return Answer(peer.name, located)

        return await self._store.read(work)

    def _located(self, tx: Transaction, content: Content, caller: IpAddress) -> LocatedVideo:
        sources = tx.sources(
            content.video_id, self._clock(), _SHUFFLED_SOURCES, to_loopback=caller.is_loopback
        )
        return LocatedVideo(
            name=content.name,
            video_id=content.video_id,
            size_bytes=content.size_bytes,
            sources=ordered(sources, self._chance, MAX_SOURCES),
            owners=tuple(tx.owners(content, MAX_OWNERS)),
            holders=content.holders,
        )


def _caller(tx: Transaction, token: str) -> Peer:
    peer = tx.peer_by_token(token_hash(token)) if token else None
    if peer is None:
        raise NotRegistered
    return peer


def _with_digest(tx: Transaction, peer: Peer, holdings_digest: bytes) -> Answer[bytes]:
    if holdings_digest != peer.holdings_digest:
        tx.update_peer(replace(peer, holdings_digest=holdings_digest))
    return Answer(peer.name, holdings_digest)


def _check_count(things: Sequence[object]) -> None:
    if len(things) > MAX_BATCH:
        raise TooMany(count=len(things), limit=MAX_BATCH)


def _checked(holding: Holding) -> Holding:
    """A holding with its name in NFC, once its id was found to follow from size and root."""
    name = valid_name(holding.name)
    valid_video_id(holding.video_id)
    expected = video_id(holding.size_bytes, holding.pieces_root)
    if holding.video_id != expected:
        raise IdMismatch(name=name, video_id=holding.video_id, expected=expected)
    return replace(holding, name=name)


def _checked_query(query: VideoQuery) -> VideoQuery:
    owner = valid_name(query.owner) if query.owner else ""
    if query.name:
        return VideoQuery(name=valid_name(query.name), owner=owner)
    if not query.video_id:
        raise InvalidRequest(field="video", problem=N_("neither a name nor an id was given"))
    if not is_video_id_prefix(query.video_id):
        raise InvalidVideoId(video_id=query.video_id)
    return VideoQuery(video_id=query.video_id, owner=owner)
