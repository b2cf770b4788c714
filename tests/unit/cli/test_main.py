import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import framework, main


@pytest.fixture
def mistake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program with a mistake; what a run changes in this process is put back."""

    def fail(*_arguments: object) -> None:
        message = "secret \x1b[31m details"
        raise RuntimeError(message)

    monkeypatch.setattr(framework.Group, "get_command", fail)
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("mistake")
def test_a_mistake_of_ours_is_a_sentence_and_its_details_are_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"

    code = main.run(["--lang", "en", "--home", str(home), "info"])

    told = capsys.readouterr().err
    assert code == main.UNEXPECTED
    assert told.startswith("Error: Something unexpected happened (RuntimeError: secret ")
    assert str(home / "errors.log") in told
    assert "Traceback" not in told
    assert "\x1b" not in told
    assert "Traceback" in (home / "errors.log").read_text()


@pytest.mark.usefixtures("mistake")
def test_a_program_is_told_of_our_mistake_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("no folder")

    code = main.run(["--json", "--home", str(tmp_path / "home"), "info"])

    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["reason"], error["exit_code"]) == ("UNEXPECTED", code)


@pytest.mark.usefixtures("mistake")
def test_a_mistake_in_a_thread_is_a_sentence_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main.run(["--home", str(tmp_path), "info"])
    capsys.readouterr()

    thread = threading.Thread(target=lambda: sys.modules["no such module"])
    thread.start()
    thread.join()

    assert "Something unexpected happened (KeyError" in capsys.readouterr().err
