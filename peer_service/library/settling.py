"""Decides when a file has been still for long enough to be hashed."""

from collections.abc import Iterable

from peer_service.library.model import FileStamp, FoundFile


class Settling:
    """Remembers since when files have looked the same.

    Args:
        still_seconds: how long a file must look the same.
    """

    def __init__(self, still_seconds: float) -> None:
        self._still_seconds = still_seconds
        self._since: dict[str, tuple[FileStamp, float]] = {}

    def observe(self, files: Iterable[FoundFile], now: float) -> frozenset[str]:
        """Take note of how files look now, and forget those that are not among them.

        Returns:
            The paths of those that have been still for long enough.
        """
        seen = {}
        settled = set()
        for file in files:
            path = file.path
            stamp, since = self._since.get(path, (None, now))
            if stamp != file.stamp or since > now:  # the clock may be set back
                since = now
            seen[path] = (file.stamp, since)
            if now - since >= self._still_seconds:
                settled.add(path)
        self._since = seen
        return frozenset(settled)
