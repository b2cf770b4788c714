"""The bars of a terminal, as they are on the screen."""

from dataclasses import replace

import pytest

from cli import output
from cli.bars import Bars
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.errors import Unreachable

_WAITING = Download(
    1, "一部非常长的电影" * 9 + ".mp4", "ab" * 32, 300_000_000, "", DownloadState.WAITING
)
_RUNNING = replace(
    _WAITING, state=DownloadState.RUNNING, source="ana", verified_bytes=90_000_000, rate=18_500_000
)


def _screen(download: Download, capsys: pytest.CaptureFixture[str]) -> str:
    with Bars() as bars:
        bars.show([download])
    (line,) = capsys.readouterr().out.splitlines()
    return line


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (100, ["一部非常", "30 %", "90.0 MB / 300 MB  18.5 MB/s  00:11  from ana"]),
        (80, ["一部非常", "30 %", "90.0 MB / 300 MB  18.5 MB/s  00:11"]),
        (50, ["一部非常", "30 %", "18.5 MB/s  00:11"]),
    ],
)
def test_what_matters_most_stays_when_a_terminal_is_narrow(
    columns: int,
    shown: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    line = _screen(_RUNNING, capsys)

    assert all(each in line for each in shown), line
    assert output.columns_of(line) <= columns


def test_a_long_reason_leaves_the_name_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    error = Unreachable(what="peer", address="10.0.0.2:1030", detail="no route to host " * 9)
    alone = replace(
        _WAITING,
        name="holidays.mp4",
        reason=error.reason,
        message=str(error),
        fields=error.fields,
    )

    assert "holidays.mp4" in _screen(alone, capsys)
