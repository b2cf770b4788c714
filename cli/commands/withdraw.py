"""`withdraw`: stops sharing."""

from gettext import gettext as _

import click

from cli import framework, output, peer_access
from cli.settings import Settings
from videoteca_core.names import valid_name
from videoteca_core.text import printable


@framework.command(
    help=_(
        "Stop sharing the videos with these names, until they are published again. Their files "
        "stay where they are. The peer of this machine must be running."
    )
)
@click.argument("names", metavar=_("NAME..."), nargs=-1, required=True)
@framework.pass_settings
def command(settings: Settings, names: tuple[str, ...]) -> None:
    """Withdraw all of the names, or none when one is wrong."""
    wanted = [valid_name(name) for name in names]
    with peer_access.running_peer(settings) as control:
        control.unshare(wanted)
    lines = (_("'{name}' is no longer shared.").format(name=printable(name)) for name in wanted)
    output.emit(settings, {"names": wanted}, "\n".join(lines))
