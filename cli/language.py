"""Chooses the language; to be done before anything that holds text for a person is imported."""

import gettext
import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("es", "en")
VARIABLE: Final = "VIDEOTECA_LANG"
_DOMAIN: Final = "videoteca"
_LOCALE_FOLDER: Final = Path(__file__).parent / "locale"


def choose(arguments: Sequence[str], environment: MutableMapping[str, str] = os.environ) -> None:
    """Let gettext, and click through it, speak the language that is wanted.

    ``--lang`` decides, then ``VIDEOTECA_LANG``, then the locale; English is spoken without one.

    Args:
        arguments: the command line; ``--lang`` may stand anywhere in it.
        environment: receives ``LANGUAGE``, by which gettext chooses.
    """
    environment["LANGUAGE"] = _wanted(arguments, environment)
    gettext.bindtextdomain(_DOMAIN, str(_LOCALE_FOLDER))
    gettext.textdomain(_DOMAIN)


def _wanted(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    for candidate in (*_options(arguments), environment.get(VARIABLE, "")):
        if candidate in LANGUAGES:
            return candidate
    return _locale(environment)


def _options(arguments: Sequence[str]) -> Iterator[str]:
    """The values of ``--lang``, the last and thus strongest one first."""
    own = list(arguments)
    if "--" in own:
        own = own[: own.index("--")]
    for place in reversed(range(len(own))):
        option, equals, value = own[place].partition("=")
        if option == "--lang":
            yield value if equals else "".join(own[place + 1 : place + 2])


def _locale(environment: Mapping[str, str]) -> str:
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(variable)
        if value:
            known = (each[:2] for each in value.split(":") if each[:2] in LANGUAGES)
            return next(known, "en")
    return "en"
