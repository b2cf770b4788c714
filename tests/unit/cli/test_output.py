import json
from pathlib import Path

import pytest

from cli import output
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import Holding


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the output believe that it goes to a terminal of 40 columns."""
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_400_000_000, "1.4 GB"),
        (99_940_000, "99.9 MB"),
        (99_960_000, "100 MB"),
        ((1 << 63) - 1, "9.2 EB"),
    ],
)
def test_size_is_decimal_and_short(size_bytes: int, text: str) -> None:
    assert output.size(size_bytes) == text


def test_json_has_the_names_of_the_fields_and_plain_values() -> None:
    holding = Holding("clip.mp4", "ab" * 32, 7, b"\x00\xff")

    assert output.plain({"videos": (holding,), "path": Path("/a"), "at": Endpoint("::1", 5)}) == {
        "videos": [
            {
                "name": "clip.mp4",
                "video_id": "ab" * 32,
                "size_bytes": 7,
                "pieces_root": "00ff",
                "state": "complete",
            }
        ],
        "path": "/a",
        "at": {"host": "::1", "port": 5},
    }
    assert output.plain({DownloadState.DONE: 2}) == {"done": 2}


def test_json_carries_no_raw_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[31m\u202e\x9b.mp4"
    output.print_json(Download(1, name, "", 0, "", DownloadState.WAITING))

    printed = capsys.readouterr().out
    assert printed.rstrip("\n").isascii()
    assert printed.rstrip("\n").isprintable()
    assert json.loads(printed)["name"] == name


def test_piped_tables_are_never_cut() -> None:
    name = "x" * 300
    table = output.table(("NAME", "SIZE"), [(name, "1 B"), ("y", "22 B")])

    assert table.splitlines()[1] == f"{name}  1 B"
    assert table.splitlines()[2] == f"y{' ' * 299}  22 B"


@pytest.mark.usefixtures("terminal")
def test_tables_fit_the_terminal() -> None:
    table = output.table(("NAME", "SIZE"), [("x" * 300, "1 B"), ("日本" * 30, "22 B")])

    first, second = table.splitlines()[1:]
    assert first.startswith("xxx")
    assert first.endswith("…  1 B")
    assert len(first) <= 40
    assert second.endswith("22 B")
    assert len(second) < 25, "wide characters take two columns"


@pytest.mark.usefixtures("terminal")
def test_ids_are_short_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert output.short_id("ab" * 32) == "ab" * 6
    monkeypatch.setattr(output, "on_terminal", lambda: False)
    assert output.short_id("ab" * 32) == "ab" * 32


def test_table_cells_are_escaped() -> None:
    assert "\x1b" not in output.table(("NAME",), [("\x1b[2J",)])
    assert "\\u{1b}[2J" in output.table(("NAME",), [("\x1b[2J",)])


@pytest.mark.usefixtures("terminal")
def test_columns_give_way_one_after_the_other() -> None:
    row = ("日本" * 30, "1.0 MB", "why it waits " * 9)

    table = output.table(("NAME", "SIZE", "NOTE"), [row], flexible=(2, 0))

    _header, line = table.splitlines()
    name, size, note = line.split("  ")
    assert output.columns_of(line) <= 40
    assert (size.strip(), len(note)) == ("1.0 MB", 10)
    assert name.endswith("…")
    assert output.columns_of(name) > 10
