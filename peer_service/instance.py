"""This start of the peer, as it proves itself to a tracker that dials it back."""

import secrets

from videoteca_core.addresses import Endpoint
from videoteca_core.errors import NotThisPeer
from videoteca_core.identity import INSTANCE_KEY_BYTES, proof


class Instance:
    """A key that was made at this start, and what it vouches for.

    Set names and port before the Register call that sends them: the tracker may dial back while
    it is still in flight.

    Attributes:
        key: 32 random bytes, known to this peer and its tracker.
        names: the name that is registered, and the one that is asked for meanwhile.
        port: the port that is registered; 0 for none.
    """

    def __init__(self) -> None:
        self.key = secrets.token_bytes(INSTANCE_KEY_BYTES)
        self.names: frozenset[str] = frozenset()
        self.port = 0

    def answer(self, challenge: bytes, name: str, endpoint: Endpoint) -> bytes:
        """The 32-byte proof that this peer registered that name at that address.

        The host is not compared: a peer may not know under which address others see it. The
        proof covers it, so the tracker learns nothing of another address.

        Raises:
            NotThisPeer: name or port are not this peer's.
        """
        if name not in self.names or endpoint.port != self.port:
            raise NotThisPeer(name=name)
        return proof(self.key, challenge, name, endpoint)
