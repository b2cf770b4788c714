"""The Spanish translation is whole, compiled, and says click's words too."""

import gettext
import io
import string
from pathlib import Path

import click
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from cli import click_words

_SPANISH = Path("cli/locale/es/LC_MESSAGES/videoteca.po")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with _SPANISH.open("rb") as file:
        return read_po(file, locale="es")


def _texts(text: object) -> list[str]:
    return [str(each) for each in text] if isinstance(text, list | tuple) else [str(text)]


def _messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def _places(text: str) -> set[str | None]:
    return {place for _before, place, _spec, _conversion in string.Formatter().parse(text)} - {None}


def test_nothing_is_missing_or_fuzzy(catalog: Catalog) -> None:
    for message in _messages(catalog):
        assert all(_texts(message.string)), message.id
        assert not message.fuzzy, message.id


def test_every_text_of_the_code_is_there(catalog: Catalog) -> None:
    with Path("cli/locale/videoteca.pot").open("rb") as file:
        template = read_po(file)
    assert {str(message.id) for message in _messages(template)} == {
        str(message.id) for message in _messages(catalog)
    }
    for package in ("videoteca_core", "tracker_service", "peer_service", "cli"):
        for _file, _line, found, _comments, _context in extract_from_dir(package):
            first = found[0] if isinstance(found, tuple) else found
            assert catalog.get(first), f"run 'make translations': {first!r}"


def test_places_are_the_same_in_both_languages(catalog: Catalog) -> None:
    for message in _messages(catalog):
        originals = _texts(message.id)
        for translated in _texts(message.string):
            assert any(_places(translated) == _places(each) for each in originals), message.id


def test_the_compiled_catalogue_is_the_written_one(catalog: Catalog) -> None:
    fresh = io.BytesIO()
    write_mo(fresh, catalog)

    assert fresh.getvalue() == _SPANISH.with_suffix(".mo").read_bytes()


def test_the_words_of_click_that_we_translate_are_still_clicks() -> None:
    keywords = {"_": None, "ngettext": (1, 2)}
    (folder,) = click.__path__
    words = {
        found[0] if isinstance(found, tuple) else found
        for _file, _line, found, _comments, _context in extract_from_dir(folder, keywords=keywords)
    }

    assert set(click_words.TEXTS) <= words


def test_gettext_finds_it() -> None:
    spanish = gettext.translation("videoteca", "cli/locale", ["es"])

    assert spanish.gettext("Usage:") == "Uso:"
