"""What a video is: its pieces, its manifest and the id that follows from them.

Source: ``docs/protocol.md``, which has test vectors.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from blake3 import blake3

from videoteca_core.errors import InvalidRequest, InvalidVideoId

DIGEST_BYTES = 32
MIN_PIECE_BYTES = 1 << 20
MAX_PIECES = 16_384
MAX_SIZE_BYTES = (1 << 63) - 1
MIN_PREFIX_CHARACTERS = 8

_ID_TAG = b"videoteca video id v1\n"
_VIDEO_ID = re.compile(r"[0-9a-f]{64}")
_VIDEO_ID_PREFIX = re.compile(rf"[0-9a-f]{{{MIN_PREFIX_CHARACTERS},64}}")


def piece_size(size_bytes: int) -> int:
    """The one valid piece size, in bytes, of a video of that size: 1 MiB, doubled as needed."""
    size = MIN_PIECE_BYTES
    while size * MAX_PIECES < size_bytes:
        size *= 2
    return size


def piece_count(size_bytes: int) -> int:
    """How many pieces a video of that size has; none when it is empty."""
    return -(-size_bytes // piece_size(size_bytes))


def digest(data: bytes | bytearray | memoryview) -> bytes:
    """The 32-byte BLAKE3 digest of a piece, or of piece digests one after the other."""
    return blake3(data).digest()


def video_id(size_bytes: int, pieces_root: bytes) -> str:
    """The id of a video: 64 lowercase hexadecimal characters.

    Args:
        size_bytes: 0 to 2**63 - 1.
        pieces_root: 32 bytes, the digest of the piece digests.

    Raises:
        InvalidRequest: an argument is out of its range.
    """
    if not 0 <= size_bytes <= MAX_SIZE_BYTES:
        raise InvalidRequest(field="size_bytes", problem="not between 0 and 2^63 - 1")
    if len(pieces_root) != DIGEST_BYTES:
        raise InvalidRequest(field="pieces_root", problem="not 32 bytes")
    numbers = size_bytes.to_bytes(8, "little") + piece_size(size_bytes).to_bytes(8, "little")
    return digest(_ID_TAG + numbers + pieces_root).hex()


def valid_video_id(text: str) -> str:
    """Check that the text is an id, and return it.

    Raises:
        InvalidVideoId: it is not.
    """
    if not _VIDEO_ID.fullmatch(text):
        raise InvalidVideoId(video_id=text)
    return text


def is_video_id_prefix(text: str) -> bool:
    """Whether the text is an id, or its first 8 or more characters."""
    return _VIDEO_ID_PREFIX.fullmatch(text) is not None


@dataclass(frozen=True)
class Manifest:
    """The digests of a video's pieces.

    Attributes:
        size_bytes: size of the video.
        piece_digests: 32 bytes a piece, one after the other.
    """

    size_bytes: int
    piece_digests: bytes

    @classmethod
    def checked(cls, size_bytes: int, piece_digests: bytes, expected_id: str) -> Self:
        """A manifest that came from elsewhere, once it has been found to be the id's.

        Raises:
            InvalidRequest: it has the wrong number of digests, or hashes to another id.
        """
        manifest = cls(size_bytes, piece_digests)
        if not 0 <= size_bytes <= MAX_SIZE_BYTES:
            raise InvalidRequest(field="size_bytes", problem="not between 0 and 2^63 - 1")
        if len(piece_digests) != DIGEST_BYTES * manifest.piece_count:
            raise InvalidRequest(field="piece_digests", problem="does not fit the size")
        if manifest.video_id != expected_id:
            raise InvalidRequest(field="piece_digests", problem="hashes to another id")
        return manifest

    @cached_property
    def piece_size(self) -> int:
        """Bytes of every piece but the last."""
        return piece_size(self.size_bytes)

    @cached_property
    def piece_count(self) -> int:
        """How many pieces there are."""
        return piece_count(self.size_bytes)

    @cached_property
    def pieces_root(self) -> bytes:
        """32 bytes: the digest of the piece digests."""
        return digest(self.piece_digests)

    @cached_property
    def video_id(self) -> str:
        """The id of the video."""
        return video_id(self.size_bytes, self.pieces_root)

    def piece_digest(self, index: int) -> bytes:
        """The digest of the piece with that number, counted from 0."""
        return self.piece_digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]

    def piece_range(self, index: int) -> tuple[int, int]:
        """Offset and length, in bytes, of the piece with that number."""
        offset = index * self.piece_size
        return offset, min(self.piece_size, self.size_bytes - offset)
