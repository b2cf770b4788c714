"""`shell`: a peer and a prompt."""

import io
import sys
from collections.abc import Iterable
from gettext import gettext as _
from typing import Any

import click

from cli import framework, output
from cli.commands.peer import started_text
from cli.own_peer import quiet_peer
from cli.peer_options import config_of, peer_options
from cli.settings import Settings
from cli.shell.session import Session
from cli.shell.vocabulary import REGISTER
from cli.shell.watcher import Watcher


@framework.command(
    help=_(
        "Run a peer with a prompt: insc, videos, info, descargar, cola, salir and more, in any "
        "case, and the English words. 'ayuda' lists them. Lines may also be piped in: then the "
        "downloads that they ask for are waited for at the end."
    )
)
@peer_options
@framework.pass_settings
def command(settings: Settings, /, **options: Any) -> None:  # noqa: ANN401 - the options of a peer
    """Talk until there is nothing more to read, or 'salir'."""
    if settings.as_json:
        raise click.UsageError(_("The shell speaks text only; its commands know --json."))
    with quiet_peer(config_of(settings, **options)) as control:
        watcher = Watcher(control)
        session = Session(settings, control, watcher)
        status = control.status()
        if status.name:
            output.say(started_text(status))
        else:
            output.say(_("This peer has no name yet: {form}").format(form=_(REGISTER.forms)))
        watcher.start()
        if sys.stdin.isatty() and output.on_terminal():
            from cli.shell.prompt import typed_lines  # noqa: PLC0415 - a terminal is wanted first

            with typed_lines(session, settings.home.path / "history") as lines:
                _talk(session, lines)
        else:
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(errors="surrogateescape")
            _talk(session, (line.rstrip("\n") for line in sys.stdin))
            if not session.leaving:
                watcher.wait_for(session.queued)
        left = sum(not download.state.is_final for download in control.downloads())
        if left:
            output.say(
                _("Downloads left in the queue: {count}; they go on the next time.").format(
                    count=left
                )
            )


def _talk(session: Session, lines: Iterable[str]) -> None:
    for line in lines:
        session.do(line)
        if session.leaving:
            break
