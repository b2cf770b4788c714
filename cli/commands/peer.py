"""`peer`: runs this machine's peer."""

import asyncio
from gettext import gettext as _
from typing import Any

from cli import framework, output
from cli.peer_options import config_of, peer_options
from cli.settings import Settings
from peer_service.peer import run_peer
from peer_service.status import PeerStatus
from videoteca_core.logs import configure_logging
from videoteca_core.text import printable


@framework.command(
    help=_(
        "Run this machine's peer until Ctrl-C or SIGTERM: it shares the files of its folders with "
        "the others and works on its queue of downloads. The name is needed the first time only."
    )
)
@peer_options
@framework.pass_settings
def command(settings: Settings, /, **options: Any) -> None:  # noqa: ANN401 - the options of a peer
    """Run the peer."""
    config = config_of(settings, **options)
    configure_logging()

    def started(status: PeerStatus) -> None:
        output.emit(settings, status, started_text(status))

    asyncio.run(run_peer(config, started))


def started_text(status: PeerStatus) -> str:
    """Who is running, and where."""
    return _(
        "Peer '{name}' is running on port {port}; it shares {shared} and receives into {received}."
    ).format(
        name=printable(status.name),
        port=status.listen_port,
        shared=printable(", ".join(status.shared_folders)),
        received=printable(status.received_folder),
    )
