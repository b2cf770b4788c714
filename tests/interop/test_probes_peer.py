"""What a peer shows and answers to grpcurl and to buf curl."""

import base64
from itertools import pairwise

import pytest

from tests.interop.conftest import MIB, VIDEOS, Group
from tests.interop.probes import Answer, Grpcurl, Probe, Refused
from videoteca_core.manifest import Manifest

PEER = "videoteca.v1.Peer"
CLIP = VIDEOS["clip"]


def content_of(answers: list[Answer]) -> bytes:
    return b"".join(base64.b64decode(answer["chunk"]) for answer in answers)


def test_a_peer_lists_its_public_service_only(group: Group, reflecting: Probe) -> None:
    assert reflecting.services(group.ana.endpoint) == {
        PEER,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert reflecting.methods(group.ana.endpoint, PEER) == {
        "FetchVideo",
        "GetManifest",
        "Identify",
        "WatchPieces",
    }


def test_grpcurl_describes_the_service(group: Group) -> None:
    assert (
        "rpc FetchVideo ( .videoteca.v1.FetchVideoRequest )"
        " returns ( stream .videoteca.v1.FetchVideoResponse );"
    ) in Grpcurl().describe(group.ana.endpoint, PEER)


def test_a_peer_says_that_it_is_healthy(group: Group, reflecting: Probe) -> None:
    for service in ("", PEER):
        request = {"service": service}
        assert reflecting.call(group.ana.endpoint, "grpc.health.v1.Health/Check", request) == [
            {"status": "SERVING"}
        ]


def test_fetch_by_name_streams_a_header_and_chunks(group: Group, probe: Probe) -> None:
    header, *chunks = probe.call(group.ana.endpoint, f"{PEER}/FetchVideo", {"name": "clip.mp4"})
    assert header == {
        "header": {
            "size_bytes": str(len(CLIP)),
            "video_id": group.ana.holding("clip.mp4").video_id,
            "piece_size_bytes": str(MIB),
            "granted_bytes": str(len(CLIP)),
        }
    }
    assert len(chunks) == 6
    assert content_of(chunks) == CLIP


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (0, 1), (MIB - 1, 2), (MIB, 2 * MIB), (5 * MIB, 100), (len(CLIP), 1), (3, None)],
)
def test_fetch_by_id_streams_a_range(group: Group, offset: int, length: int | None) -> None:
    request: Answer = {
        "video_id": group.ana.holding("clip.mp4").video_id,
        "offset_bytes": str(offset),
    }
    if length is not None:
        request["length_bytes"] = str(length)
    header, *chunks = Grpcurl().call(group.ana.endpoint, f"{PEER}/FetchVideo", request)
    expected = CLIP[offset:] if length is None else CLIP[offset : offset + length]
    assert int(header["header"].get("granted_bytes", 0)) == len(expected)
    assert int(header["header"].get("offset_bytes", 0)) == offset
    assert content_of(chunks) == expected


def test_an_empty_video_is_a_header_alone(group: Group, probe: Probe) -> None:
    (answer,) = probe.call(group.ana.endpoint, f"{PEER}/FetchVideo", {"name": "empty.mp4"})
    assert answer["header"] == {
        "video_id": Manifest(0, b"").video_id,
        "piece_size_bytes": str(MIB),
    }


def test_a_manifest_has_the_digests_of_all_pieces(group: Group, probe: Probe) -> None:
    held = group.ana.holding("clip.mp4")
    (answer,) = probe.call(group.ana.endpoint, f"{PEER}/GetManifest", {"name": "clip.mp4"})
    digests = base64.b64decode(answer["piece_digests"])
    assert answer["piece_size_bytes"] == str(MIB)
    assert Manifest.checked(int(answer["size_bytes"]), digests, held.video_id).piece_count == 6


def test_the_pieces_of_a_video_are_a_bitmap(group: Group, probe: Probe) -> None:
    def watched(name: str) -> list[Answer]:
        request: Answer = {"video_id": group.ana.holding(name).video_id}
        return probe.call(group.ana.endpoint, f"{PEER}/WatchPieces", request)

    assert watched("clip.mp4") == [{"bitmap": base64.b64encode(bytes([0b111111])).decode()}]
    (empty,) = watched("empty.mp4")
    assert not empty.get("bitmap")


@pytest.mark.parametrize(
    ("method", "request_", "refusal"),
    [
        ("FetchVideo", {"name": "clip2.mp4"}, ("notfound", "VIDEO_UNKNOWN")),
        ("FetchVideo", {"video_id": "0" * 64}, ("notfound", "VIDEO_UNKNOWN")),
        ("FetchVideo", {"video_id": "0" * 63}, ("invalidargument", "INVALID_VIDEO_ID")),
        ("FetchVideo", {"name": "../up.mp4"}, ("invalidargument", "INVALID_NAME")),
        ("FetchVideo", {}, ("invalidargument", "INVALID_REQUEST")),
        (
            "FetchVideo",
            {"name": "tiny.mp4", "offset_bytes": "-1"},
            ("invalidargument", "INVALID_REQUEST"),
        ),
        (
            "FetchVideo",
            {"name": "tiny.mp4", "length_bytes": "-1"},
            ("invalidargument", "INVALID_REQUEST"),
        ),
        (
            "FetchVideo",
            {"name": "tiny.mp4", "offset_bytes": "2"},
            ("outofrange", "OFFSET_OUT_OF_RANGE"),
        ),
        ("GetManifest", {"name": "clip2.mp4"}, ("notfound", "VIDEO_UNKNOWN")),
        ("GetManifest", {}, ("invalidargument", "INVALID_REQUEST")),
        ("WatchPieces", {"video_id": "0" * 64}, ("notfound", "VIDEO_UNKNOWN")),
        ("WatchPieces", {}, ("invalidargument", "INVALID_VIDEO_ID")),
        ("Identify", {"challenge": "AAAA"}, ("invalidargument", "INVALID_REQUEST")),
        (
            "Identify",
            {
                "challenge": base64.b64encode(bytes(32)).decode(),
                "name": "eva",
                "endpoint": {"host": "127.0.0.1", "port": 1030},
            },
            ("failedprecondition", "NOT_THIS_PEER"),
        ),
    ],
)
def test_an_error_shows_its_reason(
    group: Group, probe: Probe, method: str, request_: Answer, refusal: tuple[str, str]
) -> None:
    with pytest.raises(Refused) as caught:
        probe.call(group.ana.endpoint, f"{PEER}/{method}", request_)
    assert (caught.value.code, caught.value.reason) == refusal


def test_the_tracker_names_the_peer_as_a_source(group: Group, probe: Probe) -> None:
    (answer,) = probe.call(
        group.tracker, "videoteca.v1.Tracker/Register", {"name": f"probe {id(probe)}"}
    )
    (located,) = probe.call(
        group.tracker, "videoteca.v1.Tracker/Locate", {"name": "clip.mp4"}, answer["token"]
    )
    (video,) = located["videos"]
    assert video["sources"] == [
        {
            "peer_name": "ana",
            "state": "HOLDING_STATE_COMPLETE",
            "endpoints": [{"host": "127.0.0.1", "port": group.ana.endpoint.port}],
        }
    ]


def test_info_pages_through_all_videos_by_name(group: Group, probe: Probe) -> None:
    rpc = "videoteca.v1.Tracker/Info"
    (answer,) = probe.call(
        group.tracker, "videoteca.v1.Tracker/Register", {"name": f"pages {id(probe)}"}
    )
    names: list[str] = []
    request: Answer = {"page_size": 3}
    while True:
        (page,) = probe.call(group.tracker, rpc, request, answer["token"])
        names += [video["name"] for video in page["videos"]]
        if not page.get("next_page_token"):
            break
        request["page_token"] = page["next_page_token"]
    assert sorted(names) == sorted(f"{stem}.mp4" for stem in VIDEOS)
    assert all(first < second for first, second in pairwise(names))
