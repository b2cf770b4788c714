"""`queue` and its commands: the downloads of this home, with or without a running peer."""

from collections.abc import Callable, Sequence
from gettext import gettext as _

import click

from cli import framework, output, peer_access, sources
from cli.commands import QUEUE_COMMANDS
from cli.details import details_text
from cli.interruptible import interruptible
from cli.narration import percent, reason_text, state_text, time_left
from cli.progress import display
from cli.settings import Settings
from cli.words import held_back_word
from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.errors import DownloadUnknown

_PRIORITY_COLUMN = 5


@framework.group(
    entries=QUEUE_COMMANDS,
    invoke_without_command=True,
    help=_("Show and change the queue of downloads. Without a command: 'list'."),
)
@click.pass_context
def command(context: click.Context) -> None:
    """List when nothing else is asked for."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@framework.command(help=_("List the downloads in the order in which they run, ended ones too."))
@framework.pass_settings
def list_(settings: Settings) -> None:
    """Print the queue."""
    with peer_access.queue(settings) as control:
        downloads = control.downloads()
    output.emit(settings, {"downloads": downloads}, queue_table(downloads))


@framework.command(
    help=_(
        "Show all that is known of the downloads with these numbers: how fast they are, what "
        "holds them back, what each source gave, and why one was dropped."
    )
)
@click.argument("download_ids", metavar=_("NUMBER..."), nargs=-1, type=int, required=True)
@framework.pass_settings
def show(settings: Settings, download_ids: tuple[int, ...]) -> None:
    """Print them one after the other."""
    with peer_access.queue(settings) as control:
        known = control.downloads()
    found, error = peer_access.try_each(
        settings, download_ids, lambda download_id: find(known, download_id)
    )
    if found:
        output.emit(settings, {"downloads": found}, details_text(found))
    peer_access.leave_with(error)


@framework.command(
    help=_(
        "Follow the downloads with these numbers, or all, until they have ended. With --json a "
        "line is printed for each change. The peer of this machine must be running."
    )
)
@click.argument("download_ids", metavar=_("[NUMBER]..."), nargs=-1, type=int)
@framework.pass_settings
def watch(settings: Settings, download_ids: tuple[int, ...]) -> None:
    """Show every change; what had ended before is no news for a person."""
    with peer_access.running_peer(settings) as control, display(as_json=settings.as_json) as shown:
        every = settings.as_json or bool(download_ids)
        before = [] if every else control.downloads()
        over = {each.download_id: each for each in before if each.state.is_final}
        for downloads in interruptible(control.watch(download_ids)):
            shown.show([each for each in downloads if over.get(each.download_id) != each])
            if all(download.state.is_final for download in downloads):
                break


def _change(help_text: str, act: Callable[[ControlClient, int], Download]) -> framework.Command:
    """A command that does something to each of the downloads whose numbers it is given."""

    @framework.command(help=help_text)
    @click.argument("download_ids", metavar=_("NUMBER..."), nargs=-1, type=int, required=True)
    @framework.pass_settings
    def change(settings: Settings, download_ids: tuple[int, ...]) -> None:
        with peer_access.queue(settings) as control:
            changed, error = peer_access.try_each(
                settings, download_ids, lambda download_id: act(control, download_id)
            )
        if changed:
            output.emit(settings, {"downloads": changed}, queue_table(changed))
        peer_access.leave_with(error)

    return change


pause = _change(_("Hold downloads until they are resumed."), ControlClient.pause)
resume = _change(_("Let paused downloads wait for their turn again."), ControlClient.resume)
retry = _change(
    _("Try failed or cancelled downloads, or those that wait for their next try, now."),
    ControlClient.retry,
)
cancel = _change(_("Give downloads up and remove their partial files."), ControlClient.cancel)


@framework.command(
    help=_("Move a download to a position in the queue, 1 being the next, or to a priority.")
)
@click.argument("download_id", metavar=_("NUMBER"), type=int)
@click.option(
    "--position", type=click.IntRange(min=1), metavar=_("N"), help=_("Its place in the queue.")
)
@click.option(
    "--priority", type=int, metavar=_("N"), help=_("Higher runs first; 0 unless changed.")
)
@framework.pass_settings
def move(settings: Settings, download_id: int, position: int | None, priority: int | None) -> None:
    """Move one download."""
    if (position is None) == (priority is None):
        raise click.UsageError(_("Give either --position or --priority."))
    with peer_access.queue(settings) as control:
        download = control.move(download_id, position=position, priority=priority)
    output.emit(settings, {"downloads": [download]}, queue_table([download]))


def find(downloads: Sequence[Download], download_id: int) -> Download:
    """The download of that number.

    Raises:
        DownloadUnknown: there is none.
    """
    for download in downloads:
        if download.download_id == download_id:
            return download
    raise DownloadUnknown(download_id=download_id)


def _pace(download: Download) -> str:
    """How fast a running download is, and why not faster."""
    if download.state is not DownloadState.RUNNING:
        return ""
    held_back = held_back_word(download.held_back) if download.held_back else ""
    return "  ".join(filter(None, (output.rate(download.rate), time_left(download), held_back)))


def queue_table(downloads: Sequence[Download]) -> str:
    """The downloads as a table, or that there are none."""
    if not downloads:
        return _("The queue is empty.")
    headers = [_("NUMBER"), _("NAME"), _("SIZE"), _("DONE"), _("STATE"), _("FROM"), _("NOTE")]
    rows = [
        [
            str(download.download_id),
            download.name,
            output.size(download.size_bytes),
            f"{percent(download)} %",
            state_text(download),
            sources.names(download) or "-",
            download.path or _pace(download) or reason_text(download),
        ]
        for download in downloads
    ]
    if any(download.priority for download in downloads):
        headers.insert(_PRIORITY_COLUMN, _("PRIORITY"))
        for row, download in zip(rows, downloads, strict=True):
            row.insert(_PRIORITY_COLUMN, str(download.priority))
    note = len(headers) - 1
    return output.table(headers, rows, flexible=(note, 1, note - 1))
