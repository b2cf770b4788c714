"""Lays downloads out on the lines of a terminal, so that what changes keeps its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from gettext import gettext as _
from typing import Self

from cli import output, sources
from cli.narration import percent, reason_text, state_text, time_left
from cli.words import word
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.text import printable

_GAP = "  "
_AROUND_THE_BAR = len("100 %") + 3
"""The columns that the percentage and the gaps take."""

_SHORTEST_BAR = 4
_SIZE = len("99.9 MB")
_RATE = len("99.9 MB/s")
_TIME = len("00:00")
_LEAST_MISSED = ("amount", "origin", "time")


@dataclass(frozen=True)
class Bar:
    """A line with a bar: what stands before it, how full it is, and what stands behind it."""

    name: str
    percent: int
    detail: str


@dataclass(frozen=True)
class Layout:
    """The lines from top to bottom, and the columns that the parts of those with bars take."""

    lines: tuple[Bar | str, ...]
    name_columns: int
    bar_columns: int
    detail_columns: int


def layout(downloads: Sequence[Download], columns: int, lines: int) -> Layout:
    """A line with a bar for each download; below it, where there is room, what it has no room for.

    Args:
        downloads: in the order in which they are shown.
        columns: the width of the terminal.
        lines: how many there may be.
    """
    shown = _most_wanted(downloads, lines)
    hidden = len(downloads) - len(shown)
    names = [output.fitted(printable(each.name), columns // 3) for each in shown]
    name_columns = max(map(output.columns_of, names), default=0)
    room = columns - name_columns - _AROUND_THE_BAR
    details = _Details.that_fit(shown, room - _SHORTEST_BAR)
    spare = lines - len(shown) - bool(hidden)
    laid_out: list[Bar | str] = []
    for download, name in zip(shown, names, strict=True):
        detail, *below = details.of(download)
        laid_out.append(Bar(name, percent(download), detail))
        if len(below) <= spare:
            spare -= len(below)
            laid_out += [output.fitted(_GAP + line, columns) for line in below]
    if hidden:
        laid_out.append(_("… and {count} more").format(count=hidden))
    bar_columns = max(room - details.columns, _SHORTEST_BAR)
    return Layout(tuple(laid_out), name_columns, bar_columns, details.columns)


def _most_wanted(downloads: Sequence[Download], lines: int) -> Sequence[Download]:
    """Those that there are lines for: rather those that have not ended."""
    if len(downloads) <= lines:
        return downloads
    wanted = sorted(downloads, key=lambda each: each.state.is_final)[: max(lines - 1, 1)]
    return [each for each in downloads if each in wanted]


@dataclass(frozen=True)
class _Details:
    """What stands behind the bars, each part of it in columns of its own.

    Attributes:
        widths: the columns of each part that is shown, of amount, rate, time left and origin.
    """

    widths: Mapping[str, int]

    @classmethod
    def that_fit(cls, downloads: Sequence[Download], room: int) -> Self:
        """As much as so many columns have room for."""
        sizes = (output.columns_of(output.size(each.size_bytes)) for each in downloads)
        widths = {
            "amount": _SIZE + len(" / ") + max(sizes, default=_SIZE),
            "rate": _RATE,
            "time": max((_TIME, *(len(time_left(each)) for each in downloads))),
            "origin": sources.origin_columns(),
        }
        for part in _LEAST_MISSED:
            if cls(widths).columns > room:
                del widths[part]
        return cls(widths)

    @property
    def columns(self) -> int:
        """The columns of all."""
        return sum(self.widths.values()) + len(_GAP) * (len(self.widths) - 1)

    def of(self, download: Download) -> list[str]:
        """What stands behind the bar of a download, and the lines for which there is no room."""
        if download.state is DownloadState.RUNNING:
            return self._running(download)
        size = output.size(download.size_bytes) if download.state is DownloadState.DONE else ""
        state, reason = state_text(download), reason_text(download)
        whole = _GAP.join(filter(None, (size, state, reason)))
        if output.columns_of(whole) <= self.columns:
            return [whole]
        if output.columns_of(state) > self.columns:
            state = output.fitted(word(download.state.value), self.columns)
        return [state, *filter(None, [reason])]

    def _running(self, download: Download) -> list[str]:
        origin = sources.origin(download, sources.NAME_COLUMNS)
        size, verified = output.size(download.size_bytes), output.size(download.verified_bytes)
        parts = {
            "amount": f"{verified} / {size}",
            "rate": output.rate(download.rate),
            "time": time_left(download),
        }
        shown = [f"{parts[each]:>{self.widths[each]}}" for each in parts if each in self.widths]
        below = sources.source_lines(download)
        if "origin" in self.widths:
            shown.append(output.fitted(origin, self.widths["origin"]))
        elif origin:
            below.insert(0, origin)
        return [_GAP.join(shown), *below]
