"""Names of videos and of peers: one validator for tracker, peer, queue and command line."""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath

from videoteca_core.errors import InvalidName
from videoteca_core.text import N_, is_invisible

MAX_NAME_BYTES = 240
"""Longest name, in bytes of UTF-8: leaves room for " (2)" within a file system's 255."""

_WINDOWS_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?")


def valid_name(raw: str) -> str:
    """Check a name of a video or a peer and return it in its one form, Unicode NFC.

    Raises:
        InvalidName: it could leave its folder, hide, deceive, or not be stored somewhere.
    """
    name = unicodedata.normalize("NFC", raw)
    problem = _problem(name)
    if problem:
        raise InvalidName(name=raw, problem=problem)
    return name


def _problem(name: str) -> str | None:
    checks = (
        (not name, N_("it is empty")),
        ("/" in name or "\\" in name, N_("it has a path separator")),
        (any(map(is_invisible, name)), N_("it has a control or invisible character")),
        (name.startswith("."), N_("it begins with a dot")),
        (name.startswith("-"), N_("it begins with a dash")),
        (name != name.strip(), N_("it begins or ends with a space")),
        (name.endswith("."), N_("it ends with a dot")),
        (_WINDOWS_DEVICE.fullmatch(name), N_("Windows reserves it for a device")),
        (not fits(name), N_("it is longer than 240 bytes")),
    )
    return next((problem for wrong, problem in checks if wrong), None)


def fits(name: str) -> bool:
    """Whether the name is short enough."""
    return len(name.encode(errors="surrogatepass")) <= MAX_NAME_BYTES


def numbered(name: str) -> Iterator[str]:
    """The name, and then the name with a number before its ending: 2, 3 and so on."""
    yield name
    path = PurePosixPath(name)
    for number in itertools.count(2):
        yield f"{path.stem} ({number}){path.suffix}"
