"""What a tracker shows and answers to grpcurl and to buf curl."""

import base64

import pytest

from tests.interop.probes import Grpcurl, Probe, Refused
from videoteca_core.addresses import Endpoint
from videoteca_core.manifest import Manifest, digest

TRACKER = "videoteca.v1.Tracker"
RPCS = {"Register", "Publish", "Withdraw", "Leave", "Info", "Locate"}


def registered(probe: Probe, tracker: Endpoint, name: str = "ana") -> str:
    """Register without a token and return the one that is answered."""
    (answer,) = probe.call(tracker, f"{TRACKER}/Register", {"name": name})
    return str(answer["token"])


def test_a_tracker_lists_its_services(tracker: Endpoint, reflecting: Probe) -> None:
    assert reflecting.services(tracker) == {
        TRACKER,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert reflecting.methods(tracker, TRACKER) == RPCS


def test_grpcurl_describes_service_and_messages(tracker: Endpoint) -> None:
    service = Grpcurl().describe(tracker, TRACKER)
    for rpc in RPCS:
        assert f"rpc {rpc} ( .videoteca.v1.{rpc}Request )" in service
    holding = Grpcurl().describe(tracker, "videoteca.v1.Holding")
    assert "int64 size_bytes = 3;" in holding
    assert ".videoteca.v1.HoldingState state = 5;" in holding


def test_a_tracker_says_that_it_is_healthy(tracker: Endpoint, reflecting: Probe) -> None:
    for service in ("", TRACKER):
        request = {"service": service}
        assert reflecting.call(tracker, "grpc.health.v1.Health/Check", request) == [
            {"status": "SERVING"}
        ]


def test_register_without_a_token_answers_one(tracker: Endpoint, probe: Probe) -> None:
    (answer,) = probe.call(tracker, f"{TRACKER}/Register", {"name": "ana"})
    assert len(bytes.fromhex(answer["token"])) == 32
    assert len(bytes.fromhex(answer["peer_id"])) == 16
    assert len(bytes.fromhex(answer["tracker_id"])) == 16
    assert base64.b64decode(answer["holdings_digest"]) == bytes(32)
    assert answer["lease_seconds"] == 60
    assert answer["reachability"] == "REACHABILITY_NOT_SERVING"
    assert "endpoint" not in answer

    (again,) = probe.call(tracker, f"{TRACKER}/Register", {"name": "ana"}, answer["token"])
    assert again["peer_id"] == answer["peer_id"]
    assert "token" not in again


def test_a_video_can_be_published_found_and_withdrawn(tracker: Endpoint, probe: Probe) -> None:
    token = registered(probe, tracker)
    manifest = Manifest(5, digest(b"12345"))
    holding = {
        "name": "Canción.mp4",
        "video_id": manifest.video_id,
        "size_bytes": "5",
        "pieces_root": base64.b64encode(manifest.pieces_root).decode(),
    }
    (published,) = probe.call(tracker, f"{TRACKER}/Publish", {"holdings": [holding]}, token)
    assert base64.b64decode(published["holdings_digest"]) != bytes(32)

    (page,) = probe.call(tracker, f"{TRACKER}/Info", {"query": "CANCION"}, token)
    assert page == {
        "videos": [
            {
                "name": "Canción.mp4",
                "video_id": manifest.video_id,
                "size_bytes": "5",
                "holders": 1,
            }
        ]
    }

    for query in ({"name": "Canción.mp4"}, {"video_id": manifest.video_id[:8]}):
        (answer,) = probe.call(tracker, f"{TRACKER}/Locate", query, token)
        (video,) = answer["videos"]
        assert video["video_id"] == manifest.video_id
        assert video["owners"] == ["ana"]
        assert "sources" not in video  # ana serves nothing

    (withdrawn,) = probe.call(tracker, f"{TRACKER}/Withdraw", {"names": ["Canción.mp4"]}, token)
    assert base64.b64decode(withdrawn["holdings_digest"]) == bytes(32)
    assert probe.call(tracker, f"{TRACKER}/Leave", {}, token) == [{}]


@pytest.mark.parametrize(
    ("method", "request_", "refusal"),
    [
        ("Register", {"name": "../up"}, ("invalidargument", "INVALID_NAME")),
        ("Register", {"name": "eva", "host": "x"}, ("invalidargument", "INVALID_ADDRESS")),
        ("Register", {"name": "eva", "port": -1}, ("invalidargument", "INVALID_ADDRESS")),
        ("Register", {"name": "ana"}, ("alreadyexists", "NAME_TAKEN")),
        (
            "Register",
            {"name": "eva", "tracker_id": "0" * 32},
            ("failedprecondition", "OTHER_TRACKER"),
        ),
        ("Publish", {}, ("unauthenticated", "NOT_REGISTERED")),
        ("Withdraw", {}, ("unauthenticated", "NOT_REGISTERED")),
        ("Leave", {}, ("unauthenticated", "NOT_REGISTERED")),
        ("Info", {}, ("unauthenticated", "NOT_REGISTERED")),
        ("Locate", {"name": "clip.mp4"}, ("unauthenticated", "NOT_REGISTERED")),
    ],
)
def test_an_error_shows_its_reason(
    tracker: Endpoint,
    probe: Probe,
    method: str,
    request_: dict[str, object],
    refusal: tuple[str, str],
) -> None:
    registered(probe, tracker, "ana")
    with pytest.raises(Refused) as caught:
        probe.call(tracker, f"{TRACKER}/{method}", request_)
    assert (caught.value.code, caught.value.reason) == refusal


@pytest.mark.parametrize(
    ("method", "request_", "refusal"),
    [
        ("Locate", {"name": "clip.mp4"}, ("notfound", "VIDEO_UNKNOWN")),
        ("Locate", {"video_id": "0" * 64}, ("notfound", "VIDEO_UNKNOWN")),
        ("Locate", {"video_id": "0" * 7}, ("invalidargument", "INVALID_VIDEO_ID")),
        ("Locate", {}, ("invalidargument", "INVALID_REQUEST")),
        ("Info", {"page_size": 1_001}, ("invalidargument", "INVALID_REQUEST")),
        ("Info", {"page_size": -1}, ("invalidargument", "INVALID_REQUEST")),
        ("Info", {"page_token": "?"}, ("invalidargument", "INVALID_PAGE_TOKEN")),
        ("Publish", {"holdings": [{}] * 1_001}, ("invalidargument", "TOO_MANY")),
        ("Publish", {"holdings": [{"name": "x"}]}, ("invalidargument", "INVALID_VIDEO_ID")),
        (
            "Publish",
            {
                "holdings": [
                    {
                        "name": "x",
                        "video_id": "0" * 64,
                        "pieces_root": base64.b64encode(bytes(32)).decode(),
                    }
                ]
            },
            ("invalidargument", "ID_MISMATCH"),
        ),
    ],
)
def test_an_error_shows_its_reason_to_who_is_registered(
    tracker: Endpoint, method: str, request_: dict[str, object], refusal: tuple[str, str]
) -> None:
    probe = Grpcurl()
    token = registered(probe, tracker)
    with pytest.raises(Refused) as caught:
        probe.call(tracker, f"{TRACKER}/{method}", request_, token)
    assert (caught.value.code, caught.value.reason) == refusal
