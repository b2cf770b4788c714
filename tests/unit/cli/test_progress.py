from dataclasses import replace

import pytest

from cli.narration import Narrator, percent, time_left
from cli.progress import failure_of
from peer_service.downloads.model import Download, DownloadState
from peer_service.transfer.model import HeldBack, SourceState
from tests.downloads import ANA, BRUNO, CARLA, LIE, WAITING, because, dropped
from videoteca_core.errors import DiskFull, NoSourceOnline, NotFound, NoUploadSlot, VideoUnknown

_WAITING = replace(WAITING, size_bytes=1_000)
_RUNNING = replace(_WAITING, state=DownloadState.RUNNING, sources=(replace(ANA, bytes=0, rate=0),))
_ALONE = because(_WAITING, NoSourceOnline(name="clip.mp4"))


def _told(*states: Download) -> list[str]:
    narrator = Narrator()
    return [line for state in states for line in narrator.lines([state])]


def test_a_download_is_told_from_its_beginning_to_its_end() -> None:
    lines = _told(
        _WAITING,
        _RUNNING,
        replace(_RUNNING, verified_bytes=99),
        replace(_RUNNING, verified_bytes=250, rate=50),
        replace(_RUNNING, verified_bytes=299, rate=50),
        replace(_WAITING, state=DownloadState.DONE, verified_bytes=1_000, path="/r/clip.mp4"),
    )

    assert lines == [
        "clip.mp4: downloading 1.0 kB from ana",
        "clip.mp4: 10 %",
        "clip.mp4: 20 %  50 B/s  00:15  from ana",
        *(f"clip.mp4: {each} %" for each in range(30, 101, 10)),
        "clip.mp4: done: /r/clip.mp4",
    ]


def test_several_sources_are_counted_and_what_holds_them_back_is_said() -> None:
    running = replace(_RUNNING, sources=(ANA, BRUNO, CARLA))
    limited = replace(running, verified_bytes=100, rate=50, held_back=HeldBack.THEIR_LIMIT)

    assert _told(running, limited) == [
        "clip.mp4: downloading 1.0 kB from ana, bruno",
        "clip.mp4: 10 %  50 B/s  00:18  from 3 sources (their limit)",
    ]


def test_sources_that_come_and_go_are_no_news() -> None:
    both = replace(_RUNNING, sources=(ANA, BRUNO))
    left = replace(_RUNNING, sources=(ANA, replace(BRUNO, state=SourceState.LEFT)))

    assert len(_told(_RUNNING, both, left, both)) == 1


def test_each_dropped_source_is_told_once() -> None:
    mended = replace(_RUNNING, sources=(ANA, BRUNO))
    bad = replace(_RUNNING, sources=(ANA, dropped(BRUNO)))
    alone = replace(_RUNNING, sources=(dropped(ANA, NoSourceOnline(name="x")), dropped(BRUNO)))
    other = replace(bad, download_id=2, name="other.mp4")

    lines = _told(mended, bad, bad, mended, bad, alone, other)

    assert [line for line in lines if "dropped" in line] == [
        "clip.mp4: bruno dropped: sent something wrong (a piece with another digest)",
        "clip.mp4: ana dropped: Nobody who has 'x' is online; waiting for one.",
        "other.mp4: bruno dropped: sent something wrong (a piece with another digest)",
    ]


def test_waiting_for_a_source_is_told_once() -> None:
    assert _told(_ALONE, _ALONE, replace(_ALONE, failed_tries=3)) == [
        "clip.mp4: waiting: Nobody who has 'clip.mp4' is online; waiting for one."
    ]


def test_looking_for_a_source_in_vain_is_no_news() -> None:
    looking = replace(_RUNNING, sources=(replace(ANA, state=SourceState.CONNECTING),))

    assert _told(looking, _ALONE, looking, replace(_ALONE, failed_tries=1), looking, _ALONE) == [
        "clip.mp4: waiting: Nobody who has 'clip.mp4' is online; waiting for one."
    ]


def test_a_lost_connection_is_told_each_time() -> None:
    lost = because(_WAITING, LIE)

    lines = _told(_RUNNING, lost, _RUNNING, lost)

    assert lines[1].startswith("clip.mp4: connection lost: bruno (10.0.0.3:1030) sent something ")
    assert lines == lines[:2] * 2


def test_space_and_slots_are_waited_for_without_a_connection_lost() -> None:
    full = because(_WAITING, DiskFull(path="/r"))
    busy = because(_WAITING, NoUploadSlot(retry_after_seconds=3))

    lines = _told(_RUNNING, full, _RUNNING, busy)

    assert lines[1::2] == [
        "clip.mp4: waiting for space: The disk of /r is full; make room.",
        "clip.mp4: waiting: All upload slots are taken; ask again in 3 s.",
    ]


def test_names_from_elsewhere_are_escaped() -> None:
    lines = _told(
        replace(
            _WAITING,
            name="\x1b[2J.mp4",
            state=DownloadState.DONE,
            path="/r/\x1b[2J.mp4",
            sources=(dropped(replace(BRUNO, peer="\x1b[2J")),),
        )
    )

    assert "\x1b" not in "".join(lines)


def test_an_empty_video_is_whole_once_it_is_done() -> None:
    empty = replace(_WAITING, size_bytes=0)

    assert percent(empty) == 0
    assert percent(replace(empty, state=DownloadState.DONE)) == 100


@pytest.mark.parametrize(("rate", "text"), [(0, ""), (1_000, "00:01"), (10, "01:40"), (1, "16:40")])
def test_time_left(rate: int, text: str) -> None:
    assert time_left(replace(_RUNNING, rate=rate)) == text


def test_long_times_have_hours() -> None:
    assert time_left(replace(_RUNNING, size_bytes=7_265, rate=1)) == "2:01:05"


def test_the_end_of_a_download_is_an_error_unless_it_is_done() -> None:
    unknown = VideoUnknown(video="clip.mp4")
    failed = because(replace(_WAITING, state=DownloadState.FAILED), unknown)

    assert isinstance(failure_of(failed), NotFound)
    assert "cancelled" in str(failure_of(replace(_WAITING, state=DownloadState.CANCELLED)))
    assert failure_of(replace(_WAITING, state=DownloadState.DONE)) is None
