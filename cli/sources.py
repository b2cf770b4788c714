"""Says where a download comes from, and what holds it back."""

from collections.abc import Iterator
from gettext import gettext as _
from gettext import ngettext

from cli import failures, output
from cli.words import held_back_word, source_word
from peer_service.downloads.model import Download
from peer_service.transfer.model import HeldBack, SourceReport, SourceState
from videoteca_core.errors import BadSource
from videoteca_core.text import printable

NAME_COLUMNS = 16
"""The columns of a terminal that the name of a source may take."""

_ANY_COLUMNS = 1_000
_OVER = (SourceState.DROPPED, SourceState.LEFT)


class Drops:
    """Tells of sources that were dropped, of each once."""

    def __init__(self) -> None:
        self._told: set[tuple[int, str, str]] = set()

    def lines(self, download: Download) -> Iterator[str]:
        """Those that were not told before."""
        for source in download.sources:
            drop = (download.download_id, source.peer, source.reason)
            if source.state is SourceState.DROPPED and drop not in self._told:
                self._told.add(drop)
                yield _("{name}: {source} dropped: {why}").format(
                    name=printable(download.name), source=printable(source.peer), why=why(source)
                )


def in_use(download: Download) -> tuple[SourceReport, ...]:
    """The sources that send or soon may; none unless the download runs."""
    return tuple(source for source in download.sources if source.state not in _OVER)


def sending(download: Download) -> tuple[SourceReport, ...]:
    """The sources that send."""
    return tuple(each for each in in_use(download) if each.state is SourceState.FETCHING)


def names(download: Download) -> str:
    """The sources in use and those that gave something; before there are any, the owner."""
    used = in_use(download)
    gave = [source.peer for source in download.sources if source.bytes or source in used]
    return ", ".join(dict.fromkeys(gave)) or download.owner


def origin(download: Download, name_columns: int = _ANY_COLUMNS) -> str:
    """From whom a running download comes, and what holds it back: ``from ana (their limit)``.

    Args:
        download: which.
        name_columns: the columns of a terminal that a name may take.
    """
    used = in_use(download)
    parts = []
    if len(used) == 1:
        name = output.fitted(printable(used[0].peer), name_columns)
        parts.append(_("from {source}").format(source=name))
    elif used:
        parts.append(_number(len(used)))
    if download.held_back:
        what = held_back_word(download.held_back)
        parts.append(f"({what})" if parts else what)
    return " ".join(parts)


def origin_columns() -> int:
    """The columns of a terminal that :func:`origin` takes, whatever holds the download back."""
    return max(output.columns_of(f"{_number(8)} ({held_back_word(each)})") for each in HeldBack)


def _number(count: int) -> str:
    return ngettext("from {count} source", "from {count} sources", count).format(count=count)


def source_lines(download: Download) -> list[str]:
    """A line for each source in use, with its rate and state; none when there is only one."""
    used = in_use(download)
    if len(used) == 1:
        return []
    shown = [output.fitted(printable(source.peer), NAME_COLUMNS) for source in used]
    width = max(map(output.columns_of, shown), default=0)
    return [
        "  ".join((output.padded(name, width), f"{_rate(each):>9}", source_word(each.state)))
        for name, each in zip(shown, used, strict=True)
    ]


def _rate(source: SourceReport) -> str:
    return output.rate(source.rate) if source.state is SourceState.FETCHING else "-"


def why(source: SourceReport) -> str:
    """Why a source was dropped or has no slot, in our language; empty otherwise."""
    problem = source.fields.get("problem")
    if source.reason == BadSource.reason and problem:  # its own message names the source again
        problem = printable(_(problem))
        return _("sent something wrong ({problem})").format(problem=problem)
    return failures.in_our_language(source.reason, source.fields, source.message)
