"""`publish`: shares files now, whatever folder they are in."""

from gettext import gettext as _
from pathlib import Path

import click

from cli import framework, output, peer_access
from cli.settings import Settings
from cli.sharing import find_file, share
from videoteca_core.catalogue import Holding


@framework.command(
    help=_(
        "Share each FILE with the others, now. A file outside of the shared folders is linked "
        "into the first of them, or copied where it can't be; a bare name may also be that of a "
        "file in a shared folder. The peer of this machine must be running."
    )
)
@click.argument(
    "files", metavar=_("FILE..."), nargs=-1, required=True, type=click.Path(path_type=Path)
)
@framework.pass_settings
def command(settings: Settings, files: tuple[Path, ...]) -> None:
    """Share the files one after the other."""
    with peer_access.running_peer(settings) as control:
        folders = control.status().shared_folders

        def publish(file: Path) -> Holding:
            shown = output.on_terminal() and not settings.as_json
            return share(control, find_file(file, folders), shown=shown)

        holdings, error = peer_access.try_each(settings, files, publish)
    if holdings:
        rows = [
            (each.name, output.size(each.size_bytes), output.short_id(each.video_id))
            for each in holdings
        ]
        output.emit(
            settings,
            {"videos": holdings},
            output.table((_("NAME"), _("SIZE"), _("ID")), rows),
        )
    peer_access.leave_with(error)
