"""Follows downloads: lines for a log or a prompt, bars for a terminal."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Self

from cli import failures, output
from cli.interruptible import interruptible
from cli.narration import Narrator
from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download, DownloadState
from videoteca_core import errors
from videoteca_core.errors import VideotecaError


class Display(Protocol):
    """Where the state of downloads is shown while it changes."""

    def show(self, downloads: Sequence[Download]) -> None:
        """Show the downloads as they are now."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Lines(AbstractContextManager["Lines"]):
    """A display that prints a line for each thing that happens."""

    def __init__(self) -> None:
        self._narrator = Narrator()

    def show(self, downloads: Sequence[Download]) -> None:
        """Print what is new."""
        for line in self._narrator.lines(downloads):
            output.say(line)

    def __exit__(self, *_: object) -> None:
        """Nothing is left to be done."""


class Silence(AbstractContextManager["Silence"]):
    """A display for a program that reads only what comes out in the end."""

    def show(self, downloads: Sequence[Download]) -> None:
        """Show nothing."""

    def __exit__(self, *_: object) -> None:
        """Nothing is left to be done."""


class JsonLines(AbstractContextManager["JsonLines"]):
    """A display for a program: a line of JSON for each change, with all of the downloads."""

    def show(self, downloads: Sequence[Download]) -> None:
        """Print them as they are now."""
        output.print_json({"downloads": downloads})

    def __exit__(self, *_: object) -> None:
        """Nothing is left to be done."""


def display(*, as_json: bool) -> Display:
    """The display that fits who is looking."""
    if as_json:
        return JsonLines()
    if output.on_terminal():
        from cli.bars import Bars  # noqa: PLC0415 - rich is for terminals only

        return Bars()
    return Lines()


def follow(
    control: ControlClient, downloads: Sequence[Download], shown: Display
) -> tuple[Download, ...]:
    """Show downloads until nothing more happens to any of them.

    Returns:
        The downloads as they ended.
    """
    latest = tuple(downloads)
    for latest in interruptible(control.watch([download.download_id for download in downloads])):
        shown.show(latest)
        if all(download.state.is_final for download in latest):
            break
    return latest


def failure_of(download: Download) -> VideotecaError | None:
    """The error that a download ended with; none when it is done."""
    if download.state is DownloadState.FAILED:
        return errors.rebuilt(download.reason, download.fields, download.message)
    if download.state is DownloadState.CANCELLED:
        return failures.DownloadCancelled(name=download.name)
    return None
