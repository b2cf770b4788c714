"""A tracker believes an address only once the peer that registered it has answered there."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.clock import Clock
from tests.fakes.identify import Answer, IdentifyServer, truthful
from tests.holdings import holding
from tests.servers import in_thread, running_tracker
from tests.waiting import eventually
from tracker_service import dialback
from tracker_service.client import TrackerClient
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Lease, Reachability, Registration, Source, VideoQuery
from videoteca_core.identity import new_token

KEY = b"k" * 32
VIDEO = holding("a.mp4")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracker(tmp_path: Path, clock: Clock) -> Iterator[Endpoint]:
    with running_tracker(tmp_path, clock=clock) as endpoint:
        yield endpoint


@pytest.fixture
def client(tracker: Endpoint) -> Iterator[TrackerClient]:
    with TrackerClient(tracker, new_token()) as client:
        yield client


def at(port: int, host: str = "", key: bytes = KEY) -> Registration:
    return Registration("ana", host=host, port=port, instance_key=key)


def found(client: TrackerClient, registration: Registration) -> Lease:
    """The lease once the dial is over."""
    client.register(registration)

    def settled() -> Lease | None:
        lease = client.register(registration)
        return None if lease.reachability is Reachability.PENDING else lease

    lease = eventually(settled)
    assert lease
    return lease


def sources(client: TrackerClient) -> tuple[Source, ...]:
    client.publish([VIDEO])
    (video,) = client.locate(VideoQuery(name=VIDEO.name))
    return video.sources


def test_a_peer_that_proves_itself_is_offered(client: TrackerClient) -> None:
    peer = IdentifyServer(truthful(KEY))
    with in_thread(peer) as endpoint:
        lease = found(client, at(endpoint.port))
        assert lease.reachability is Reachability.PROVED
        assert lease.endpoint == endpoint
        (source,) = sources(client)
        assert (source.peer_name, source.endpoints) == ("ana", (endpoint,))
        assert client.info().videos[0].online == 1
        (asked,) = peer.asked
        assert len(asked.challenge) == 32
        assert (asked.name, asked.endpoint.host, asked.endpoint.port) == (
            "ana",
            "127.0.0.1",
            endpoint.port,
        )


def test_an_ipv4_address_written_as_ipv6_is_the_same_address(client: TrackerClient) -> None:
    with in_thread(IdentifyServer(truthful(KEY))) as endpoint:
        lease = found(client, at(endpoint.port, host="::ffff:127.0.0.1"))
        assert (lease.reachability, lease.endpoint) == (Reachability.PROVED, endpoint)


@pytest.mark.parametrize(
    "answer",
    [
        truthful(b"j" * 32),
        lambda _: b"",
        lambda request: request.challenge,
        lambda _: bytes(1 << 20),
    ],
)
def test_whoever_answers_without_the_key_proves_nothing(
    client: TrackerClient, answer: Answer
) -> None:
    with in_thread(IdentifyServer(answer)) as endpoint:
        assert found(client, at(endpoint.port)).reachability is Reachability.UNREACHABLE
        assert sources(client) == ()


def test_a_proof_for_another_address_proves_nothing(client: TrackerClient) -> None:
    """Whoever passes the challenge on to the true peer does not get its proof."""
    truth = truthful(KEY)

    def passed_on(request: pb.IdentifyRequest) -> bytes:
        elsewhere = pb.Endpoint(host=request.endpoint.host, port=1030)
        return truth(
            pb.IdentifyRequest(challenge=request.challenge, name=request.name, endpoint=elsewhere)
        )

    with in_thread(IdentifyServer(passed_on)) as endpoint:
        assert found(client, at(endpoint.port)).reachability is Reachability.UNREACHABLE


def test_nobody_there_is_found_out_and_dialled_again_a_minute_later(
    client: TrackerClient, clock: Clock
) -> None:
    peer = IdentifyServer(truthful(KEY))
    with in_thread(peer) as endpoint:
        pass  # its port is free again
    assert found(client, at(endpoint.port)).reachability is Reachability.UNREACHABLE
    peer = IdentifyServer(truthful(KEY), port=endpoint.port)
    with in_thread(peer):
        clock.advance(59)
        assert client.register(at(endpoint.port)).reachability is Reachability.UNREACHABLE
        assert peer.asked == []
        clock.advance(1)
        eventually(lambda: client.register(at(endpoint.port)).reachability is Reachability.PROVED)
        assert len(peer.asked) == 1


def test_who_never_answers_is_given_up(
    client: TrackerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialback, "DEADLINE_SECONDS", 0.2)
    with in_thread(IdentifyServer(truthful(KEY), seconds=30)) as endpoint:
        assert found(client, at(endpoint.port)).reachability is Reachability.UNREACHABLE


def test_an_address_that_the_caller_does_not_call_from_is_not_dialled(
    client: TrackerClient,
) -> None:
    peer = IdentifyServer(truthful(KEY), "127.0.0.2")
    with in_thread(peer) as endpoint:
        lease = client.register(at(endpoint.port, host="127.0.0.2"))
        assert lease.reachability is Reachability.UNREACHABLE
        assert sources(client) == ()
        assert peer.asked == []


def test_loopback_is_not_dialled_for_a_caller_from_elsewhere(tmp_path: Path) -> None:
    peer = IdentifyServer(truthful(KEY))
    with (
        in_thread(peer) as endpoint,
        running_tracker(tmp_path, listen=Endpoint("::1", 0)) as tracker,
        TrackerClient(tracker, new_token()) as client,
    ):
        for host in ("127.0.0.1", "::ffff:127.0.0.1"):
            lease = client.register(at(endpoint.port, host=host))
            assert lease.reachability is Reachability.UNREACHABLE
        assert peer.asked == []


def test_an_address_that_the_operator_allows_is_dialled(tmp_path: Path) -> None:
    options = {"dialable": (ip_network("127.0.0.2/32"),)}
    with (
        in_thread(IdentifyServer(truthful(KEY), "127.0.0.2")) as endpoint,
        running_tracker(tmp_path, **options) as tracker,
        TrackerClient(tracker, new_token()) as client,
    ):
        lease = found(client, at(endpoint.port, host="127.0.0.2"))
        assert (lease.reachability, lease.endpoint) == (Reachability.PROVED, endpoint)


def test_a_new_start_of_a_peer_is_proved_anew(client: TrackerClient, clock: Clock) -> None:
    first = IdentifyServer(truthful(KEY))
    with in_thread(first) as endpoint:
        found(client, at(endpoint.port))
        assert sources(client)
    restarted = at(endpoint.port, key=b"o" * 32)
    assert client.register(restarted).reachability is Reachability.PENDING
    assert sources(client) == ()
    assert found(client, restarted).reachability is Reachability.UNREACHABLE
    with in_thread(IdentifyServer(truthful(b"o" * 32), port=endpoint.port)):
        clock.advance(60)
        eventually(lambda: client.register(restarted).reachability is Reachability.PROVED)
        assert sources(client)


def test_what_was_pending_at_a_restart_is_dialled_at_the_next_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token()
    peer = IdentifyServer(truthful(KEY))
    with in_thread(peer) as endpoint:
        with monkeypatch.context() as patched:
            patched.setattr(dialback.DialBack, "start", lambda *_: None)
            with running_tracker(tmp_path) as tracker, TrackerClient(tracker, token) as client:
                lease = client.register(at(endpoint.port))
                assert lease.reachability is Reachability.PENDING
        with running_tracker(tmp_path) as tracker, TrackerClient(tracker, token) as client:
            assert found(client, at(endpoint.port)).reachability is Reachability.PROVED
            assert len(peer.asked) == 1
