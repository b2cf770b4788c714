"""Who may register under a name, and what becomes of the peer's record."""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

from tracker_service.store.contract import Peer, Transaction
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import NO_HOLDINGS, Holding, Reachability, xor
from videoteca_core.errors import ClaimRefused, NameTaken
from videoteca_core.identity import token_hash

LEASE_SECONDS: Final = 60
LEFT: Final = 0.0
"""When the lease of a peer ended that left, or never came."""
REDIAL_SECONDS: Final = 60
"""How long after a dial that failed the same address may be dialled again."""


@dataclass(frozen=True)
class Application:
    """A call of Register, once it was found well formed.

    Attributes:
        endpoint: where the peer says that it serves; none when it does not.
        may_dial: whether that endpoint may be dialled for this caller.
        now: seconds since the epoch.
    """

    name: str
    token_hash: bytes
    claim_code: str
    endpoint: Endpoint | None
    instance_key: bytes
    may_dial: bool
    now: float


@dataclass(frozen=True)
class Dial:
    """An address that is to be proved: the registration that it proves, if that still stands."""

    peer_id: str
    name: str
    endpoint: Endpoint
    instance_key: bytes


def enrol(tx: Transaction, application: Application) -> Peer:
    """Let a peer in, under its name, and return its record.

    Raises:
        NameTaken: the name is somebody else's.
        ClaimRefused: the name was imported, and the claim code is not its own.
    """
    known = tx.peer_by_token(application.token_hash)
    namesake = tx.peer_by_name(application.name)
    if namesake and namesake != known:
        known = _claimed(tx, namesake, known, application)
    if known is None:
        peer = applied(_new_peer(application), application)
        tx.add_peer(peer)
        return peer
    peer = applied(known, application)
    if only_renews(known, application):
        tx.renew_lease(peer.peer_id, peer.lease_expires_at)
    else:
        tx.update_peer(peer)
    return peer


def applied(peer: Peer, application: Application) -> Peer:
    """A peer's record after an application that was let in."""
    endpoint = application.endpoint
    changed = replace(
        peer,
        name=application.name,
        host=endpoint.host if endpoint else "",
        port=endpoint.port if endpoint else 0,
        instance_key=application.instance_key,
        lease_expires_at=application.now + LEASE_SECONDS,
    )
    return replace(changed, reachability=_reachability(peer, changed, application))


def only_renews(peer: Peer, application: Application) -> bool:
    """Whether nothing but the lease of a peer changes."""
    return replace(applied(peer, application), lease_expires_at=peer.lease_expires_at) == peer


def is_proof_of(dial: Dial, peer: Peer) -> bool:
    """Whether the registration that was dialled is still the peer's."""
    return (dial.endpoint, dial.instance_key) == (endpoint_of(peer), peer.instance_key)


def endpoint_of(peer: Peer) -> Endpoint | None:
    """Where a peer serves; none when it does not."""
    return Endpoint(peer.host, peer.port) if peer.port else None


def due_dial(peer: Peer, application: Application) -> Dial | None:
    """What to dial now that this application was let in, if anything."""
    if not (application.endpoint and application.may_dial):
        return None
    waited = application.now - peer.dialled_at
    # Less than nothing: the clock was set back since.
    too_soon = 0 <= waited < REDIAL_SECONDS
    due = peer.reachability is Reachability.PENDING or (
        peer.reachability is Reachability.UNREACHABLE and not too_soon
    )
    if not due:
        return None
    return Dial(peer.peer_id, peer.name, application.endpoint, peer.instance_key)


def added(total: bytes, holdings: Iterable[Holding]) -> bytes:
    """A digest of holdings with some more, or without some that were in it."""
    return reduce(xor, (holding.digest() for holding in holdings), total)


def new_peer(
    name: str, *, token_hash: bytes | None = None, claim_hash: bytes | None = None
) -> Peer:
    """The record of a peer that holds nothing and is nowhere yet."""
    return Peer(
        peer_id=secrets.token_hex(16),
        name=name,
        token_hash=token_hash,
        claim_hash=claim_hash,
        host="",
        port=0,
        instance_key=b"",
        lease_expires_at=LEFT,
        reachability=Reachability.NOT_SERVING,
        dialled_at=0.0,
        holdings_digest=NO_HOLDINGS,
    )


def _new_peer(application: Application) -> Peer:
    return new_peer(application.name, token_hash=application.token_hash)


def _reachability(before: Peer, after: Peer, application: Application) -> Reachability:
    if application.endpoint is None:
        return Reachability.NOT_SERVING
    if _instance(before) == _instance(after):
        return before.reachability
    return Reachability.PENDING if application.may_dial else Reachability.UNREACHABLE


def _instance(peer: Peer) -> tuple[str, int, bytes]:
    return peer.host, peer.port, peer.instance_key


def _claimed(
    tx: Transaction, imported: Peer, claimant: Peer | None, application: Application
) -> Peer:
    """The record under an imported name once its owner has claimed it."""
    if imported.claim_hash is None:
        raise NameTaken(name=imported.name)
    code_hash = token_hash(application.claim_code.strip())
    if not hmac.compare_digest(code_hash, imported.claim_hash):
        raise ClaimRefused(name=imported.name)
    if claimant is None:
        return replace(imported, token_hash=application.token_hash, claim_hash=None)
    # The claimant was here already, under another name: what was imported becomes its own.
    held = {holding.name for holding in tx.holdings(claimant.peer_id)}
    gained = [holding for holding in tx.holdings(imported.peer_id) if holding.name not in held]
    tx.remove_peer(imported.peer_id)
    tx.put_holdings(claimant.peer_id, gained)
    return replace(claimant, holdings_digest=added(claimant.holdings_digest, gained))
