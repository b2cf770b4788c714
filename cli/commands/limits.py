"""`limits`: how fast the running peer may send and receive."""

from collections.abc import Iterator
from gettext import gettext as _

from cli import framework, output, peer_access
from cli.rates import download_limit_option, upload_limit_option
from cli.settings import Settings
from peer_service.status import Limits


@framework.command(
    help=_(
        "Show how fast the peer of this machine may send and receive, or change it while it runs. "
        "A change holds until the peer ends; 'peer' takes the same options for its start."
    )
)
@upload_limit_option
@download_limit_option
@framework.pass_settings
def command(settings: Settings, upload_limit: int | None, download_limit: int | None) -> None:
    """Change what is given, and print both."""
    with peer_access.running_peer(settings) as control:
        limits = control.set_limits(upload_limit=upload_limit, download_limit=download_limit)
    output.emit(settings, limits, limits_text(limits))


def limits_text(limits: Limits) -> str:
    """Both limits, one a line."""
    return output.facts(list(limit_facts(limits)))


def limit_facts(limits: Limits) -> Iterator[tuple[str, str]]:
    """Both limits, as facts of a status."""
    yield _("upload limit"), _limit(limits.upload_limit)
    yield _("download limit"), _limit(limits.download_limit)


def _limit(rate: int) -> str:
    return output.rate(rate) if rate else _("none")
