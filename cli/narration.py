"""Says what happens to downloads, in lines and in parts of lines."""

from collections.abc import Iterator, Sequence
from gettext import gettext as _

from cli import failures, output
from peer_service.downloads.model import Download, DownloadState
from videoteca_core.text import printable

_STEP_PERCENT = 10


class Narrator:
    """Tells in lines what happens to downloads, each thing once."""

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self._told: dict[int, tuple[str, ...]] = {}

    def lines(self, downloads: Sequence[Download]) -> Iterator[str]:
        """What is new since the last time."""
        for download in downloads:
            yield from self._lines(download)

    def skip(self, downloads: Sequence[Download]) -> None:
        """Take what is so now as told."""
        for _line in self.lines(downloads):
            pass

    def _lines(self, download: Download) -> Iterator[str]:
        name, number = printable(download.name), download.download_id
        if download.state is DownloadState.RUNNING and not download.source:
            yield from self._percents(download, name)  # it still looks for a source: no news
            return
        news = (download.state.value, download.source, download.reason)
        known = self._told.get(number, ("",) * len(news))
        self._told[number] = news
        changed = news != known
        if download.state is DownloadState.RUNNING and changed:
            yield _("{name}: downloading {size} from {source}").format(
                name=name, size=output.size(download.size_bytes), source=printable(download.source)
            )
        yield from self._percents(download, name)
        if changed and download.state is not DownloadState.RUNNING:
            yield from _state_lines(download, name, known[0])

    def _percents(self, download: Download, name: str) -> Iterator[str]:
        reached = percent(download) // _STEP_PERCENT
        for step in range(self._steps.get(download.download_id, 0) + 1, reached + 1):
            amount = f"{step * _STEP_PERCENT} %"
            if download.rate and step == reached:
                yield f"{name}: {amount}  {output.rate(download.rate)}  {time_left(download)}"
            else:
                yield f"{name}: {amount}"
        self._steps[download.download_id] = reached


def _state_lines(download: Download, name: str, state_before: str) -> Iterator[str]:
    why = reason_text(download)
    match download.state:
        case DownloadState.DONE:
            yield _("{name}: done: {path}").format(name=name, path=printable(download.path))
        case DownloadState.PAUSED:
            yield _("{name}: paused").format(name=name)
        case DownloadState.CANCELLED:
            yield _("{name}: cancelled").format(name=name)
        case DownloadState.FAILED:
            yield _("{name}: failed: {why}").format(name=name, why=why)
        case DownloadState.WAITING if why and state_before == DownloadState.RUNNING.value:
            yield _("{name}: connection lost: {why}").format(name=name, why=why)
        case DownloadState.WAITING if why:
            yield _("{name}: waiting: {why}").format(name=name, why=why)


def percent(download: Download) -> int:
    """How much of a download is verified; an empty video is all there once it is done."""
    if download.size_bytes:
        return 100 * download.verified_bytes // download.size_bytes
    return 100 if download.state is DownloadState.DONE else 0


def time_left(download: Download) -> str:
    """How long a running download still takes, ``MM:SS`` or ``H:MM:SS``; empty when unknown."""
    if not download.rate:
        return ""
    seconds = (download.size_bytes - download.verified_bytes) // download.rate
    hours, minutes = seconds // 3600, seconds // 60 % 60
    text = f"{minutes:02}:{seconds % 60:02}"
    return f"{hours}:{text}" if hours else text


def reason_text(download: Download) -> str:
    """Why a download waits or failed, in our language; empty otherwise."""
    return failures.in_our_language(download.reason, download.fields, download.message)
