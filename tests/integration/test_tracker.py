"""A real tracker over real gRPC: what is asked, what is answered, and what outlives a restart."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from tests.clock import Clock
from tests.holdings import holding
from tests.servers import LOOPBACK, run_in_thread, running_tracker
from tests.waiting import eventually
from tracker_service import server
from tracker_service.client import TrackerClient
from tracker_service.legacy import import_clients
from tracker_service.server import TrackerConfig, TrackerServer
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1 import videoteca_pb2_grpc as pb_grpc
from videoteca_core import errors
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Reachability, Registration, VideoQuery, holdings_digest
from videoteca_core.identity import new_token
from videoteca_core.rpc.channel import bearer, blocking_channel
from videoteca_core.rpc.wire import holding_to_wire

TOKEN = new_token()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracker(tmp_path: Path, clock: Clock) -> Iterator[Endpoint]:
    with running_tracker(tmp_path, clock=clock) as endpoint:
        yield endpoint


@pytest.fixture
def client(tracker: Endpoint) -> Iterator[TrackerClient]:
    with TrackerClient(tracker, TOKEN) as client:
        client.register(Registration("ana"))
        yield client


@pytest.fixture
def stub(tracker: Endpoint) -> Iterator[pb_grpc.TrackerStub]:
    with blocking_channel(tracker) as channel:
        yield pb_grpc.TrackerStub(channel)


# --- The main job


def test_a_peer_registers_publishes_and_is_asked_for_what_it_has(client: TrackerClient) -> None:
    holdings = [holding("clip.mp4"), holding("Año nuevo.mkv", size=0)]
    assert client.publish(holdings) == holdings_digest(holdings)
    page = client.info()
    assert [(video.name, video.size_bytes) for video in page.videos] == [
        ("Año nuevo.mkv", 0),
        ("clip.mp4", 10),
    ]
    assert page.next_page_token == ""
    (video,) = client.locate(VideoQuery(video_id=holdings[0].video_id[:8]))
    assert (video.name, video.video_id, video.owners) == (
        "clip.mp4",
        holdings[0].video_id,
        ("ana",),
    )
    assert client.withdraw(["clip.mp4"]) == holdings_digest(holdings[1:])
    client.leave()


def test_a_token_is_given_to_who_has_none_and_used_from_then_on(tracker: Endpoint) -> None:
    with TrackerClient(tracker) as client:
        lease = client.register(Registration("ana"))
        assert len(lease.token) == 64
        assert client.register(Registration("ana")).peer_id == lease.peer_id
    with TrackerClient(tracker, lease.token) as client:
        assert client.register(Registration("ana")).token == ""


def test_more_than_one_call_holds_is_sent_in_several(client: TrackerClient) -> None:
    many = [holding(f"{number:05}.mp4") for number in range(2_500)]
    client.publish([holding("old.mp4")])
    assert client.publish(many, replaces_all=True) == holdings_digest(many)
    assert len(list(client.all_videos())) == 2_500
    assert len(list(client.all_videos("0249"))) == 11
    rest = client.withdraw([one.name for one in many[:2_400]])
    assert rest == holdings_digest(many[2_400:])
    client.publish([], replaces_all=True)
    assert list(client.all_videos()) == []


def test_pages_show_each_video_once_while_others_publish(
    tracker: Endpoint, client: TrackerClient
) -> None:
    client.publish([holding(f"{number:04}.mp4") for number in range(300)])

    def publish_on(peer: int) -> None:
        with TrackerClient(tracker, new_token()) as other:
            other.register(Registration(f"peer {peer}"))
            for number in range(0, 300, 10):
                other.publish([holding(f"{number:04} by {peer}.mp4")])
                other.withdraw([f"{number:04} by {peer}.mp4"])

    with ThreadPoolExecutor(3) as others:
        publishing = [others.submit(publish_on, peer) for peer in range(3)]
        for _ in range(3):
            names, page_token = [], ""
            while True:
                page = client.info(page_size=7, page_token=page_token)
                names += [video.name for video in page.videos]
                page_token = page.next_page_token
                if not page_token:
                    break
            assert names == sorted(set(names))
            assert {name for name in names if "by" not in name} == {
                f"{number:04}.mp4" for number in range(300)
            }
        for one in publishing:
            one.result()


def test_many_callers_at_once_all_get_what_they_did(tracker: Endpoint) -> None:
    def work(number: int) -> bool:
        mine = [holding(f"{number}-{index}.mp4") for index in range(5)]
        with TrackerClient(tracker, new_token()) as client:
            client.register(Registration(f"peer {number}"))
            for one in mine:
                digest = client.publish([one])
        return digest == holdings_digest(mine)

    with ThreadPoolExecutor(16) as callers:
        assert all(callers.map(work, range(32)))
    with TrackerClient(tracker, new_token()) as client:
        client.register(Registration("reader"))
        assert len(client.info(page_size=1_000).videos) == 160


def test_a_name_goes_to_one_of_those_who_ask_at_once(tracker: Endpoint) -> None:
    def ask(_: int) -> bool:
        with TrackerClient(tracker, new_token()) as client:
            try:
                client.register(Registration("ana"))
            except errors.NameTaken:
                return False
            return True

    with ThreadPoolExecutor(8) as callers:
        assert sum(callers.map(ask, range(8))) == 1


# --- What every error looks like


def register(**fields: Any) -> Callable[[pb_grpc.TrackerStub], Any]:
    token = fields.pop("token", new_token())
    request = pb.RegisterRequest(**{"name": "eva"} | fields)
    return lambda stub: stub.Register(request, metadata=bearer(token))


def publish(*holdings: pb.Holding, token: str = TOKEN) -> Callable[[pb_grpc.TrackerStub], Any]:
    request = pb.PublishRequest(holdings=holdings)
    return lambda stub: stub.Publish(request, metadata=bearer(token))


def withdraw(*names: str, token: str = TOKEN) -> Callable[[pb_grpc.TrackerStub], Any]:
    return lambda stub: stub.Withdraw(pb.WithdrawRequest(names=names), metadata=bearer(token))


def leave(token: str = TOKEN) -> Callable[[pb_grpc.TrackerStub], Any]:
    return lambda stub: stub.Leave(pb.LeaveRequest(), metadata=bearer(token))


def info(token: str = TOKEN, **fields: Any) -> Callable[[pb_grpc.TrackerStub], Any]:
    return lambda stub: stub.Info(pb.InfoRequest(**fields), metadata=bearer(token))


def locate(token: str = TOKEN, **fields: Any) -> Callable[[pb_grpc.TrackerStub], Any]:
    return lambda stub: stub.Locate(pb.LocateRequest(**fields), metadata=bearer(token))


GOOD = holding_to_wire(holding("a.mp4"))
LIE = holding_to_wire(replace(holding("a.mp4"), size_bytes=11))
OTHER_STATE = pb.Holding(name="a", state=9)  # type: ignore[arg-type] # a later version's
LONG = "x" * 241

REFUSED = [
    (register(name="../x"), "INVALID_ARGUMENT", "INVALID_NAME", "BadRequest"),
    (register(name=""), "INVALID_ARGUMENT", "INVALID_NAME", "BadRequest"),
    (register(name="a\x1b[31m"), "INVALID_ARGUMENT", "INVALID_NAME", "BadRequest"),
    (register(host="home", port=1), "INVALID_ARGUMENT", "INVALID_ADDRESS", "BadRequest"),
    (register(host="0.0.0.0", port=1), "INVALID_ARGUMENT", "INVALID_ADDRESS", "BadRequest"),
    (register(port=-1), "INVALID_ARGUMENT", "INVALID_ADDRESS", "BadRequest"),
    (register(instance_key=b"x"), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (register(token="secret"), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (register(name="ana"), "ALREADY_EXISTS", "NAME_TAKEN", "ResourceInfo"),
    (register(name="ana", token=""), "ALREADY_EXISTS", "NAME_TAKEN", "ResourceInfo"),
    (register(tracker_id="0" * 32), "FAILED_PRECONDITION", "OTHER_TRACKER", None),
    (register(name="imported"), "PERMISSION_DENIED", "CLAIM_REFUSED", None),
    (publish(GOOD, token=""), "UNAUTHENTICATED", "NOT_REGISTERED", None),
    (publish(GOOD, token=new_token()), "UNAUTHENTICATED", "NOT_REGISTERED", None),
    (publish(*[GOOD] * 1_001), "INVALID_ARGUMENT", "TOO_MANY", "BadRequest"),
    (publish(*[GOOD] * 10_000), "INVALID_ARGUMENT", "TOO_MANY", "BadRequest"),
    (publish(GOOD, GOOD), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (publish(LIE), "INVALID_ARGUMENT", "ID_MISMATCH", "BadRequest"),
    (publish(OTHER_STATE), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (publish(pb.Holding(name="a")), "INVALID_ARGUMENT", "INVALID_VIDEO_ID", "BadRequest"),
    (publish(pb.Holding(name="a/b")), "INVALID_ARGUMENT", "INVALID_NAME", "BadRequest"),
    (withdraw("a", token=""), "UNAUTHENTICATED", "NOT_REGISTERED", None),
    (withdraw(*["a"] * 1_001), "INVALID_ARGUMENT", "TOO_MANY", "BadRequest"),
    (withdraw("a/b"), "INVALID_ARGUMENT", "INVALID_NAME", "BadRequest"),
    (leave(token=""), "UNAUTHENTICATED", "NOT_REGISTERED", None),
    (info(token=""), "UNAUTHENTICATED", "NOT_REGISTERED", None),
    (info(page_size=-1), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (info(page_size=2**31 - 1), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (info(query=LONG), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (info(page_token="zzz"), "INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", "BadRequest"),
    (locate(token="", name="a"), "UNAUTHENTICATED", "NOT_REGISTERED", None),
    (locate(), "INVALID_ARGUMENT", "INVALID_REQUEST", "BadRequest"),
    (locate(name="a/b"), "INVALID_ARGUMENT", "INVALID_NAME", "BadRequest"),
    (locate(name="a", owner="a/b"), "INVALID_ARGUMENT", "INVALID_NAME", "BadRequest"),
    (locate(video_id="1234567"), "INVALID_ARGUMENT", "INVALID_VIDEO_ID", "BadRequest"),
    (locate(name="unknown"), "NOT_FOUND", "VIDEO_UNKNOWN", "ResourceInfo"),
    (locate(video_id="0" * 64), "NOT_FOUND", "VIDEO_UNKNOWN", "ResourceInfo"),
]


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pb_grpc.TrackerStub]:
    """A stub of a tracker where ana is registered and a name was imported."""
    folder = tmp_path_factory.mktemp("refusing")
    old = folder / "bd_clientes.txt"
    old.write_text("1\nimported 10.0.0.7 1030 0\n")
    import_clients(folder / "tracker.db", old)
    with running_tracker(folder) as tracker, blocking_channel(tracker) as channel:
        with TrackerClient(tracker, TOKEN) as client:
            client.register(Registration("ana"))
        yield pb_grpc.TrackerStub(channel)


@pytest.mark.parametrize(("call", "code", "reason", "detail"), REFUSED)
def test_an_error_has_its_code_its_reason_and_its_details(
    refusing: pb_grpc.TrackerStub,
    call: Callable[[pb_grpc.TrackerStub], Any],
    code: str,
    reason: str,
    detail: str | None,
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(refusing)
    error: Any = caught.value  # an RpcError that a stub raises is a grpc.Call too
    assert error.code().name == code
    status = rpc_status.from_call(error)
    assert status
    assert status.message.endswith(".")
    kinds = [one.TypeName().rpartition(".")[2] for one in status.details]
    assert kinds == ["ErrorInfo", *([detail] if detail else [])]
    told = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(told)
    assert (told.reason, told.domain) == (reason, "videoteca")
    assert "\x1b" not in status.message


def test_the_client_raises_what_the_tracker_answered(client: TrackerClient) -> None:
    with pytest.raises(errors.VideoUnknown) as caught:
        client.locate(VideoQuery(name="nothing", owner="ana"))
    assert str(caught.value) == "There is no video 'ana/nothing'."


def test_no_tracker_there_is_an_error_that_says_where() -> None:
    with (
        TrackerClient(Endpoint("127.0.0.1", 9), timeout_seconds=5) as client,
        pytest.raises(errors.Unreachable, match=r"No tracker answers at 127\.0\.0\.1:9"),
    ):
        client.register(Registration("ana"))


def test_messages_of_nonsense_are_refused(tracker: Endpoint, client: TrackerClient) -> None:
    with blocking_channel(tracker) as channel:
        call = channel.unary_unary(
            "/videoteca.v1.Tracker/Publish",
            request_serializer=lambda raw: raw,
            response_deserializer=lambda raw: raw,
        )
        with pytest.raises(grpc.RpcError):
            call(b"\xff" * 1_000, metadata=bearer(TOKEN))
        with pytest.raises(grpc.RpcError):
            call(bytes(5 << 20), metadata=bearer(TOKEN))
    assert client.info().videos == ()


# --- Time, restarts and files


def test_a_lease_expires_by_the_clock(client: TrackerClient, clock: Clock) -> None:
    lease = client.register(Registration("ana", port=1030))
    assert lease.seconds == 60
    assert lease.reachability is Reachability.UNREACHABLE  # it gave no key to be proved by
    client.publish([holding("a.mp4")])
    clock.advance(10_000)
    (video,) = client.locate(VideoQuery(name="a.mp4"))
    assert (video.sources, video.holders) == ((), 1)


def test_who_is_lost_and_a_call_that_breaks_off_are_logged(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WATCH_SECONDS", 0.05)
    with (
        structlog.testing.capture_logs() as log,
        running_tracker(tmp_path, clock=clock) as tracker,
        TrackerClient(tracker, TOKEN, timeout_seconds=0.5) as ana,
        TrackerClient(tracker) as eva,
    ):

        def logged(**fields: str) -> bool:
            return any(fields.items() <= entry.items() for entry in log)

        ana.register(Registration("ana"))
        eva.register(Registration("eva"))
        eva.leave()
        with closing(sqlite3.connect(tmp_path / "tracker.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # the tracker can't write meanwhile
            with pytest.raises(errors.Unreachable):
                ana.publish([holding("a.mp4")])
        eventually(lambda: logged(event="connection lost", call="Publish"))
        assert not logged(event="connection lost", peer="ana")
        clock.advance(60)
        eventually(lambda: logged(event="connection lost", peer="ana"))
        assert not logged(event="connection lost", peer="eva")
        assert logged(event="left", peer="eva")


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    many = [holding(f"{number}.mp4") for number in range(20)]
    with running_tracker(tmp_path) as tracker, TrackerClient(tracker, TOKEN) as client:
        before = client.register(Registration("ana"))
        digest = client.publish(many)
        listed = client.info()
    with running_tracker(tmp_path) as tracker, TrackerClient(tracker, TOKEN) as client:
        assert client.info() == listed
        after = client.register(Registration("ana", tracker_id=before.tracker_id))
        assert after == replace(before, holdings_digest=digest)


def answers(client: TrackerClient) -> bool:
    try:
        client.info()
    except errors.Unreachable:
        return False
    return True


def test_a_client_finds_a_tracker_that_came_back(tmp_path: Path) -> None:
    with running_tracker(tmp_path) as tracker:
        client = TrackerClient(tracker, TOKEN)
        client.register(Registration("ana"))
    with client:
        with pytest.raises(errors.Unreachable):
            client.info()
        with running_tracker(tmp_path, listen=tracker):
            eventually(lambda: answers(client))


def test_a_database_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "tracker.db"
    path.write_text("not a database, whatever its name says")
    with pytest.raises(errors.DatabaseForeign):
        run_in_thread(TrackerServer(TrackerConfig(LOOPBACK, path)).start())


def test_a_port_in_use_is_named(tmp_path: Path, tracker: Endpoint) -> None:
    config = TrackerConfig(tracker, tmp_path / "other.db")
    with pytest.raises(errors.PortInUse, match=f"{tracker} is in use"):
        run_in_thread(TrackerServer(config).start())


# --- Probing


def test_reflection_and_health_show_the_service(tracker: Endpoint) -> None:
    with blocking_channel(tracker) as channel:
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
        assert {"videoteca.v1.Tracker", "grpc.health.v1.Health"} <= services
        health: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="videoteca.v1.Tracker")
        assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING
