"""Who asks: what is scarce is shared among addresses first, then among their connections."""

from typing import NamedTuple


class Client(NamedTuple):
    """One connection from somewhere.

    Attributes:
        address: the IP address that it comes from; empty for a socket of this machine.
        connection: what tells it from the others.
    """

    address: str
    connection: str
