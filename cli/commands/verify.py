"""`verify`: reads the files again and checks them against their digests."""

from gettext import gettext as _

import click

from cli import framework, output
from cli.failures import FilesNotIntact
from cli.settings import Settings
from cli.words import word
from peer_service.database import PeerDatabase
from peer_service.library.verify import FileState, VerifiedFile, verify
from videoteca_core.text import printable


@framework.command(
    help=_(
        "Read what is shared and what was received again, and check it piece by piece against "
        "the digests that this peer remembers. Nothing is changed."
    )
)
@framework.pass_settings
def command(settings: Settings) -> None:
    """Print each file as it is checked."""
    checked = []
    with PeerDatabase(settings.home.database_path) as database:
        for file in verify(database, _Meter(shown=output.on_terminal() and not settings.as_json)):
            checked.append(file)
            if not settings.as_json:
                output.say(_line(file))
    if settings.as_json:
        output.print_json({"files": checked})
    elif not checked:
        output.say(_("There is nothing to verify: no file was shared or received yet."))
    wrong = sum(file.state is not FileState.INTACT for file in checked)
    if wrong:
        raise FilesNotIntact(count=wrong)


class _Meter:
    """Shows on a terminal how far the reading is, on one line that the result replaces."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._last = -1

    def __call__(self, path: str, done_bytes: int, size_bytes: int) -> None:
        percent = 100 * done_bytes // max(size_bytes, 1)
        if self._shown and percent != self._last:
            self._last = percent
            text = "" if done_bytes >= size_bytes else f"{percent:3} %  {printable(path)}"
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)


def _line(file: VerifiedFile) -> str:
    text = f"{word(file.state.value)}: {printable(file.path)} ({output.size(file.size_bytes)})"
    if file.damaged_pieces:
        pieces = ", ".join(map(str, file.damaged_pieces))
        text += "  " + _("damaged pieces: {pieces}").format(pieces=pieces)
    return text
