"""Shares a file through the running peer, for the command and the prompt alike."""

from collections.abc import Sequence
from gettext import gettext as _
from pathlib import Path

import click

from cli.interruptible import interruptible
from peer_service.control_client import ControlClient
from videoteca_core.catalogue import Holding
from videoteca_core.errors import FileMissing, RemoteFailure
from videoteca_core.text import printable


def find_file(typed: Path, shared_folders: Sequence[str]) -> Path:
    """The file that a person means: as a path from here, or below a shared folder.

    Returns:
        Its absolute path.

    Raises:
        FileMissing: there is no such file.
    """
    for folder in (Path(), *map(Path, shared_folders)):
        candidate = (folder / typed.expanduser()).absolute()
        if candidate.is_file():
            return candidate
    raise FileMissing(path=typed)


def share(control: ControlClient, path: Path, *, shown: bool) -> Holding:
    """Share a file and wait until it is.

    Args:
        control: the peer.
        path: an absolute path.
        shown: whether to show on the terminal how far it is.

    Raises:
        VideotecaError: as ``Control.Share`` answers.
    """
    label = _("hashing {name}").format(name=printable(path.name))
    holding = None
    with click.progressbar(
        length=max(path.stat().st_size, 1), label=label, hidden=not shown
    ) as bar:
        for progress in interruptible(control.share(path)):
            bar.update(progress.hashed_bytes - bar.pos)
            holding = progress.holding
    if holding is None:
        raise RemoteFailure(code="OK", detail="the peer ended without an answer")
    return holding
