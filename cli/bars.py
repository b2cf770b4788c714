"""Progress bars for a terminal; imported only there, because rich takes its time."""

from collections.abc import Sequence
from gettext import gettext as _
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from cli import output
from cli.progress import percent, reason_text, time_left
from cli.words import word
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.text import printable


class Bars:
    """A display of one bar for each download, with speed, time left and source."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TextColumn("{task.fields[detail]}", markup=False),
            expand=True,
        )
        self._tasks: dict[int, TaskID] = {}
        self._paths: dict[str, str] = {}

    def show(self, downloads: Sequence[Download]) -> None:
        """Draw the downloads as they are now."""
        for download in downloads:
            if download.download_id not in self._tasks:
                self._tasks[download.download_id] = self._progress.add_task(
                    printable(download.name), total=100, detail=""
                )
            if download.path:
                self._paths[printable(download.name)] = printable(download.path)
            self._progress.update(
                self._tasks[download.download_id],
                completed=percent(download),
                detail=_detail(download),
            )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()
        for name, path in self._paths.items():
            output.say(_("{name}: done: {path}").format(name=name, path=path))


def _detail(download: Download) -> str:
    amount = f"{output.size(download.verified_bytes)} / {output.size(download.size_bytes)}"
    if download.state is DownloadState.RUNNING:
        source = _("from {source}").format(source=printable(download.source))
        parts = [amount, output.rate(download.rate), time_left(download)]
        return "  ".join(filter(None, [*parts, source if download.source else ""]))
    if download.state is DownloadState.DONE:
        return f"{output.size(download.size_bytes)}  {word(download.state.value)}"
    return "  ".join(filter(None, [word(download.state.value), reason_text(download)]))
