import pytest

from cli.queries import ask_for, meanings
from videoteca_core.catalogue import VideoQuery
from videoteca_core.errors import InvalidName, VideoUnknown

_ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("clip.mp4", (VideoQuery(name="clip.mp4"),)),
        ("ana/clip.mp4", (VideoQuery(name="clip.mp4", owner="ana"),)),
        (_ID, (VideoQuery(video_id=_ID),)),
        (_ID.upper(), (VideoQuery(video_id=_ID),)),
        ("ana/" + _ID, (VideoQuery(video_id=_ID, owner="ana"),)),
        ("deadbeef", (VideoQuery(name="deadbeef"), VideoQuery(video_id="deadbeef"))),
        ("DEADBEEF", (VideoQuery(name="DEADBEEF"), VideoQuery(video_id="deadbeef"))),
        ("deadbee", (VideoQuery(name="deadbee"),)),
        (_ID + "0", (VideoQuery(name=_ID + "0"),)),
    ],
)
def test_what_a_text_means(text: str, meant: tuple[VideoQuery, ...]) -> None:
    assert meanings(text) == meant


@pytest.mark.parametrize(
    "text", ["", "/clip.mp4", "ana/", "../clip.mp4", "a/b/c.mp4", "/etc/passwd", "a\x1b.mp4"]
)
def test_what_is_neither_name_nor_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        meanings(text)


def test_a_prefix_is_tried_as_a_name_first() -> None:
    asked = []

    def ask(query: VideoQuery) -> str:
        asked.append(query)
        if query.name:
            raise VideoUnknown(video=query)
        return "by id"

    assert ask_for("deadbeef", ask) == "by id"
    assert [query.name for query in asked] == ["deadbeef", ""]


def test_an_unknown_video_is_called_what_was_typed() -> None:
    def ask(query: VideoQuery) -> str:
        raise VideoUnknown(video=query)

    with pytest.raises(VideoUnknown, match="'ana/DEADBEEF'"):
        ask_for("ana/DEADBEEF", ask)
