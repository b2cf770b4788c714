"""The bars of a terminal, as they are on the screen."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cli import output
from cli.bars import Bars
from peer_service.downloads.model import Download, DownloadState
from peer_service.transfer.model import HeldBack, SourceState
from tests.downloads import ANA, BRUNO, RUNNING, WAITING, because, dropped
from videoteca_core.errors import DiskFull, Unreachable

Screen = Callable[..., list[str]]

_LONG_NAME = "一部非常长的电影" * 9 + ".mp4"
_UP = "\x1b[1A"
_ALONE = replace(RUNNING, sources=(ANA,))


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Shows downloads, a moment after the other, and answers with the lines of the last picture."""

    def show(*moments: list[Download], columns: int = 80, lines: int = 24) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))
        monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, but one that
        monkeypatch.setenv("TERM", "dumb")  # can't draw anew: only the last picture stays
        with Bars() as bars:
            for moment in moments:
                bars.show(moment)
        printed = capsys.readouterr().out.splitlines()
        assert all(output.columns_of(line) <= columns for line in printed), printed
        return printed

    return show


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, ["clip.mp4 ", " 30 % 90.0 MB / 300 MB  18.5 MB/s  00:11  from ana (our limit)"]),
        (80, ["clip.mp4 ", " 30 % 18.5 MB/s  00:11  from ana (our limit)"]),
        (60, ["clip.mp4 ", " 30 % 18.5 MB/s  00:11", "  from ana (our limit)"]),
        (30, ["clip.mp4 ", " 30 % 18.5 MB/s", "  from ana (our limit)"]),
    ],
)
def test_what_a_narrow_terminal_has_no_room_for_is_below(
    columns: int, shown: list[str], screen: Screen
) -> None:
    lines = screen([replace(_ALONE, held_back=HeldBack.OUR_LIMIT)], columns=columns)

    assert lines[0].startswith(shown[0])
    assert lines[0].rstrip().endswith(shown[1])
    assert lines[1:] == shown[2:]


def test_a_long_name_leaves_room_for_the_speed(screen: Screen) -> None:
    line, below = screen([replace(_ALONE, name=_LONG_NAME)], columns=50)

    assert line.startswith("一部非常")
    assert line.rstrip().endswith("30 % 18.5 MB/s  00:11")
    assert below == "  from ana"


def test_each_of_several_sources_has_a_line(screen: Screen) -> None:
    first, *others = screen([RUNNING])

    assert first.rstrip().endswith("18.5 MB/s  00:11  from 3 sources")
    assert [" ".join(line.split()) for line in others] == [
        "ana 12.5 MB/s sends",
        "bruno 6.0 MB/s sends",
        "carla - waits for a slot",
    ]


def test_sources_have_no_lines_where_there_is_no_height(screen: Screen) -> None:
    downloads = [replace(RUNNING, download_id=number) for number in range(1, 4)]

    lines = screen(downloads, lines=9)

    assert [line[:8].strip() for line in lines] == [
        *("clip.mp4", "ana", "bruno", "carla"),
        *("clip.mp4", "clip.mp4"),
    ]


def test_what_changes_keeps_its_place(screen: Screen) -> None:
    slow = replace(RUNNING, rate=700, verified_bytes=299_000_000, held_back=HeldBack.THEIR_LIMIT)
    (fast_line, *_rest), (slow_line, *_others) = screen([RUNNING]), screen([slow])

    assert fast_line.index("from") == slow_line.index("from")
    assert fast_line.index("30 %") == slow_line.index("99 %")


def test_a_dropped_source_is_told_once_and_not_counted(screen: Screen) -> None:
    without = replace(RUNNING, sources=(ANA, dropped(BRUNO)))

    lines = screen([RUNNING], [without], [without])

    assert lines[0] == "clip.mp4: bruno dropped: sent something wrong (a piece with another digest)"
    assert lines[1].rstrip().endswith("from ana")
    assert len(lines) == 2


def test_a_download_keeps_its_line_when_the_order_changes(screen: Screen) -> None:
    other = replace(WAITING, download_id=2, name="other.mp4")
    cancelled = replace(WAITING, state=DownloadState.CANCELLED)

    lines = screen([_ALONE, other], [other, cancelled], [other])

    assert [line.split()[0] for line in lines] == ["clip.mp4", "other.mp4"]
    assert lines[0].rstrip().endswith("cancelled")


def test_more_downloads_than_lines_are_counted_and_those_that_go_on_are_shown(
    screen: Screen,
) -> None:
    ended = [
        replace(WAITING, download_id=number, name=f"old{number}", state=DownloadState.CANCELLED)
        for number in range(2, 12)
    ]

    lines = screen([*ended, RUNNING], lines=6)

    assert [line.split()[0] for line in lines] == ["old2", "old3", "old4", "clip.mp4", "…"]
    assert lines[-1] == "… and 7 more"


def test_a_long_reason_stands_below_and_leaves_the_name_room(screen: Screen) -> None:
    detail = "no route to host " * 9
    away = Unreachable(what="peer", address="10.0.0.2:1030", detail=detail)

    line, below = screen([because(replace(WAITING, name="holidays.mp4"), away)])

    assert line.startswith("holidays.mp4 ")
    assert line.rstrip().endswith("waiting")
    assert below.startswith("  No peer answers at 10.0.0.2:1030 (no route")


def test_a_full_disk_is_waited_for(screen: Screen) -> None:
    full = because(WAITING, DiskFull(path="/r"))
    line, below = screen([full])
    (narrow_line, *_below) = screen([full], columns=40)

    assert line.rstrip().endswith("waiting for space")
    assert below == "  The disk of /r is full; make room."
    assert narrow_line.rstrip().endswith("waiting")


def test_an_ended_download_has_no_sources_and_its_path_is_told(screen: Screen) -> None:
    left = replace(ANA, state=SourceState.LEFT, rate=0)
    done = replace(
        _ALONE,
        state=DownloadState.DONE,
        verified_bytes=300_000_000,
        rate=0,
        path="/r/clip.mp4",
        sources=(left, dropped(BRUNO)),
    )

    _dropped, line, path = screen([RUNNING], [done])

    assert line.rstrip().endswith("100 % 300 MB  done")
    assert path == "clip.mp4: done: /r/clip.mp4"


def test_the_picture_gets_no_lower_while_it_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LINES", "24")
    ups = []

    with Bars() as bars:
        for download in (_ALONE, RUNNING, _ALONE, _ALONE):
            bars.show([download])
            ups.append(capsys.readouterr().out.count(_UP))

    assert ups == [0, 0, 3, 3], "how far up the picture before begins"
