"""Ways from the command line to a peer: the one that runs on this home, or one of its own."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cli.failures import Reported
from cli.settings import Settings
from peer_service.control_client import ControlClient
from videoteca_core.addresses import TRACKER_PORT, Endpoint
from videoteca_core.errors import NoPeerRunning, Unreachable, VideotecaError

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def running_peer(settings: Settings) -> Iterator[ControlClient]:
    """The peer that runs on this home.

    Raises:
        NoPeerRunning: none does, or it ended meanwhile.
        HomeBusy: a command that works in the foreground holds the home.
    """
    socket = settings.home.running_socket()
    try:
        with ControlClient(socket) as control:
            yield control
    except Unreachable as error:
        if error.fields.get("address") != str(socket):
            raise
        raise NoPeerRunning(home=settings.home.path) from error


@contextmanager
def own_peer(
    settings: Settings, *, run_downloads: bool, download_limit: int = 0
) -> Iterator[ControlClient]:
    """A peer inside this command, which serves nobody else.

    Args:
        settings: the global options.
        run_downloads: whether it works on the queue, for which it needs the tracker.
        download_limit: bytes a second that it receives at most; 0: no limit.

    Raises:
        HomeBusy: another process uses the home.
    """
    from cli.own_peer import config_of, quiet_peer  # noqa: PLC0415 - takes long, is seldom needed

    nowhere = Endpoint("127.0.0.1", TRACKER_PORT)  # a queue that is only looked at asks nobody
    known = run_downloads or settings.tracker_option or settings.identity
    config = config_of(
        settings,
        settings.tracker if known else nowhere,
        run_downloads=run_downloads,
        download_limit=download_limit,
    )
    with quiet_peer(config) as control:
        yield control


@contextmanager
def queue(settings: Settings) -> Iterator[ControlClient]:
    """The queue of this home, whether its peer is running or not."""
    try:
        settings.home.running_socket()
    except NoPeerRunning:
        with own_peer(settings, run_downloads=False) as control:
            yield control
    else:
        with running_peer(settings) as control:
            yield control


def try_each(
    settings: Settings, items: Iterable[Item], act: Callable[[Item], Result]
) -> tuple[list[Result], VideotecaError | None]:
    """Do something with each item; tell at once of those where it fails, and go on.

    Returns:
        The results, and the first error.
    """
    results, first = [], None
    for item in items:
        try:
            results.append(act(item))
        except VideotecaError as error:
            settings.report(error)
            first = first or error
    return results, first


def leave_with(error: VideotecaError | None) -> None:
    """End with the exit code of an error that was told already, if there is one."""
    if error:
        raise Reported(error) from error
