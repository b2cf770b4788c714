"""A download as others see it: a real partial file, to which the test adds pieces."""

from pathlib import Path

from peer_service.partial import LivePieces, PartialVideo
from peer_service.pieces import PieceSet
from tests.videos import manifest_of


class Growing:
    """A video of which no piece is here yet, in a file of its full size.

    Args:
        folder: the folder of partial files.
        data: the video.
        name: the name that it is going to have.

    Attributes:
        partial: what is offered.
        path: the partial file.
    """

    def __init__(self, folder: Path, data: bytes, name: str = "clip.mp4") -> None:
        self._data = data
        manifest = manifest_of(data)
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{manifest.video_id}.part"
        self.path.write_bytes(bytes(len(data)))
        pieces = LivePieces(PieceSet(manifest.piece_count))
        self.partial = PartialVideo(name, manifest, folder, self.path.name, pieces)
        self.video_id = manifest.video_id

    def add(self, *pieces: int) -> None:
        """Write pieces, and tell of them."""
        for piece in pieces:
            offset, length = self.partial.manifest.piece_range(piece)
            with self.path.open("r+b") as file:
                file.seek(offset)
                file.write(self._data[offset : offset + length])
            self.partial.pieces.add(piece)

    def finish(self, folder: Path) -> Path:
        """Give the file, which is complete, its name in a folder."""
        return self.path.rename(folder / self.partial.name)
