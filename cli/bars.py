"""Progress bars for a terminal; imported only there, because rich takes its time."""

from collections.abc import Sequence
from gettext import gettext as _
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import output
from cli.layout import Bar, Layout, layout
from cli.sources import Drops
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.text import printable


class Bars:
    """A display of one bar for each download, with speed, time left and sources.

    It is drawn anew when something changed, and never gets lower before its end, so that nothing
    jumps on the screen. What is to be read once stands above it.
    """

    def __init__(self) -> None:
        self._live = Live(console=Console(), auto_refresh=False)
        self._downloads: dict[int, Download] = {}
        self._drops = Drops()
        self._height = 0

    def show(self, downloads: Sequence[Download]) -> None:
        """Draw the downloads as they are now, in the order in which they came first."""
        self._downloads |= {each.download_id: each for each in downloads}
        for download in downloads:
            for line in self._drops.lines(download):
                self._live.console.print(Text(line))
        lines = _drawn(self._layout())
        self._height = max(self._height, len(lines))
        empty = [Text()] * (min(self._height, self._most_lines()) - len(lines))
        self._live.update(Group(*lines, *empty), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.update(Group(*_drawn(self._layout())), refresh=True)
        self._live.stop()
        for download in self._downloads.values():
            if download.state is DownloadState.DONE:
                name, path = printable(download.name), printable(download.path)
                output.say(_("{name}: done: {path}").format(name=name, path=path))

    def _layout(self) -> Layout:
        return layout(tuple(self._downloads.values()), self._live.console.width, self._most_lines())

    def _most_lines(self) -> int:
        return self._live.console.height - 1


def _drawn(laid_out: Layout) -> list[RenderableType]:
    return [
        _bar(line, laid_out) if isinstance(line, Bar) else Text(line, style="dim", no_wrap=True)
        for line in laid_out.lines
    ]


def _bar(line: Bar, laid_out: Layout) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=laid_out.name_columns, no_wrap=True)
    grid.add_column(width=laid_out.bar_columns)
    grid.add_column(width=len("100 %"), no_wrap=True, justify="right")
    grid.add_column(width=laid_out.detail_columns, no_wrap=True)
    grid.add_row(
        Text(line.name),
        ProgressBar(total=100, completed=line.percent, width=laid_out.bar_columns),
        Text(f"{line.percent} %"),
        Text(line.detail),
    )
    return grid
