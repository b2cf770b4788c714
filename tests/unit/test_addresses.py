"""Addresses: what is taken, in which form, and who may dial what."""

import ipaddress
import socket
from typing import Any

import pytest

from videoteca_core.addresses import (
    Endpoint,
    ip_address,
    is_peer_address,
    parse_networks,
    source_is_for,
    tracker_may_dial,
)
from videoteca_core.errors import InvalidAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.7", "192.0.2.7", 1025),
        ("192.0.2.7:80", "192.0.2.7", 80),
        ("192.0.2.7:0", "192.0.2.7", 0),
        ("192.0.2.7:00080", "192.0.2.7", 80),
        ("192.0.2.7:65535", "192.0.2.7", 65535),
        ("2001:DB8::1", "2001:db8::1", 1025),
        ("[2001:db8::1]", "2001:db8::1", 1025),
        ("[2001:db8::1]:80", "2001:db8::1", 80),
        ("::ffff:192.0.2.7", "192.0.2.7", 1025),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7", 80),
        ("::", "::", 1025),
    ],
)
def test_what_a_person_types_is_understood(text: str, host: str, port: int) -> None:
    assert Endpoint.resolve(text, 1025) == Endpoint(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "[]:80",
        "192.0.2.7:",
        "192.0.2.7:65536",
        "192.0.2.7:-1",
        "192.0.2.7:+1",
        "192.0.2.7:1e3",
        "192.0.2.7:\u0661",
        "192.0.2.7:" + "9" * 5_000,
        "[2001:db8::1",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "2001:db8::1::2",
        "fe80::1%eth0",
        "[fe80::1%eth0]:80",
        "a..b:80",
        "a" * 300,
        "a\0b",
        "\udc80",
        "unix:/tmp/socket",
        "dns:///example.invalid",
        "ana.example.invalid:70000",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        Endpoint.resolve(text, 1025)


def test_a_host_name_is_resolved_once_ipv4_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", port, 0, 2)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert Endpoint.resolve("ana.example:80", 1025) == Endpoint("192.0.2.7", 80)
    assert asked == ["ana.example"]


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(InvalidAddress) as caught:
        Endpoint.resolve("ana.example", 1025)
    assert "resolved" in str(caught.value)


def test_localhost_is_known_everywhere() -> None:
    assert Endpoint.resolve("localhost:1030", 1025) == Endpoint("127.0.0.1", 1030)


@pytest.mark.parametrize("port", [-1, 65_536, 1 << 31])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(InvalidAddress):
        Endpoint.of("192.0.2.7", port)


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    assert str(Endpoint("2001:db8::1", 80)) == "[2001:db8::1]:80"
    assert str(Endpoint("192.0.2.7", 80)) == "192.0.2.7:80"


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"]
)
def test_loopback_is_known_in_every_form(text: str) -> None:
    assert Endpoint.of(text, 80).is_loopback


FORBIDDEN = [
    "0.0.0.0",
    "0.0.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "169.254.0.1",
    "::",
    "ff02::1",
    "ff0e::1",
    "fe80::1",
    "febf::1",
    "::ffff:0.0.0.0",
    "::ffff:169.254.0.1",
    "::ffff:224.0.0.1",
]
ORDINARY = ["10.1.2.3", "192.168.1.7", "100.64.0.1", "127.0.0.1", "2001:db8::1", "fd00::7", "::1"]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_some_addresses_are_dialled_by_nobody(text: str) -> None:
    address = ip_address(text)
    everything = parse_networks(["0.0.0.0/0", "::/0"])
    assert not is_peer_address(address)
    assert not tracker_may_dial(address, seen_from=address, allowed=everything)
    assert not source_is_for(address, caller=ip_address("127.0.0.1"))


@pytest.mark.parametrize("text", ORDINARY)
def test_a_tracker_dials_back_where_the_call_came_from(text: str) -> None:
    assert tracker_may_dial(ip_address(text), seen_from=ip_address(text))
    assert not tracker_may_dial(ip_address(text), seen_from=ip_address("198.51.100.1"))


def test_an_operator_can_allow_more() -> None:
    allowed = parse_networks(["10.0.0.0/8", "2001:db8::/32", "192.168.1.7"])
    seen = ip_address("198.51.100.1")
    for text in ("10.9.9.9", "2001:db8::9", "192.168.1.7"):
        assert tracker_may_dial(ip_address(text), seen, allowed)
    for text in ("11.0.0.1", "2001:db9::1", "192.168.1.8", "127.0.0.1"):
        assert not tracker_may_dial(ip_address(text), seen, allowed)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "ana", "", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_networks([text])


def test_a_source_on_loopback_is_for_its_own_machine() -> None:
    for source in map(ip_address, ("127.0.0.1", "::1", "::ffff:127.0.0.1")):
        assert source_is_for(source, caller=ip_address("127.0.0.1"))
        assert source_is_for(source, caller=ip_address("::1"))
        assert not source_is_for(source, caller=ip_address("192.168.1.7"))
    assert source_is_for(ip_address("192.168.1.7"), caller=ip_address("192.168.1.8"))


def test_an_endpoint_knows_its_address() -> None:
    assert Endpoint("2001:db8::1", 80).ip == ipaddress.ip_address("2001:db8::1")
