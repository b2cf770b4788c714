"""`download`: puts videos into the queue and follows them until all have ended."""

from collections.abc import Sequence
from gettext import gettext as _

import click

from cli import framework, output, peer_access
from cli.progress import display, failure_of, follow
from cli.queries import ask_for
from cli.rates import download_limit_option
from cli.settings import Settings
from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.errors import NoPeerRunning, VideotecaError
from videoteca_core.text import printable


@framework.command(
    help=_(
        "Download each VIDEO: a NAME, an OWNER/NAME, an id, or the first 8 or more characters of "
        "one. They go into the queue of the running peer and are followed until done; with no "
        "peer running, this command does the work itself. While nobody who has a video is "
        "online, it waits. The exit code tells how it ended."
    )
)
@click.argument("videos", metavar=_("VIDEO..."), nargs=-1, required=True)
@download_limit_option
@framework.pass_settings
def command(settings: Settings, videos: tuple[str, ...], download_limit: int | None) -> None:
    """Download with the running peer, or without one."""
    try:
        socket = settings.home.running_socket()
    except NoPeerRunning:
        socket = None
    if socket and download_limit is not None:
        raise click.UsageError(
            _("A peer is running; 'videoteca limits --download-limit RATE' changes its limit.")
        )
    if socket:
        stays = _("They stay in the queue of the running peer and go on.")
        with peer_access.running_peer(settings) as control:
            ended, error = _download(settings, control, videos, stays)
    else:
        stays = _("Stopped; the next 'videoteca download' or peer goes on from there.")
        with peer_access.own_peer(
            settings, run_downloads=True, download_limit=download_limit or 0
        ) as control:
            ended, error = _download(settings, control, videos, stays)
    _happy, first = peer_access.try_each(settings, ended, _raise_failure)
    peer_access.leave_with(error or first)


def _download(
    settings: Settings, control: ControlClient, videos: Sequence[str], stays: str
) -> tuple[tuple[Download, ...], VideotecaError | None]:
    queued: list[Download] = []

    def enqueue(video: str) -> None:
        download, already_queued = ask_for(video, control.enqueue)
        queued.append(download)
        if not settings.as_json:
            output.say(queued_text(download, already_queued=already_queued))

    try:
        _done, error = peer_access.try_each(settings, videos, enqueue)
        if not queued:
            return (), error
        asked = {each.download_id: each for each in queued}.values()
        # A person was told of what is here already; a program is told of all in one line.
        here = tuple(
            each for each in asked if each.state is DownloadState.DONE and not settings.as_json
        )
        coming = [each for each in asked if each not in here]
        if not coming:
            return here, error
        with display(as_json=settings.as_json) as shown:
            return here + follow(control, coming, shown), error
    except KeyboardInterrupt:
        if queued:
            output.note(stays)
        raise


def queued_text(download: Download, *, already_queued: bool) -> str:
    """That a download is in the queue now, or was before, or is done."""
    if download.state is DownloadState.DONE:
        text = _("'{name}' ({size}) is here already: {path}.")
    elif already_queued:
        text = _("'{name}' ({size}) is in the queue already.")
    else:
        text = _("Download added to the queue: '{name}' ({size}).")
    return text.format(
        name=printable(download.name),
        size=output.size(download.size_bytes),
        path=printable(download.path),
    )


def _raise_failure(download: Download) -> None:
    error = failure_of(download)
    if error:
        raise error
