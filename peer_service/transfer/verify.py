"""Whether a file on the disk still holds what it should."""

import os
import threading
from typing import Final

from blake3 import blake3

from peer_service.stop import check
from videoteca_core.manifest import Manifest

_READ_BYTES: Final = 1 << 20  # a piece may be far too big to be read at once


def piece_is_good(fd: int, piece: int, manifest: Manifest, stop: threading.Event) -> bool:
    """Whether a piece of a file has the digest that the manifest says.

    Raises:
        OSError: it can't be read.
        Stopped: asked to stop.
    """
    offset, length = manifest.piece_range(piece)
    end = offset + length
    hasher = blake3()
    while offset < end:
        check(stop)
        data = os.pread(fd, min(_READ_BYTES, end - offset), offset)
        if not data:
            return False
        hasher.update(data)
        offset += len(data)
    return hasher.digest() == manifest.piece_digest(piece)
