"""A peer that is still downloading serves each piece from the moment that it is there."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.calling import MIB, answers, fetch
from tests.growing import Growing
from tests.sharing import Sharing, sharing
from tests.videos import video_bytes
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.catalogue import HoldingState
from videoteca_core.errors import PieceMissing

DATA = video_bytes(5 * MIB + 321)
PIECES = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "received"
    path.mkdir()
    return path


@pytest.fixture
def peer(folder: Path, tmp_path: Path) -> Iterator[Sharing]:
    with sharing(tmp_path / "peer.db", folder) as running:
        yield running


@pytest.fixture
def stub(peer: Sharing) -> Iterator[PeerStub]:
    with peer.stub() as made:
        yield made


@pytest.fixture
def clip(peer: Sharing, folder: Path) -> Growing:
    growing = Growing(folder / ".videoteca", DATA)
    peer.library.offer(growing.partial)
    return growing


def told(peer: Sharing) -> list[tuple[str, HoldingState]]:
    return [(holding.name, holding.state) for holding in peer.library.holdings()]


def test_a_piece_is_served_from_the_moment_that_it_is_there(clip: Growing, stub: PeerStub) -> None:
    for piece in (4, 0, 5, 2):
        offset, length = clip.partial.manifest.piece_range(piece)
        with answers(grpc.StatusCode.FAILED_PRECONDITION, PieceMissing):
            fetch(stub, video_id=clip.video_id, offset_bytes=offset)
        clip.add(piece)
        header, data = fetch(stub, video_id=clip.video_id, offset_bytes=offset, length_bytes=length)
        assert data == DATA[offset : offset + length]
        assert (header.size_bytes, header.granted_bytes) == (len(DATA), length)


@pytest.mark.parametrize(
    ("offset", "length", "end"),
    [
        (0, None, 2 * MIB),
        (0, 7, 7),
        (MIB + 9, None, 2 * MIB),
        (MIB + 9, 4 * MIB, 2 * MIB),
        (4 * MIB, None, len(DATA)),
        (len(DATA) - 1, 100, len(DATA)),
        (len(DATA), None, len(DATA)),
        (3 * MIB, 0, 3 * MIB),
    ],
)
def test_a_grant_ends_with_the_pieces_that_are_there(
    clip: Growing, stub: PeerStub, offset: int, length: int | None, end: int
) -> None:
    clip.add(0, 1, 4, 5)
    for asked in ({"video_id": clip.video_id}, {"name": "clip.mp4"}):
        header, data = fetch(stub, offset_bytes=offset, length_bytes=length, **asked)
        assert (header.granted_bytes, data) == (end - offset, DATA[offset:end])
