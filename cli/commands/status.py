"""`status`: how this machine's peer is doing."""

from collections.abc import Iterator
from gettext import gettext as _
from gettext import ngettext

from cli import failures, framework, output, peer_access
from cli.commands.limits import limit_facts
from cli.settings import Settings
from cli.words import word
from peer_service.status import Limits, PeerStatus
from videoteca_core.catalogue import Reachability
from videoteca_core.text import printable


@framework.command(
    help=_(
        "Show this machine's peer: registered as whom and where, whether others can reach it or "
        "why not, what it shares, and its queue. It must be running."
    )
)
@framework.pass_settings
def command(settings: Settings) -> None:
    """Ask the running peer."""
    with peer_access.running_peer(settings) as control:
        status = control.status()
    output.emit(settings, status, status_text(status))


def status_text(status: PeerStatus) -> str:
    """The status, a fact a line."""
    lines = [output.facts(list(_facts(status)))]
    lines += [
        _("not shared: {path}: {why}").format(
            path=printable(file.path),
            why=failures.in_our_language(file.reason, file.fields, file.message),
        )
        for file in status.skipped
    ]
    return "\n".join(lines)


def _reachable(status: PeerStatus) -> str:
    at_home = status.endpoint is not None and status.endpoint.is_loopback
    if at_home and status.reachability is Reachability.PROVED:
        return _("from this machine only: give --tracker the tracker's address in the network")
    return word(status.reachability.value)


def _facts(status: PeerStatus) -> Iterator[tuple[str, str]]:
    yield _("name"), printable(status.name) or "-"
    yield _("tracker"), status.tracker
    problem = failures.in_our_language(status.problem_reason, status.problem_fields, status.problem)
    yield _("registered"), _("yes") if status.registered else _("no: {why}").format(why=problem)
    yield _("address"), str(status.endpoint or "-")
    yield _("reachable"), _reachable(status)
    for folder in status.shared_folders:
        yield _("shared folder"), printable(folder)
    yield _("received folder"), printable(status.received_folder)
    total = output.size(sum(holding.size_bytes for holding in status.shared))
    yield (
        _("sharing"),
        ngettext("{count} video, {size}", "{count} videos, {size}", len(status.shared)).format(
            count=len(status.shared), size=total
        ),
    )
    if status.hashing:
        yield (
            _("hashing"),
            ngettext(
                "{count} file, {share} of {size}",
                "{count} files, {share} of {size}",
                status.hashing,
            ).format(
                count=status.hashing,
                share=f"{100 * status.hashed_bytes // max(status.hashing_bytes, 1)} %",
                size=output.size(status.hashing_bytes),
            ),
        )
    yield (
        _("uploads"),
        _("{count} of {most} slots, {size} sent").format(
            count=status.uploads,
            most=status.max_uploads,
            size=output.size(status.uploaded_bytes),
        ),
    )
    yield from limit_facts(Limits(status.upload_limit, status.download_limit))
    states = (f"{count} {word(state.value)}" for state, count in status.downloads.items() if count)
    yield _("queue"), ", ".join(states) or _("empty")
    yield _("process"), str(status.pid)
