"""Progress bars for a terminal; imported only there, because rich takes its time."""

from collections.abc import Sequence
from gettext import gettext as _
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from cli import output
from cli.narration import percent, reason_text, time_left
from cli.words import word
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.text import printable

_BAR_AND_PERCENT = 4 + len("100 %") + 3
"""The columns of a terminal that the shortest bar, the percentage and the gaps take."""


class Bars:
    """A display of one bar for each download, with speed, time left and source."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(),
            expand=True,
        )
        self._tasks: dict[int, TaskID] = {}
        self._paths: dict[str, str] = {}

    def show(self, downloads: Sequence[Download]) -> None:
        """Draw the downloads as they are now."""
        width = self._progress.console.width
        names = [output.fitted(printable(each.name), width // 3) for each in downloads]
        room = width - max(map(output.columns_of, names), default=0) - _BAR_AND_PERCENT
        for download, name in zip(downloads, names, strict=True):
            if download.download_id not in self._tasks:
                self._tasks[download.download_id] = self._progress.add_task(
                    name, total=100, detail=""
                )
            if download.path:
                self._paths[printable(download.name)] = printable(download.path)
            self._progress.update(
                self._tasks[download.download_id],
                description=name,
                completed=percent(download),
                detail=_detail(download, room),
            )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()
        for name, path in self._paths.items():
            output.say(_("{name}: done: {path}").format(name=name, path=path))


def _detail(download: Download, room: int) -> str:
    """What stands behind the bar; on a narrow terminal what is least missed goes first."""
    if download.state is not DownloadState.RUNNING:
        done = download.state is DownloadState.DONE
        parts = [output.size(download.size_bytes)] if done else []
        parts += [word(download.state.value), reason_text(download)]
        return output.fitted("  ".join(filter(None, parts)), room)
    amount = f"{output.size(download.verified_bytes)} / {output.size(download.size_bytes)}"
    source = _("from {source}").format(source=printable(download.source)) if download.source else ""
    speed = [output.rate(download.rate), time_left(download)]
    for parts in ([amount, *speed, source], [amount, *speed], speed):
        detail = "  ".join(filter(None, parts))
        if output.columns_of(detail) <= room:
            return detail
    return output.fitted(output.rate(download.rate), room)
