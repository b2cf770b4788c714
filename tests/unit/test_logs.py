import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from videoteca_core.addresses import Endpoint
from videoteca_core.logs import configure_logging

HOSTILE = "clip\x1b[2J\n2026 forged\u202e.mp4"


def fail() -> None:
    raise ValueError(HOSTILE)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def logged(capsys: pytest.CaptureFixture[str], **fields: Any) -> str:
    structlog.get_logger().info("published", **fields)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_json_lines_have_time_level_event_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()  # standard error is no terminal here
    line = json.loads(logged(capsys, peer="Año", videos=3, where=Endpoint("::1", 1), none=None))
    assert list(line)[:3] == ["time", "level", "event"]
    assert datetime.now(UTC) - datetime.fromisoformat(line.pop("time")) < timedelta(minutes=1)
    assert line == {
        "level": "info",
        "event": "published",
        "peer": "Año",
        "videos": 3,
        "where": "[::1]:1",
        "none": None,
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_what_came_from_elsewhere_is_escaped(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    configure_logging(json=as_json)
    text = logged(capsys, peer=HOSTILE)
    if as_json:
        text = json.loads(text)["peer"]
    assert text.count("\n") == (0 if as_json else 1)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "forged" in text


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_keeps_its_lines_and_nothing_else_of_what_it_says(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    configure_logging(json=as_json)
    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("failed")
    text = capsys.readouterr().err
    if as_json:
        text = json.loads(text)["exception"]
    assert "Traceback" in text
    assert "\x1b" not in text


def test_debugging_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    structlog.get_logger().debug("renewed")
    assert capsys.readouterr().err == ""


def test_a_log_that_cannot_be_written_fails_nobody(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def isatty(self) -> bool:
            return False

        def write(self, _text: str) -> None:
            raise OSError(28, "No space left on device")

        flush = isatty

    monkeypatch.setattr("sys.stderr", Full())
    configure_logging()
    structlog.get_logger().info("published")
