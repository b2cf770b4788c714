"""The note of which pieces of a partial file count."""

import os
from pathlib import Path
from typing import Final, Self

from peer_service.durable import sync, write_all
from peer_service.pieces import PieceSet
from videoteca_core.manifest import DIGEST_BYTES, Manifest, digest

_NUMBER_BYTES: Final = 8
_PLACES: Final = 2


class ProgressNote:
    """A small file with two places, which are written in turn.

    So one of them is whole at any moment, and the space for both is there beforehand: pieces can
    be counted on a disk that is full. In a place are, one after the other, the number of the
    writing and the time of the partial file (8 bytes each, little-endian), a byte for each piece
    (1 where it counts), and a seal over all that and the video's id.

    Args:
        name: of the file, made when missing.
        folder_fd: the folder of partial files.
        manifest: the video's.

    Attributes:
        pieces: those that were noted last; none when no note is whole.
        noted_at: the time, in nanoseconds, that the partial file had then; 0 when it was not
            closed properly.

    Raises:
        OSError: the disk refuses.
    """

    def __init__(self, name: Path | str, folder_fd: int, manifest: Manifest) -> None:
        self._seal_key = manifest.video_id.encode()
        self._place_bytes = 2 * _NUMBER_BYTES + manifest.piece_count + DIGEST_BYTES
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(name, flags, 0o600, dir_fd=folder_fd)
        try:
            self._number, self.noted_at, flags_noted = max(self._whole(), default=(0, 0, b""))
            self.pieces = PieceSet.from_bytes(flags_noted or bytes(manifest.piece_count))
            if os.fstat(self._fd).st_size != _PLACES * self._place_bytes:
                self._make_room()
                sync(folder_fd)
        except BaseException:
            self.close()
            raise

    def write(self, pieces: PieceSet, noted_at: int) -> None:
        """Note, durably, that exactly these pieces count.

        Raises:
            OSError: the disk refuses; the note before stays.
        """
        self._number += 1
        numbers = self._number, noted_at
        content = b"".join(number.to_bytes(_NUMBER_BYTES, "little") for number in numbers)
        content += pieces.to_bytes()
        place = self._number % _PLACES * self._place_bytes
        write_all(self._fd, content + self._seal(content), place)
        sync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _whole(self) -> list[tuple[int, int, bytes]]:
        """Number, time and flags of each place whose seal is right."""
        found = []
        for place in range(_PLACES):
            data = os.pread(self._fd, self._place_bytes, place * self._place_bytes)
            content, seal = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
            if len(data) == self._place_bytes and seal == self._seal(content):
                number, noted_at = (
                    int.from_bytes(content[at : at + _NUMBER_BYTES], "little")
                    for at in (0, _NUMBER_BYTES)
                )
                found.append((number, noted_at, content[2 * _NUMBER_BYTES :]))
        return found

    def _make_room(self) -> None:
        """Give the file its size; a note that is whole stays so."""
        size, room = os.fstat(self._fd).st_size, _PLACES * self._place_bytes
        write_all(self._fd, bytes(max(0, room - size)), size)
        os.ftruncate(self._fd, room)
        sync(self._fd)

    def _seal(self, content: bytes) -> bytes:
        return digest(self._seal_key + content)
