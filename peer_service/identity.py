"""Who this peer is at its tracker, remembered so that a name is never lost."""

from dataclasses import dataclass

from peer_service.database import PeerDatabase


@dataclass(frozen=True)
class Identity:
    """A name and what proves that it is ours.

    Attributes:
        name: the registered name.
        token: the secret that the tracker knows by its hash.
        tracker: the tracker's address, as HOST:PORT.
        tracker_id: the tracker's own id; empty until its first answer.
        peer_id: our id there; empty until its first answer.
    """

    name: str
    token: str
    tracker: str
    tracker_id: str = ""
    peer_id: str = ""


class IdentityStore:
    """Keeps the identity in the peer's database, and those at former trackers; its only writer."""

    def __init__(self, database: PeerDatabase) -> None:
        self._database = database

    def load(self) -> Identity | None:
        """The identity; none before the first registration was tried."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT name, token, tracker, tracker_id, peer_id FROM identity"
            ).fetchone()
        return Identity(*row) if row else None

    def forget(self) -> None:
        """Have no identity, as before the first registration was tried."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM identity")

    def former(self, tracker_id: str) -> Identity | None:
        """The identity at a tracker where this peer was before."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT name, token, tracker, tracker_id, peer_id FROM former_identities"
                " WHERE tracker_id = ?",
                (tracker_id,),
            ).fetchone()
        return Identity(*row) if row else None

    def save(self, identity: Identity) -> None:
        """Replace the identity, durably; one at another tracker becomes a former one."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO former_identities"
                " (tracker_id, name, token, tracker, peer_id)"
                " SELECT tracker_id, name, token, tracker, peer_id FROM identity"
                " WHERE tracker_id NOT IN ('', ?)",
                (identity.tracker_id,),
            )
            connection.execute(
                "INSERT OR REPLACE INTO identity VALUES (1, ?, ?, ?, ?, ?)",
                (
                    identity.name,
                    identity.token,
                    identity.tracker,
                    identity.tracker_id,
                    identity.peer_id,
                ),
            )
