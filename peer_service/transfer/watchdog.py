"""Watches the calls of a transfer, so that none hangs: keepalive does not find a hung peer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

import grpc

_LOOK_SECONDS: Final = 0.1
_NEVER: Final = float("inf")


class WatchedCall:
    """A call that is cancelled when it brings nothing for too long, or when it is not wanted.

    Attributes:
        stalled: whether it was cancelled because it brought nothing.
        interrupted: whether :meth:`interrupt` cancelled it.
    """

    def __init__(self, call: grpc.Call) -> None:
        self.stalled = False
        self.interrupted = False
        self._call = call
        self._deadline = _NEVER

    def waiting(self, seconds: float) -> None:
        """The peer has to bring something within so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    def received(self) -> None:
        """It did: while we are at work ourselves nothing is asked of it."""
        self._deadline = _NEVER

    def interrupt(self) -> None:
        """End it; nobody wants what it still brings."""
        self.interrupted = True
        self._call.cancel()

    def look(self, now: float, *, stopping: bool) -> None:
        """Cancel it if it is time to."""
        self.stalled = self.stalled or now > self._deadline
        if self.stalled or stopping:
            self._call.cancel()


class Watchdog(threading.Thread):
    """Looks after calls until the end of its block.

    Args:
        stop: cancels all of them when it is set.
    """

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._stop_asked = stop
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._calls: set[WatchedCall] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    @contextmanager
    def watch(self, call: grpc.Call) -> Iterator[WatchedCall]:
        """Look after a call, which ends with the block."""
        watched = WatchedCall(call)
        with self._guard:
            self._calls.add(watched)
        try:
            yield watched
        finally:
            with self._guard:
                self._calls.discard(watched)
            call.cancel()

    def run(self) -> None:
        """Look again and again."""
        while not self._over.wait(_LOOK_SECONDS):
            now, stopping = time.monotonic(), self._stop_asked.is_set()
            with self._guard:
                calls = tuple(self._calls)
            for each in calls:
                each.look(now, stopping=stopping)
