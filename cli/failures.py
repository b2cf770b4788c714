"""What can go wrong on the command line besides the errors of videoteca_core."""

from collections.abc import Mapping
from gettext import gettext as _

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


def in_our_language(reason: str, fields: Mapping[str, str], message: str) -> str:
    """An error of which reason, fields and English message were kept, as we would say it."""
    error = errors.rebuilt(reason, fields, message)
    return error.message(_) if error.reason == reason else message
