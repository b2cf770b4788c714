"""How work in a thread is told to stop, and says that it did."""

import threading


class Stopped(Exception):
    """Work was asked to stop and did; what it finished is kept. Never shown to a user."""


def check(stop: threading.Event) -> None:
    """Go on, or not.

    Raises:
        Stopped: the event is set.
    """
    if stop.is_set():
        raise Stopped
