"""Videos for tests: bytes that look like nothing else, and what follows from them."""

from collections.abc import Sequence

from blake3 import blake3

from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import HoldingState, LocatedVideo, Source
from videoteca_core.manifest import Manifest, digest, piece_size

MIB = 1 << 20


def video_bytes(size: int, seed: int = 0) -> bytes:
    """So many random bytes, the same for the same seed."""
    return blake3(str(seed).encode()).digest(length=size)


def manifest_of(data: bytes) -> Manifest:
    """The manifest of a video."""
    step = piece_size(len(data))
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    return Manifest(len(data), b"".join(map(digest, pieces)))


def located(
    manifest: Manifest, name: str, sources: Sequence[tuple[str, Endpoint]] = ()
) -> LocatedVideo:
    """What a tracker says of a video that these peers have."""
    return LocatedVideo(
        name=name,
        video_id=manifest.video_id,
        size_bytes=manifest.size_bytes,
        sources=tuple(
            Source(peer, HoldingState.COMPLETE, (endpoint,)) for peer, endpoint in sources
        ),
        owners=tuple(peer for peer, _ in sources),
        holders=len(sources),
    )
