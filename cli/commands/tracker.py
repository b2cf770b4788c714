"""`tracker`: runs a tracker; takes over and writes the old client files."""

import asyncio
from dataclasses import dataclass
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path

import click

from cli import framework, output
from cli.commands import TRACKER_COMMANDS
from cli.settings import Settings
from tracker_service.legacy import export_clients, import_clients
from tracker_service.server import TrackerConfig, run_tracker
from videoteca_core.addresses import TRACKER_PORT, Endpoint, parse_networks
from videoteca_core.logs import configure_logging
from videoteca_core.text import printable

_database_option = click.option(
    "--database",
    type=click.Path(path_type=Path),
    metavar=_("FILE"),
    help=_("The catalogue's SQLite file; by default tracker.db in the home."),
)


@dataclass(frozen=True)
class Listening:
    """What is printed once the tracker serves."""

    listen: Endpoint
    database: Path


@framework.group(
    entries=TRACKER_COMMANDS,
    invoke_without_command=True,
    help=_(
        "Run a tracker until Ctrl-C or SIGTERM: peers register there, publish what they share and "
        "find what others share. No video passes through it."
    ),
)
@click.option(
    "--listen",
    default=f"0.0.0.0:{TRACKER_PORT}",
    show_default=True,
    metavar=_("HOST:PORT"),
    help=_("Where to listen; port 0 takes any free one."),
)
@_database_option
@click.option(
    "--dialable",
    multiple=True,
    metavar=_("NETWORK"),
    help=_(
        "Addresses that peers may register besides the one they call from, such as 10.0.0.0/8; "
        "may be repeated."
    ),
)
@framework.pass_settings
@click.pass_context
def command(
    context: click.Context,
    settings: Settings,
    listen: str,
    database: Path | None,
    dialable: tuple[str, ...],
) -> None:
    """Run the tracker unless something else is asked for."""
    if context.invoked_subcommand:
        return
    config = TrackerConfig(
        listen=Endpoint.resolve(listen, TRACKER_PORT),
        database=_database(settings, database),
        dialable=parse_networks(dialable),
    )
    configure_logging()

    def started(where: Endpoint) -> None:
        output.emit(
            settings,
            Listening(where, config.database),
            _("The tracker listens on {address}.").format(address=where),
        )

    asyncio.run(run_tracker(config, started))


@framework.command(
    help=_(
        "Take over the clients of an old bd_clientes.txt with the names of their videos. Each is "
        "offline until its owner claims the name with the code that is printed, once: 'videoteca "
        "register NAME --claim CODE'."
    )
)
@click.argument("file", metavar=_("FILE"), type=click.Path(path_type=Path))
@_database_option
@framework.pass_settings
def import_(settings: Settings, file: Path, database: Path | None) -> None:
    """Print the claim codes."""
    claims = import_clients(_database(settings, database), file)
    output.emit(
        settings,
        {"clients": [{"name": name, "claim_code": code} for name, code in claims]},
        output.table((_("NAME"), _("CLAIM CODE")), claims),
    )


@framework.command(help=_("Write the clients and the names of their videos as a bd_clientes.txt."))
@click.argument("file", metavar=_("FILE"), type=click.Path(path_type=Path))
@_database_option
@framework.pass_settings
def export(settings: Settings, file: Path, database: Path | None) -> None:
    """Print how many there were."""
    clients = export_clients(_database(settings, database), file)
    output.emit(
        settings,
        {"clients": clients, "file": file},
        ngettext(
            "{count} client was written to {path}.",
            "{count} clients were written to {path}.",
            clients,
        ).format(count=clients, path=printable(str(file))),
    )


def _database(settings: Settings, given: Path | None) -> Path:
    return given or settings.home.path / "tracker.db"
