"""Something that changes in any thread, and whoever waits for that on an event loop."""

import asyncio
import threading


class News:
    """A version that grows with every change. Usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = 0
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def version(self) -> int:
        """Another number after every change."""
        return self._version

    def tell(self) -> None:
        """Something changed."""
        with self._lock:
            self._version += 1
            for loop, event in self._waiters:
                loop.call_soon_threadsafe(event.set)
            self._waiters.clear()

    async def changed(self, since: int) -> int:
        """Wait until the version is another one, and return it."""
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        with self._lock:
            if self._version != since:
                return self._version
            self._waiters.add(waiter)
        try:
            await event.wait()
        finally:
            with self._lock:
                self._waiters.discard(waiter)
        return self._version
