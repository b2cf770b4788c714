"""`register`: gives this peer its name at the tracker."""

from dataclasses import dataclass, replace
from gettext import gettext as _

import click

from cli import framework, output, peer_access
from cli.settings import Settings
from peer_service.control_client import ControlClient
from peer_service.database import PeerDatabase
from peer_service.tracker_link import TrackerLink
from videoteca_core.addresses import PEER_PORT, Endpoint
from videoteca_core.catalogue import Registration
from videoteca_core.errors import NoPeerRunning
from videoteca_core.names import valid_name
from videoteca_core.text import printable


@dataclass(frozen=True)
class Registered:
    """What came of it."""

    name: str
    peer_id: str
    tracker: str


@framework.command(
    help=_(
        "Register this peer as NAME at the tracker. A running peer registers its own address "
        "unless HOST and PORT say another; without a running peer they are what the tracker notes "
        "until the peer is started. A name belongs to whoever registered it first."
    )
)
@click.argument("name", metavar=_("NAME"))
@click.argument("host", metavar=_("[HOST]"), required=False, default="")
@click.argument("port", metavar=_("[PORT]"), required=False, type=click.IntRange(0, 65_535))
@click.option(
    "--claim",
    metavar=_("CODE"),
    default="",
    help=_("The one-time code that claims a name imported from an old bd_clientes.txt."),
)
@framework.pass_settings
def command(settings: Settings, name: str, host: str, port: int | None, claim: str) -> None:
    """Register with the running peer, or without one."""
    wanted = registration(name, host, port, claim)
    try:
        with peer_access.running_peer(settings) as control:
            registered = _enroll_running(settings, control, wanted)
    except NoPeerRunning:
        if wanted.host and not wanted.port:
            wanted = replace(wanted, port=PEER_PORT)
        registered = _enroll_alone(settings, wanted)
    output.emit(
        settings,
        registered,
        _("Registered as '{name}' at the tracker {tracker}.").format(
            name=printable(registered.name), tracker=registered.tracker
        ),
    )


def registration(name: str, host: str, port: int | None, claim: str = "") -> Registration:
    """What a person typed, checked, and a host name resolved; port 0 when there was none.

    Raises:
        InvalidName: the name can't be used.
        InvalidAddress: the host is no address and can't be resolved to one.
    """
    name = valid_name(name)
    if not host:
        return Registration(name, claim_code=claim)
    where = Endpoint.resolve(host, port or 0)
    return Registration(name, where.host, where.port, claim_code=claim)


def _enroll_running(settings: Settings, control: ControlClient, wanted: Registration) -> Registered:
    """Let the running peer register itself."""
    tracker = control.status().tracker
    if settings.tracker_option and str(settings.tracker) != tracker:
        raise click.UsageError(
            _(
                "The running peer uses the tracker {tracker}; stop it before you change that."
            ).format(tracker=tracker)
        )
    peer_id = control.enroll(wanted.name, wanted.host, wanted.port, wanted.claim_code)
    return Registered(wanted.name, peer_id, tracker)


def _enroll_alone(settings: Settings, wanted: Registration) -> Registered:
    tracker = settings.tracker
    with (
        settings.home.locked(),
        PeerDatabase(settings.home.database_path) as database,
        TrackerLink(database, tracker) as link,
    ):
        lease = link.enroll(wanted)
    return Registered(wanted.name, lease.peer_id, str(tracker))
