"""The peer's tie to its tracker: registers so that neither a lost reply nor a swap loses a name."""

import threading
from dataclasses import replace
from typing import Self

from peer_service.database import PeerDatabase
from peer_service.identity import Identity, IdentityStore
from tracker_service.client import TrackerClient
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Lease, Registration
from videoteca_core.errors import (
    ClaimRefused,
    InvalidInput,
    NameTaken,
    NotRegistered,
    OtherTracker,
)
from videoteca_core.identity import new_token


class TrackerLink:
    """One tracker, and who we are there. Usable from any thread; blocks."""

    def __init__(self, database: PeerDatabase, tracker: Endpoint) -> None:
        self.tracker = tracker
        self._identities = IdentityStore(database)
        self._lock = threading.Lock()
        self._client: TrackerClient | None = None
        self._client_token = ""

    @property
    def identity(self) -> Identity | None:
        """Who we are there; without tracker_id while the tracker has not acknowledged it."""
        return self._identities.load()

    def client(self) -> TrackerClient:
        """The client that carries our token.

        Raises:
            NotRegistered: there is no token yet.
        """
        identity = self.identity
        if identity is None:
            raise NotRegistered
        return self._client_for(identity)

    def enroll(self, registration: Registration) -> Lease:
        """Register because a person asked for it: whatever tracker is there is the right one.

        The token is durable before it is sent. Another tracker than before gets its own, and the
        one of the tracker before is kept: whoever comes back there finds the name still theirs.

        Raises:
            VideotecaError: as ``Tracker.Register`` answers.
        """
        before = known = self.identity
        if known and known.tracker_id:
            try:
                return self._register(known, registration)
            except OtherTracker as error:
                tracker_id = error.fields.get("actual", "")
                known = self._identities.former(tracker_id) or self._new(registration, tracker_id)
        elif known:  # the reply was lost: it may be registered
            known = replace(known, name=registration.name, tracker=str(self.tracker))
        else:
            known = self._new(registration, tracker_id="")
        self._identities.save(known)
        try:
            return self._register(known, registration)
        except (InvalidInput, NameTaken, ClaimRefused):  # an answer: the name is not ours
            if before:
                self._identities.save(before)
            else:
                self._identities.forget()
            raise

    def renew(self, registration: Registration) -> Lease:
        """Register again: under the known token, at the known tracker only.

        Raises:
            NotRegistered: there is no identity yet.
            OtherTracker: another tracker answers at that address.
            VideotecaError: as ``Tracker.Register`` answers.
        """
        known = self.identity
        if known is None:
            raise NotRegistered
        return self._register(known, registration)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._client:
                self._client.close()
                self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new(self, registration: Registration, tracker_id: str) -> Identity:
        return Identity(registration.name, new_token(), str(self.tracker), tracker_id)

    def _register(self, known: Identity, registration: Registration) -> Lease:
        client = self._client_for(known)
        lease = client.register(replace(registration, tracker_id=known.tracker_id))
        answered = replace(
            known,
            name=registration.name,
            tracker=str(self.tracker),
            tracker_id=lease.tracker_id,
            peer_id=lease.peer_id,
        )
        if answered != known:
            self._identities.save(answered)
        return lease

    def _client_for(self, identity: Identity) -> TrackerClient:
        with self._lock:
            if self._client is None or self._client_token != identity.token:
                if self._client:
                    self._client.close()
                self._client = TrackerClient(self.tracker, identity.token)
                self._client_token = identity.token
            return self._client
