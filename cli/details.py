"""All that is known of a download, for a person."""

from collections.abc import Iterator, Sequence
from gettext import gettext as _

from cli import output
from cli.narration import percent, reason_text, state_text, time_left
from cli.sources import why
from cli.words import held_back_word, source_word
from peer_service.downloads.model import Download, DownloadState
from peer_service.transfer.model import SourceReport
from videoteca_core.text import printable


def details_text(downloads: Sequence[Download]) -> str:
    """Each download, a fact a line, with a table of its sources."""
    return "\n\n".join(map(_details, downloads))


def _details(download: Download) -> str:
    text = output.facts(list(_facts(download)))
    if not download.sources:
        return text
    headers = (_("FROM"), _("ADDRESS"), _("GAVE"), _("SPEED"), _("STATE"), _("NOTE"))
    table = output.table(headers, list(map(_row, download.sources)), flexible=(5, 0))
    return f"{text}\n{table}"


def _facts(download: Download) -> Iterator[tuple[str, str]]:
    size = output.size(download.size_bytes)
    yield _("number"), str(download.download_id)
    yield _("name"), printable(download.name)
    yield _("id"), download.video_id
    yield _("size"), size
    yield _("state"), f"{state_text(download)}, {percent(download)} %"
    if download.state is DownloadState.RUNNING:
        yield _("speed"), output.rate(download.rate)
        yield _("time left"), time_left(download) or "-"
    if download.held_back:
        yield _("held back by"), held_back_word(download.held_back)
    note = reason_text(download)
    if note:
        yield _("note"), note
    if download.path:
        yield _("file"), printable(download.path)


def _row(source: SourceReport) -> tuple[str, ...]:
    return (
        source.peer,
        source.address,
        output.size(source.bytes),
        output.rate(source.rate) if source.rate else "-",
        source_word(source.state),
        why(source) or "-",
    )
