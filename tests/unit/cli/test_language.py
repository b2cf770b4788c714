import gettext
import os
from collections.abc import Iterator

import pytest

from cli import language
from cli.failures import in_our_language
from videoteca_core.errors import NoSourceOnline, Unreachable, VideotecaError


@pytest.fixture
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LANGUAGE", "en")
    domain = gettext.textdomain()
    yield
    gettext.textdomain(domain)


@pytest.mark.parametrize(
    ("arguments", "environment", "wanted"),
    [
        ((), {}, "en"),
        ((), {"LANG": "es_CR.UTF-8"}, "es"),
        ((), {"LANG": "en_GB.UTF-8"}, "en"),
        ((), {"LANG": "de_DE.UTF-8"}, "en"),
        ((), {"LC_ALL": "C", "LANG": "es_CR.UTF-8"}, "en"),
        ((), {"LC_MESSAGES": "es_ES", "LANG": "en_US"}, "es"),
        ((), {"LANGUAGE": "de:es:en", "LANG": "en_US"}, "es"),
        ((), {"LANGUAGE": "en:es"}, "en"),
        ((), {"VIDEOTECA_LANG": "es", "LANG": "en_US"}, "es"),
        ((), {"VIDEOTECA_LANG": "xx", "LANG": "es_ES"}, "es"),
        (("--lang", "es", "info"), {"VIDEOTECA_LANG": "en"}, "es"),
        (("info", "--lang=en"), {"LANG": "es_ES"}, "en"),
        (("--lang", "en", "info", "--lang", "es"), {}, "es"),
        (("info", "--lang"), {"LANG": "es_ES"}, "es"),
        (("publish", "--", "--lang", "es"), {}, "en"),
    ],
)
@pytest.mark.usefixtures("_own_environment")
def test_the_language_is_what_was_asked_for_last(
    arguments: tuple[str, ...], environment: dict[str, str], wanted: str
) -> None:
    language.choose(arguments, environment)

    assert environment["LANGUAGE"] == wanted


@pytest.mark.usefixtures("_own_environment")
def test_messages_that_were_kept_in_english_are_said_in_spanish() -> None:
    language.choose(("--lang", "es"), os.environ)
    unreachable = Unreachable(what="tracker", address="127.0.0.1:1", detail="refused")

    waiting = _said(NoSourceOnline(name="clip.mp4"))
    assert waiting == "Nadie que tenga «clip.mp4» está en línea; se espera a que alguien lo esté."
    assert _said(unreachable).startswith("En 127.0.0.1:1 no responde ningún rastr")


def _said(error: VideotecaError) -> str:
    return in_our_language(error.reason, error.fields, str(error))
