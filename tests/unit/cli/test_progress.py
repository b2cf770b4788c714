from dataclasses import replace

import pytest

from cli.narration import Narrator, percent, time_left
from cli.progress import failure_of
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.errors import BadSource, NoSourceOnline, NotFound, VideoUnknown

_WAITING = Download(1, "clip.mp4", "ab" * 32, 1_000, "", DownloadState.WAITING)
_RUNNING = replace(_WAITING, state=DownloadState.RUNNING, source="ana")


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
        "clip.mp4: 20 %  50 B/s  00:15",
        *(f"clip.mp4: {each} %" for each in range(30, 101, 10)),
        "clip.mp4: done: /r/clip.mp4",
    ]


def test_waiting_for_a_source_is_told_once() -> None:
    error = NoSourceOnline(name="clip.mp4")
    alone = replace(_WAITING, reason=error.reason, message=str(error), fields=error.fields)

    assert _told(alone, alone, replace(alone, failed_tries=3)) == [
        "clip.mp4: waiting: Nobody who has 'clip.mp4' is online; waiting for one."
    ]


def test_looking_for_a_source_in_vain_is_no_news() -> None:
    error = NoSourceOnline(name="clip.mp4")
    alone = replace(_WAITING, reason=error.reason, message=str(error), fields=error.fields)
    looking = replace(_RUNNING, source="")

    assert _told(looking, alone, looking, replace(alone, failed_tries=1), looking, alone) == [
        "clip.mp4: waiting: Nobody who has 'clip.mp4' is online; waiting for one."
    ]


def test_a_lost_connection_is_told_each_time() -> None:
    error = BadSource(source="ana", problem="no header")
    lost = replace(_WAITING, reason=error.reason, message=str(error), fields=error.fields)

    lines = _told(_RUNNING, lost, _RUNNING, lost)

    assert lines[1] == "clip.mp4: connection lost: ana sent something wrong: no header."
    assert lines == lines[:2] * 2


def test_names_from_elsewhere_are_escaped() -> None:
    lines = _told(
        replace(_WAITING, name="\x1b[2J.mp4", state=DownloadState.DONE, path="/r/\x1b[2J.mp4")
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
    failed = replace(
        _WAITING,
        state=DownloadState.FAILED,
        reason=unknown.reason,
        message=str(unknown),
        fields=unknown.fields,
    )

    assert isinstance(failure_of(failed), NotFound)
    assert "cancelled" in str(failure_of(replace(_WAITING, state=DownloadState.CANCELLED)))
    assert failure_of(replace(_WAITING, state=DownloadState.DONE)) is None
