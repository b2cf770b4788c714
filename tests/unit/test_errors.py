"""Every error says what happened, in any language, and nothing else."""

import string

import pytest

from tests.error_kinds import error_kinds, sample_fields
from videoteca_core.errors import (
    InvalidName,
    NameAmbiguous,
    Unreachable,
    VideotecaError,
    VideoUnknown,
    WrongState,
)
from videoteca_core.text import printable

KINDS = sorted(error_kinds(), key=lambda kind: kind.reason)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def test_each_class_has_a_reason_of_its_own() -> None:
    assert len({kind.reason for kind in KINDS}) == len(KINDS) > 30
    for kind in KINDS:
        assert kind.reason.replace("_", "").isupper()


def test_each_class_is_in_the_tree_of_the_docstring() -> None:
    from videoteca_core import errors  # noqa: PLC0415 - its docstring is what is tested

    drawn = {line.strip("│├└─ ").split(" ")[0] for line in (errors.__doc__ or "").splitlines()}
    assert {kind.__name__ for kind in KINDS} <= drawn


@kinds
def test_the_docstring_lists_the_fields_of_the_message(kind: type[VideotecaError]) -> None:
    places = {place for _, place, _, _ in string.Formatter().parse(kind.text) if place}
    assert places <= set(sample_fields(kind))


@kinds
def test_the_message_is_a_sentence_with_all_fields_put_in(kind: type[VideotecaError]) -> None:
    message = str(kind(**sample_fields(kind)))
    assert message[0].isupper() or not message[0].isalpha() or kind.text.startswith("{")
    assert "{" not in message


@kinds
def test_no_field_can_send_a_control_character(kind: type[VideotecaError]) -> None:
    hostile = {key: f"{value}\x1b[2J\u202e" for key, value in sample_fields(kind).items()}
    message = str(kind(**hostile)).replace("\n", "")
    assert printable(message) == message


def test_only_a_list_of_choices_may_span_lines() -> None:
    assert str(NameAmbiguous(video="a\nb", choices="x\ny\x1b")).endswith("\nx\ny\\u{1b}")
    assert "a\\u{a}b" in str(NameAmbiguous(video="a\nb", choices=""))


def test_a_value_is_never_taken_for_a_template() -> None:
    assert str(VideoUnknown(video="{video} {0} {video.__class__}")) == (
        "There is no video '{video} {0} {video.__class__}'."
    )


def spanish(text: str) -> str:
    return {
        "": "Project-Id-Version: videoteca",
        "There is no video '{video}'.": "No hay ningún video '{video}'.",
        "'{name}' can't be used as a name: {problem}.": "'{name}' no sirve de nombre: {problem}.",
        "it is empty": "está vacío",
        "running": "en curso",
        Unreachable.text: ("Ningún {what} contesta en {address} ({detail})."),
        "peer": "par",
    }.get(text, text)


def test_a_message_can_be_said_in_another_language() -> None:
    error = InvalidName(name="running", problem="it is empty")
    assert error.message(spanish) == "'running' no sirve de nombre: está vacío."
    assert WrongState(download_id=3, state="running").message(spanish).endswith("is en curso.")
    unreachable = Unreachable(what="peer", address="192.0.2.7:1030", detail="refused")
    assert unreachable.message(spanish) == "Ningún par contesta en 192.0.2.7:1030 (refused)."


def test_a_name_is_not_translated_and_nothing_stays_nothing() -> None:
    assert VideoUnknown(video="peer").message(spanish) == "No hay ningún video 'peer'."
    assert InvalidName(name="", problem="it is empty").message(spanish) == (
        "'' no sirve de nombre: está vacío."
    )
