"""From a query to the one video that is meant."""

import pytest

from peer_service.downloads.resolve import resolve
from tests.videos import located, manifest_of
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import LocatedVideo, VideoQuery
from videoteca_core.errors import NameAmbiguous, NotPublished, VideoUnknown

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
