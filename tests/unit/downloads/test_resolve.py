"""From a query to the one video that is meant."""

from dataclasses import replace

import pytest

from peer_service.downloads.resolve import resolve
from tests.videos import located, manifest_of
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import LocatedVideo, VideoQuery
from videoteca_core.errors import InvalidVideoId, NameAmbiguous, NotPublished, VideoUnknown

HERE = Endpoint("127.0.0.1", 1030)
ONE = located(manifest_of(b"one"), "clip.mp4", [("ana", HERE), ("eve", HERE)])
OTHER = LocatedVideo("clip.mp4", "ab" * 32, 7, (), ("bob",), 3)
BY_NAME_ONLY = LocatedVideo("clip.mp4", "", 0, (), ("old",), 1)
QUERY = VideoQuery(name="clip.mp4", owner="ana")


def test_one_content_is_the_one() -> None:
    asked: list[VideoQuery] = []

    def locate(query: VideoQuery) -> list[LocatedVideo]:
        asked.append(query)
        return [ONE]

    assert resolve(QUERY, locate) is ONE
    assert asked == [QUERY]


def test_several_contents_are_a_choice() -> None:
    with pytest.raises(NameAmbiguous) as caught:
        resolve(QUERY, lambda _query: [ONE, OTHER])
    assert caught.value.fields["video"] == "ana/clip.mp4"
    assert caught.value.fields["choices"].splitlines() == [
        f"{ONE.video_id}  3 B  ana, eve",
        f"{OTHER.video_id}  7 B  bob +2",
    ]


def test_without_an_id_it_is_not_published() -> None:
    with pytest.raises(NotPublished):
        resolve(QUERY, lambda _query: [BY_NAME_ONLY])


def test_one_with_an_id_is_meant_before_one_without() -> None:
    assert resolve(QUERY, lambda _query: [BY_NAME_ONLY, ONE]) is ONE


def test_nothing_is_unknown() -> None:
    with pytest.raises(VideoUnknown):
        resolve(QUERY, lambda _query: [])


def test_what_was_not_asked_for_is_not_believed() -> None:
    query = VideoQuery(video_id=ONE.video_id[:12])
    assert resolve(query, lambda _query: [OTHER, ONE]) is ONE
    with pytest.raises(VideoUnknown):
        resolve(query, lambda _query: [OTHER])


def test_an_id_that_is_none_is_refused() -> None:
    liar = replace(OTHER, video_id="../../.ssh/id")
    with pytest.raises(InvalidVideoId):
        resolve(QUERY, lambda _query: [liar])
