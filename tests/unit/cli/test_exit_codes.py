import re
from pathlib import Path

import pytest

from cli import failures, main
from tests.error_kinds import sample_fields
from videoteca_core.errors import BY_REASON, VideotecaError, rebuilt

_TABLE = re.compile(r"^\| (\d+) \|[^|]*\|([^|]*)\|$", re.MULTILINE)

_KINDS: list[type[VideotecaError]] = [
    *BY_REASON.values(),
    failures.DownloadCancelled,
    failures.FilesNotIntact,
]


def _documented() -> dict[str, int]:
    text = Path("docs/cli.md").read_text(encoding="utf-8")
    return {
        reason: int(code)
        for code, reasons in _TABLE.findall(text)
        for reason in re.findall(r"`([A-Z_]+)`", reasons)
    }


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_of_its_own_kind(kind: type[VideotecaError]) -> None:
    code = main.exit_code(kind(**sample_fields(kind)))

    assert code not in (0, main.UNEXPECTED, main.USAGE)
    assert _documented()[kind.reason] == code


def test_the_document_names_no_error_that_is_gone() -> None:
    reasons = {kind.reason for kind in _KINDS} | {"USAGE", "UNEXPECTED"}

    assert set(_documented()) == reasons


def test_the_codes_of_no_error_are_documented() -> None:
    text = Path("docs/cli.md").read_text(encoding="utf-8")
    codes = {int(code) for code, _reasons in _TABLE.findall(text)}

    assert {0, main.UNEXPECTED, main.USAGE} <= codes
    assert {main.INTERRUPTED, main.TERMINATED, main.BROKEN_PIPE} <= codes


@pytest.mark.parametrize("kind", BY_REASON.values(), ids=lambda kind: kind.__name__)
def test_an_error_is_rebuilt_from_its_reason_and_fields(kind: type[VideotecaError]) -> None:
    error = kind(**sample_fields(kind))

    again = rebuilt(error.reason, error.fields, "unused")

    assert type(again) is kind
    assert str(again) == str(error)


def test_a_message_of_a_later_version_is_kept_as_it_is() -> None:
    assert "who knows?" in str(rebuilt("NEVER_HEARD_OF", {}, "who knows?"))
    assert "who knows?" in str(rebuilt("NAME_TAKEN", {"other": "x"}, "who knows?"))
    assert failures.in_our_language("NEVER_HEARD_OF", {}, "who knows?") == "who knows?"
    assert failures.in_our_language("NAME_TAKEN", {"other": "x"}, "who knows?") == "who knows?"
