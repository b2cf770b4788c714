"""The options with which a peer is started, for `peer` and `shell` alike."""

from collections.abc import Callable
from gettext import gettext as _
from pathlib import Path
from typing import Any, Final

import click

from cli.own_peer import RECEIVED, SHARED
from cli.rates import download_limit_option, upload_limit_option
from cli.settings import Settings
from peer_service.peer import PeerConfig
from videoteca_core.addresses import PEER_PORT, Endpoint

_FOLDER: Final = click.Path(path_type=Path)

_OPTIONS: Final = (
    click.option(
        "--name",
        metavar=_("NAME"),
        default="",
        help=_("The name to register; by default the one this home is registered under."),
    ),
    click.option(
        "--claim",
        metavar=_("CODE"),
        default="",
        help=_("The one-time code that claims a name imported from an old bd_clientes.txt."),
    ),
    click.option(
        "--listen",
        metavar=_("HOST:PORT"),
        default=f"0.0.0.0:{PEER_PORT}",
        show_default=True,
        help=_("Where to serve the other peers; port 0 takes any free one."),
    ),
    click.option(
        "--advertise",
        metavar=_("HOST:PORT"),
        help=_("The address to register instead of the one that the tracker sees."),
    ),
    click.option(
        "--shared",
        metavar=_("DIR"),
        type=_FOLDER,
        multiple=True,
        default=(SHARED,),
        show_default=True,
        help=_("A folder to share, with its subfolders; may be repeated. Made when missing."),
    ),
    click.option(
        "--received",
        metavar=_("DIR"),
        type=_FOLDER,
        default=RECEIVED,
        show_default=True,
        help=_("Where downloads go. Made when missing."),
    ),
    click.option(
        "--max-uploads",
        metavar=_("N"),
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        help=_("How many uploads may run at once."),
    ),
    click.option(
        "--parallel",
        metavar=_("N"),
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help=_("How many downloads may run at once."),
    ),
    upload_limit_option,
    download_limit_option,
    click.option(
        "--source-timeout",
        metavar=_("SECONDS"),
        type=click.IntRange(min=1, max=3600),
        default=5,
        show_default=True,
        help=_("How long a source may send nothing before another one takes its place."),
    ),
    click.option("--no-reshare", is_flag=True, help=_("Do not share on what was downloaded.")),
)


def peer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a peer."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def config_of(
    settings: Settings,
    *,
    name: str,
    claim: str,
    listen: str,
    advertise: str | None,
    shared: tuple[Path, ...],
    received: Path,
    max_uploads: int,
    parallel: int,
    upload_limit: int | None,
    download_limit: int | None,
    source_timeout: int,
    no_reshare: bool,
) -> PeerConfig:
    """What the options of a peer say.

    Raises:
        InvalidAddress: one of the addresses is none.
    """
    return PeerConfig(
        home=settings.home.path,
        tracker=settings.tracker,
        name=name,
        claim_code=claim,
        listen=Endpoint.resolve(listen, PEER_PORT),
        advertise=Endpoint.resolve(advertise, 0) if advertise else None,
        shared=tuple(folder.expanduser() for folder in shared),
        received=received.expanduser(),
        max_uploads=max_uploads,
        parallel=parallel,
        upload_limit=upload_limit or 0,
        download_limit=download_limit or 0,
        source_timeout=source_timeout,
        reshare=not no_reshare,
    )
