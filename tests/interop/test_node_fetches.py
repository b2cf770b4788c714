"""A peer in JavaScript locates and fetches what our peer shares, and believes no lie."""

from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import VIDEOS, Group
from tests.interop.node_peer import Event, node_peer


def fetch(group: Group, video: str, to: Path) -> list[Event]:
    """Have it fetch a video, and return all that it reports."""
    arguments: tuple[Any, ...] = ("--tracker", group.tracker, "--name", f"nodo {to.name}")
    with node_peer("fetch", *arguments, "--video", video, "--to", to) as node:
        node.finish()
        return node.events


@pytest.mark.parametrize("stem", VIDEOS)
def test_it_fetches_a_video_by_name(group: Group, tmp_path: Path, stem: str) -> None:
    to = tmp_path / f"{stem}.mp4"
    located, fetched = fetch(group, f"{stem}.mp4", to)
    assert located["sources"] == 1
    assert fetched["event"] == "fetched"
    assert fetched["video_id"] == group.ana.holding(f"{stem}.mp4").video_id
    assert to.read_bytes() == VIDEOS[stem]


def test_it_fetches_a_video_by_id(group: Group, tmp_path: Path) -> None:
    to = tmp_path / "by id.mp4"
    assert fetch(group, group.ana.holding("clip.mp4").video_id, to)[-1]["event"] == "fetched"
    assert to.read_bytes() == VIDEOS["clip"]


def test_it_is_told_why_it_gets_nothing(group: Group, tmp_path: Path) -> None:
    (failed,) = fetch(group, "nobody has it.mp4", tmp_path / "none.mp4")
    assert (failed["event"], failed["reason"]) == ("failed", "VIDEO_UNKNOWN")
    assert failed["message"] == "There is no video 'nobody has it.mp4'."
