"""Says what happens to downloads, in lines and in parts of lines."""

from collections.abc import Iterator, Sequence
from gettext import gettext as _

from cli import failures, output, sources
from cli.words import word
from peer_service.downloads.model import Download, DownloadState
from videoteca_core import errors
from videoteca_core.text import printable

_STEP_PERCENT = 10


class Narrator:
    """Tells in lines what happens to downloads, each thing once."""

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self._told: dict[int, tuple[str, str]] = {}
        self._drops = sources.Drops()

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
        yield from self._drops.lines(download)
        begun = sources.sending(download)
        if download.state is DownloadState.RUNNING and not begun:
            yield from self._percents(download, name)  # it still looks for a source: no news
            return
        news = (download.state.value, download.reason)
        known = self._told.get(number, ("", ""))
        self._told[number] = news
        changed = news != known
        if begun and changed:
            yield _("{name}: downloading {size} from {source}").format(
                name=name,
                size=output.size(download.size_bytes),
                source=printable(", ".join(source.peer for source in begun)),
            )
        yield from self._percents(download, name)
        if changed and download.state is not DownloadState.RUNNING:
            yield from _state_lines(download, name, known[0])

    def _percents(self, download: Download, name: str) -> Iterator[str]:
        reached = percent(download) // _STEP_PERCENT
        for step in range(self._steps.get(download.download_id, 0) + 1, reached + 1):
            amount = f"{step * _STEP_PERCENT} %"
            if download.rate and step == reached:
                now = (amount, output.rate(download.rate), time_left(download))
                yield f"{name}: {'  '.join((*now, sources.origin(download))).rstrip()}"
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
        case DownloadState.WAITING if why and _was_cut_off(download, state_before):
            yield _("{name}: connection lost: {why}").format(name=name, why=why)
        case DownloadState.WAITING if why:
            yield f"{name}: {state_text(download)}: {why}"


def _was_cut_off(download: Download, state_before: str) -> bool:
    kind = errors.BY_REASON.get(download.reason, errors.VideotecaError)
    return state_before == DownloadState.RUNNING.value and not issubclass(
        kind, errors.LocalTrouble | errors.Busy
    )


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


def state_text(download: Download) -> str:
    """Where a download stands, in a word or two."""
    if download.state is DownloadState.WAITING and download.reason == errors.DiskFull.reason:
        return _("waiting for space")
    return word(download.state.value)


def reason_text(download: Download) -> str:
    """Why a download waits or failed, in our language; empty otherwise."""
    return failures.in_our_language(download.reason, download.fields, download.message)
