"""Where peers and trackers are: an IP literal and a port, and which of them may be dialled."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from videoteca_core.errors import InvalidAddress
from videoteca_core.text import N_

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")

TRACKER_PORT = 1025
PEER_PORT = 1030


def ip_address(host: str) -> IpAddress:
    """The address of an IP literal, an IPv4 address mapped into IPv6 unwrapped.

    Raises:
        InvalidAddress: not an IP literal, or one with a zone.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise InvalidAddress(address=host, problem=N_("not an IP address")) from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise InvalidAddress(address=host, problem=N_("it has a zone"))
        return address.ipv4_mapped or address
    return address


@dataclass(frozen=True, order=True)
class Endpoint:
    """An address where something listens, or wants to.

    Attributes:
        host: an IP literal in its canonical form, IPv6 without brackets.
        port: 0 to 65535; 0 only to listen on any free port.
    """

    host: str
    port: int

    @classmethod
    def of(cls, host: str, port: int) -> Self:
        """The endpoint of an IP literal and a port that came from elsewhere.

        Raises:
            InvalidAddress: the host is no IP literal, or the port not 0 to 65535.
        """
        if not 0 <= port <= 65_535:
            raise InvalidAddress(address=f"{host}:{port}", problem=N_("the port is not 0 to 65535"))
        return cls(str(ip_address(host)), port)

    @classmethod
    def resolve(cls, text: str, default_port: int) -> Self:
        """The endpoint that a person typed: ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``.

        A host name is resolved here, once, IPv4 before IPv6.

        Raises:
            InvalidAddress: it is malformed, or the name can't be resolved.
        """
        host, port = _split(text, default_port)
        try:
            return cls.of(host, port)
        except InvalidAddress:
            if ":" in host or not 0 <= port <= 65_535:
                raise
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise InvalidAddress(address=text, problem=N_("the name can't be resolved")) from error
        families = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)
        return cls.of(str(families[0][4][0]).partition("%")[0], port)

    @property
    def ip(self) -> IpAddress:
        """The address."""
        return ipaddress.ip_address(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether it can be reached from its own machine only."""
        return self.ip.is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _split(text: str, default_port: int) -> tuple[str, int]:
    host, port = text, str(default_port)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InvalidAddress(address=text, problem=N_("write [IPv6]:PORT"))
        port = rest[1:] if rest else port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host:
        raise InvalidAddress(address=text, problem=N_("the host is missing"))
    if not (port.isascii() and port.isdigit() and len(port) <= 5):
        raise InvalidAddress(address=text, problem=N_("the port is not 0 to 65535"))
    return host, int(port)


def parse_networks(texts: Sequence[str]) -> tuple[IpNetwork, ...]:
    """The networks of a list such as ``["10.0.0.0/8", "192.168.1.7"]``.

    Raises:
        InvalidAddress: one of them is not a network.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise InvalidAddress(address=text, problem=N_("not an IP network")) from error
    return tuple(networks)


def is_peer_address(address: IpAddress) -> bool:
    """Whether a peer could be there at all: not unspecified, multicast, link-local or reserved."""
    return not (
        address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or (address.version == 4 and (address.is_reserved or address in _THIS_NETWORK))
    )


def tracker_may_dial(
    address: IpAddress, seen_from: IpAddress, allowed: Sequence[IpNetwork] = ()
) -> bool:
    """Whether a tracker may dial an address that a caller registered.

    Args:
        address: what was registered.
        seen_from: where the call came from.
        allowed: the ranges that the operator allows besides.
    """
    return is_peer_address(address) and (
        address == seen_from or any(address in network for network in allowed)
    )


def source_is_for(source: IpAddress, caller: IpAddress) -> bool:
    """Whether a source at that address may be offered to, or used by, that caller."""
    return is_peer_address(source) and (caller.is_loopback or not source.is_loopback)
