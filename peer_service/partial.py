"""A video that is still being downloaded, as others may have its pieces already."""

import threading
from dataclasses import dataclass
from pathlib import Path

from peer_service.news import News
from peer_service.pieces import PieceSet
from videoteca_core.manifest import Manifest


class LivePieces:
    """The verified pieces of a download, which grow while others read. Usable from any thread.

    Attributes:
        news: told of every new piece.
    """

    def __init__(self, pieces: PieceSet) -> None:
        self.news = News()
        self._lock = threading.Lock()
        self._pieces = pieces.copy()

    def add(self, piece: int) -> None:
        """A piece was verified and written."""
        with self._lock:
            self._pieces.add(piece)
        self.news.tell()

    def snapshot(self) -> PieceSet:
        """The pieces that are there now."""
        with self._lock:
            return self._pieces.copy()

    def run_length(self, first: int) -> int:
        """How many pieces are there without a gap from that one on; 0 when it is missing."""
        with self._lock:
            return self._pieces.run_length(first)


@dataclass(frozen=True)
class PartialVideo:
    """A download that others may fetch from, piece by piece.

    Attributes:
        name: the name under which it is going to be stored.
        manifest: the video's, checked.
        folder: the folder of partial files, absolute.
        part: the name of the partial file in it.
        pieces: those that are verified and written.
    """

    name: str
    manifest: Manifest
    folder: Path
    part: str
    pieces: LivePieces
