"""Reads a stream so that Ctrl-C is safe at any moment."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class _End(Exception):
    """The stream ended, as it should."""


def interruptible(stream: Iterable[Item]) -> Iterator[Item]:
    """The items of a gRPC stream, which a thread of its own reads.

    A KeyboardInterrupt in the middle of gRPC's bookkeeping leaves a channel that can never be
    closed; so the main thread, where it is raised, only ever waits for the other one. That one
    ends with the stream, at the latest when the channel is closed.
    """
    arrived: queue.SimpleQueue[Item | Exception] = queue.SimpleQueue()

    def read() -> None:
        try:
            for item in stream:
                arrived.put(item)
        except Exception as error:  # noqa: BLE001 - raised again where the items are wanted
            arrived.put(error)
        else:
            arrived.put(_End())

    threading.Thread(target=read, name="stream", daemon=True).start()
    while True:
        item = arrived.get()
        if isinstance(item, _End):
            return
        if isinstance(item, Exception):
            raise item
        yield item
