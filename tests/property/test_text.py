"""What came from elsewhere never controls the terminal that shows it."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from videoteca_core.text import printable

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@given(text=st.text(alphabet=st.characters(), max_size=50))
def test_nothing_hidden_is_printed_raw(text: str) -> None:
    shown = printable(text)
    assert not [c for c in shown if unicodedata.category(c) in HIDDEN and c not in "\u200c\u200d"]
    shown.encode()  # nothing that UTF-8 can't hold


@given(text=st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_escapes_tell_what_was_there() -> None:
    assert printable("a\x1b[31mb\u202e\udc80") == "a\\u{1b}[31mb\\u{202e}\\u{dc80}"
