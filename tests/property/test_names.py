"""Whatever the name, a valid one stays in its folder and shows what it is."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from videoteca_core.errors import InvalidName
from videoteca_core.names import MAX_NAME_BYTES, valid_name
from videoteca_core.text import printable

PARTS = st.sampled_from(
    [
        "..", ".", "/", "\\", "~", "-", " ", "\u00a0", "\u3000", "\0", "\n", "\x1b[2J", "\x7f",
        "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028", "\ud800", "\udcff",
        "\U000e0041", "\uff0f", "\u2044", "\u2215", "\uff0e", "\u2024", "\u0301", "e\u0301",
        "\u212b", "\u1112\u1161", "CON", "nul", "com1", "LPT\u00b9", "conin$", "%2e%2e", "%2F",
        ":", "*", "clip", ".mp4", "n\u0303" * 60,
    ]
)  # fmt: skip
HOSTILE = st.lists(PARTS, max_size=12).map("".join)
ANYTHING = st.text(alphabet=st.characters(), max_size=300)

FOLDER = Path("/srv/received")


def accepted(raw: str) -> str | None:
    """The valid form of a name; none when it is refused, by an error that can be shown."""
    try:
        return valid_name(raw)
    except InvalidName as error:
        message = str(error)
    assert printable(message) == message
    return None


@given(raw=HOSTILE | ANYTHING)
@example(raw="\ud800")
@example(raw="\u00e9" * 121)
@example(raw="\u1e9b\u0323")
def test_a_valid_name_is_harmless(raw: str) -> None:
    name = accepted(raw)
    if name is None:
        return
    joined = FOLDER / name
    assert joined.parent == FOLDER
    assert joined.name == name
    assert ".." not in joined.parts
    assert unicodedata.is_normalized("NFC", name)
    assert 1 <= len(name.encode()) <= MAX_NAME_BYTES
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Zl", "Zp") for c in name)
    assert not any(unicodedata.bidirectional(c) in ("LRO", "RLO", "LRI", "RLI") for c in name)
    assert not name.startswith((".", "-", " "))
    assert not name.endswith((".", " "))
    assert printable(name) == name
    assert valid_name(name) == name


@given(raw=st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_all_unicode_forms_of_a_name_are_one_name(raw: str) -> None:
    assert accepted(raw) == accepted(unicodedata.normalize("NFD", raw))


@given(name=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9 _()-]{0,60}\.(mp4|mkv|webm)", fullmatch=True))
def test_ordinary_names_are_taken_as_they_are(name: str) -> None:
    device = name.split(".", maxsplit=1)[0].rstrip().lower()
    if device not in {"con", "prn", "aux", "nul"} and device[:3] not in {"com", "lpt"}:
        assert valid_name(name) == name


@given(name=HOSTILE | ANYTHING)
def test_a_valid_name_can_be_a_file(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "received"
    folder.mkdir(exist_ok=True)
    valid = accepted(name)
    if valid is None:
        return
    path = folder / valid
    path.write_bytes(b"")
    assert path.resolve().parent == folder.resolve()
    assert path.exists()
    path.unlink()
