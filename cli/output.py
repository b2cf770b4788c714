"""Prints records: as text for a person, as JSON for a program; knows nothing of the work."""

import dataclasses
import json
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from enum import Enum
from gettext import gettext as _
from pathlib import Path

import click

from cli.settings import Settings
from videoteca_core.text import printable

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_SHORT_ID_CHARACTERS = 12
_NARROWEST = 10
_GAP = "  "


def on_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """Print a line of the result."""
    click.echo(text)


def note(text: str) -> None:
    """Print a line that is not the result: to standard error."""
    click.echo(text, err=True)


def plain(value: object) -> object:
    """A record as JSON knows it: dataclasses become objects with the names of their fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, Path) else value


def print_json(value: object) -> None:
    """Print a record as one line of JSON; everything beyond ASCII is escaped."""
    click.echo(json.dumps(plain(value)))


def emit(settings: Settings, record: object, text: str) -> None:
    """Print a record for a program, or its text for a person, as was asked for."""
    if settings.as_json:
        print_json(record)
    else:
        say(text)


def size(size_bytes: float) -> str:
    """A number of bytes for a person, decimal: ``1.4 GB``."""
    amount, units = float(size_bytes), list(_UNITS)
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    unit = units[0]
    digits = 0 if unit == "B" or amount >= 99.95 else 1
    return f"{amount:.{digits}f} {unit}"


def rate(bytes_a_second: float) -> str:
    """A speed for a person: ``85.2 MB/s``."""
    return f"{size(bytes_a_second)}/s"


def short_id(video_id: str) -> str:
    """An id as it is shown: in full when piped, its beginning on a terminal."""
    return video_id[:_SHORT_ID_CHARACTERS] if on_terminal() else video_id


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], flexible: Sequence[int] = (0,)
) -> str:
    """A table: fitted to a terminal, and when piped never cut or wrapped.

    Args:
        headers: the titles of the columns.
        rows: the cells, a row each; what is invisible in them is escaped.
        flexible: which columns give way when a terminal is too narrow, the first one first.
    """
    lines = [list(headers), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(columns_of(line[column]) for line in lines) for column in range(len(headers))]
    if on_terminal():
        spare = shutil.get_terminal_size().columns - sum(widths) - len(_GAP) * (len(widths) - 1)
        for column in flexible:
            cut = min(max(-spare, 0), max(widths[column] - _NARROWEST, 0))
            widths[column] -= cut
            spare += cut
            for line in lines:
                line[column] = fitted(line[column], widths[column])
    return "\n".join(
        _GAP.join(padded(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def facts(labelled: Sequence[tuple[str, str]]) -> str:
    """Labels and what is said of each, a line each."""
    width = max(columns_of(label) for label, _fact in labelled) + 2
    return "\n".join(padded(f"{label}:", width) + fact for label, fact in labelled)


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(each) in ("Mn", "Me", "Cf") else _columns(each) for each in text
    )


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int) -> str:
    """A text filled up with spaces to some columns of a terminal."""
    return text + " " * (width - columns_of(text))


def fitted(text: str, width: int) -> str:
    """A text cut to some columns of a terminal, with an ellipsis when it does not fit."""
    if columns_of(text) <= width:
        return text
    while columns_of(text) > width - 1:
        text = text[:-1]
    return text + "…"


def yes_or_no(answer: bool) -> str:  # noqa: FBT001 - the answer is the whole question
    """A truth for a person."""
    return _("yes") if answer else _("no")
