"""Whose turn it is, so that all have the same: parts of parts of a whole. Pure."""

from collections.abc import Hashable


class Share:
    """What somebody has had, beside others within the same whole; or the whole itself.

    A turn belongs to the part that has had the least, and within it again to its part that has had
    the least, down to one without parts. Who comes new begins with what the others have had.

    Args:
        whole: what it is a part of; none for the whole itself.
        key: what tells it from the other parts.

    Attributes:
        waiting: how many of the last parts wait for a turn.
        had: how much it has had.
        level: what the part that had the last turn had had before.
        parts: its parts by their keys.
    """

    def __init__(self, whole: "Share | None" = None, key: Hashable = None) -> None:
        self.waiting = 0
        self.level = 0.0
        self.had: float = whole.level if whole else 0.0
        self.parts: dict[Hashable, Share] = {}
        self._whole = whole
        self._key = key

    def part(self, key: Hashable) -> "Share":
        """The part with that key, made if there is none."""
        if key not in self.parts:
            self.parts[key] = Share(self, key)
        return self.parts[key]

    def leave(self) -> None:
        """Be a part no longer; the whole leaves with its last part."""
        if self._whole and not self.parts:
            del self._whole.parts[self._key]
            self._whole.leave()

    def wait(self, credit: float) -> None:
        """Begin to wait for a turn.

        Args:
            credit: how much of what it missed when it did not wait is made up for.
        """
        if self._whole:
            if not self.waiting:
                self.had = max(self.had, self._whole.level - credit)
            self._whole.wait(credit)
        self.waiting += 1

    def stop_waiting(self) -> None:
        """Wait no longer."""
        self.waiting -= 1
        if self._whole:
            self._whole.stop_waiting()

    def next(self) -> "Share":
        """The last part whose turn it is; one must wait."""
        if not self.parts:
            return self
        waiting = (part for part in self.parts.values() if part.waiting)
        return min(waiting, key=lambda part: part.had).next()

    def take(self, amount: float) -> None:
        """Have so much more."""
        if self._whole:
            self._whole.level = max(self._whole.level, self.had)
            self._whole.take(amount)
        self.had += amount
