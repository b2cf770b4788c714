"""How names are compared when a person searches: without case, accents or compatibility forms."""

import unicodedata


def fold(text: str) -> str:
    """The form of a name or query in which a search compares them."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(filter(_is_base, decomposed))


def _is_base(character: str) -> bool:
    return not unicodedata.combining(character)
