"""How to show text that came from elsewhere, and how to mark our own for translation."""

import unicodedata

_JOINERS = "\u200c\u200d"  # spelling in Persian and Indic scripts, and emoji, need them
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def N_(text: str) -> str:  # noqa: N802 - gettext's name for a text that is translated later
    """Mark a text for translation and leave it as it is."""
    return text


def is_invisible(character: str) -> bool:
    """Whether a character is a control, changes the direction of text, or can't be decoded."""
    return unicodedata.category(character) in _INVISIBLE and character not in _JOINERS


def encodable(text: str) -> str:
    """The text with what UTF-8 can't hold escaped: bytes of a path that are none."""
    return text.encode(errors="backslashreplace").decode()


def printable(text: str) -> str:
    r"""The text with every invisible, control or undecodable character escaped as ``\u{HEX}``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"\\u{{{ord(character):x}}}" if is_invisible(character) else character for character in text
    )
