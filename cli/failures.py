"""What can go wrong on the command line besides the errors of videoteca_core."""

import re
from gettext import gettext as _
from typing import Final

from videoteca_core import errors
from videoteca_core.text import N_


class DownloadCancelled(errors.VideotecaError):
    """A download that was followed was given up by its owner. Fields: name."""

    reason = "DOWNLOAD_CANCELLED"
    text = N_("The download of '{name}' was cancelled.")


class FilesNotIntact(errors.VideotecaError):
    """Verification found files that are not what they were. Fields: count."""

    reason = "FILES_NOT_INTACT"
    text = N_("Files that are not what they were: {count}; they are listed above.")


class Reported(Exception):
    """An error that a person was told of already; only the exit code is missing."""

    def __init__(self, error: errors.VideotecaError) -> None:
        super().__init__(str(error))
        self.error = error


def leaves(kind: type[errors.VideotecaError]) -> list[type[errors.VideotecaError]]:
    """The classes below one that are raised: those with a reason of their own."""
    found = [kind] if "reason" in vars(kind) else []
    return found + [leaf for child in kind.__subclasses__() for leaf in leaves(child)]


_BY_REASON: Final = {kind.reason: kind for kind in leaves(errors.VideotecaError)}


def rebuilt(reason: str, message: str) -> errors.VideotecaError:
    """The error whose reason and English message were kept, with its fields read back from it.

    Args:
        reason: the error's reason.
        message: its message, in English.
    """
    kind = _BY_REASON.get(reason)
    found = _pattern(kind.text).fullmatch(message) if kind else None
    if kind and found:
        return kind(**found.groupdict())
    return errors.RemoteFailure(code=reason or "UNKNOWN", detail=message)


def in_our_language(message: str, reason: str = "") -> str:
    """An English message of an error, as we would say it.

    Args:
        message: the message.
        reason: the error's reason; empty when only the message was kept.
    """
    for kind in [_BY_REASON[reason]] if reason in _BY_REASON else _BY_REASON.values():
        found = _pattern(kind.text).fullmatch(message)
        if found and (reason or kind is not errors.InvalidRequest):  # that one fits nearly anything
            return kind(**found.groupdict()).message(_)
    return message


def _pattern(text: str) -> re.Pattern[str]:
    """What the messages made from a text look like; a place that comes twice holds the same."""
    seen: set[str] = set()

    def group(place: re.Match[str]) -> str:
        name = place[1]
        again = name in seen
        seen.add(name)
        return f"(?P={name})" if again else f"(?P<{name}>.*?)"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(text)), re.DOTALL)
