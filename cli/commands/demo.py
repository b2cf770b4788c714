"""`demo`: a tracker and two peers on this machine, and a real video that goes across."""

import filecmp
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from gettext import gettext as _
from pathlib import Path
from typing import Any

import click

from cli import framework, output
from cli.failures import FilesNotIntact
from cli.progress import Silence, display, follow
from cli.settings import Settings
from peer_service.control_client import ControlClient
from peer_service.downloads.model import Download, DownloadState
from peer_service.home import Home
from videoteca_core.catalogue import VideoQuery
from videoteca_core.errors import (
    FileMissing,
    FolderUnusable,
    NoSourceOnline,
    RemoteFailure,
    VideoUnknown,
    rebuilt,
)
from videoteca_core.names import valid_name
from videoteca_core.text import printable

_OWN_VIDEO = Path(__file__).parents[1] / "assets" / "demo.mp4"
_FOLDER = Path("videoteca-demo")
_MARK = ".made-by-videoteca-demo"
_PATIENCE_SECONDS = 30.0
_STEPS = 5


@dataclass(frozen=True)
class Outcome:
    """What happened."""

    name: str
    video_id: str
    size_bytes: int
    seconds: float
    original: Path
    path: Path
    identical: bool


@framework.command(
    help=_(
        "Run a tracker and two peers on this machine, share VIDEO with one of them (a short video "
        "that comes with the program if none is given) and download it with the other. What it "
        "makes is in the folder videoteca-demo."
    )
)
@click.argument("video", metavar=_("[VIDEO]"), required=False, type=click.Path(path_type=Path))
@framework.pass_settings
def command(settings: Settings, video: Path | None) -> None:
    """Show it all."""
    original = (video or _OWN_VIDEO).absolute()
    if not original.is_file():
        raise FileMissing(path=original)
    valid_name(original.name)
    outcome = _run(settings, original, _fresh_folder(_FOLDER.absolute()))
    output.emit(settings, outcome, _story(outcome))
    if not outcome.identical:
        raise FilesNotIntact(count=1)


def _run(settings: Settings, original: Path, folder: Path) -> Outcome:
    with ExitStack() as stack:
        _step(settings, 1, _("a tracker starts"))
        tracker = stack.enter_context(
            _process(folder / "tracker", "tracker", "--listen", "127.0.0.1:0")
        )
        where = f"{tracker['listen']['host']}:{tracker['listen']['port']}"
        _step(settings, 2, _("two peers start: ana shares, bruno receives"))
        ana = stack.enter_context(_peer(folder, "ana", where))
        bruno = stack.enter_context(_peer(folder, "bruno", where))
        _step(settings, 3, _("ana publishes {name}").format(name=printable(original.name)))
        for progress in ana.share(original):
            holding = progress.holding
        assert holding
        _step(settings, 4, _("bruno downloads it, every piece verified"))
        started = time.monotonic()
        download = _download(settings, bruno, VideoQuery(video_id=holding.video_id))
        seconds = time.monotonic() - started
        _step(settings, 5, _("both files are compared, byte by byte"))
        path = Path(download.path)
        return Outcome(
            name=holding.name,
            video_id=holding.video_id,
            size_bytes=holding.size_bytes,
            seconds=round(seconds, 3),
            original=original,
            path=path,
            identical=filecmp.cmp(original, path, shallow=False),
        )


def _download(settings: Settings, bruno: ControlClient, query: VideoQuery) -> Download:
    queued = _when_published(bruno, query)
    with Silence() if settings.as_json else display(as_json=False) as shown:
        (ended,) = follow(bruno, [queued], shown)
    if ended.state is not DownloadState.DONE:
        raise rebuilt(ended.reason, ended.fields, ended.message)
    return ended


def _when_published(bruno: ControlClient, query: VideoQuery) -> Download:
    """Queue the video as soon as the tracker knows it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return bruno.enqueue(query)[0]
        except VideoUnknown:
            if time.monotonic() > deadline:
                raise NoSourceOnline(name=query) from None
            time.sleep(0.1)


@contextmanager
def _peer(folder: Path, name: str, tracker: str) -> Iterator[ControlClient]:
    home = folder / name
    options = {"--name": name, "--tracker": tracker, "--listen": "127.0.0.1:0"}
    options |= {"--shared": str(home / "shared"), "--received": str(home / "received")}
    words = [word for option in options.items() for word in option]
    with _process(home, "peer", *words), ControlClient(Home(home).running_socket()) as control:
        yield control


@contextmanager
def _process(home: Path, *words: str) -> Iterator[dict[str, Any]]:
    """A videoteca of its own: what it prints once it serves; its log goes to its home."""
    home.mkdir(parents=True)
    log = home / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "cli.main", "--home", str(home), "--json", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            assert process.stdout
            started = process.stdout.readline()
            if not started:
                raise RemoteFailure(code=words[0], detail=_last_line(log))
            yield json.loads(started)
        finally:
            process.terminate()


def _last_line(log: Path) -> str:
    return (log.read_text().splitlines() or [str(log)])[-1]


def _fresh_folder(folder: Path) -> Path:
    """The demo's folder, without what an earlier demo left; never anybody else's."""
    mark = folder / _MARK
    if folder.exists() and not mark.exists():
        raise FolderUnusable(path=folder, detail=_("it is not an earlier demo's; move it away"))
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        mark.touch()
    except OSError as error:
        raise FolderUnusable(path=folder, detail=error.strerror) from error
    return folder


def _step(settings: Settings, number: int, text: str) -> None:
    if not settings.as_json:
        output.say(f"[{number}/{_STEPS}] {text}")


def _story(outcome: Outcome) -> str:
    lines: Sequence[tuple[str, str]] = (
        (_("video"), f"{printable(outcome.name)}  {output.size(outcome.size_bytes)}"),
        (_("id"), outcome.video_id),
        (
            _("time"),
            _("{seconds:.2f} s from the wish to the synced file, {rate}").format(
                seconds=outcome.seconds,
                rate=output.rate(outcome.size_bytes / max(outcome.seconds, 0.001)),
            ),
        ),
        (_("original"), printable(str(outcome.original))),
        (_("received"), printable(str(outcome.path))),
        (_("identical"), output.yes_or_no(outcome.identical)),
    )
    width = max(len(title) for title, _text in lines)
    return "\n" + "\n".join(f"  {title:<{width}}  {text}" for title, text in lines)
