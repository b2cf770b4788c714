"""Manifests and ids: what is refused. What is computed is in test_protocol_vectors.py."""

import pytest

from videoteca_core.errors import InvalidRequest, InvalidVideoId
from videoteca_core.manifest import (
    DIGEST_BYTES,
    MAX_PIECES,
    MAX_SIZE_BYTES,
    MIN_PIECE_BYTES,
    Manifest,
    digest,
    is_video_id_prefix,
    piece_count,
    valid_video_id,
    video_id,
)

ID = "0123456789abcdef" * 4


def test_a_video_never_has_more_pieces_than_a_manifest_holds() -> None:
    limit = MIN_PIECE_BYTES * MAX_PIECES
    assert piece_count(limit) == MAX_PIECES
    assert piece_count(limit + 1) == MAX_PIECES // 2 + 1
    assert piece_count(MAX_SIZE_BYTES) == MAX_PIECES


def test_an_empty_video_has_no_piece() -> None:
    empty = Manifest(0, b"")
    assert empty.piece_count == 0
    assert Manifest.checked(0, b"", empty.video_id) == empty


def test_the_last_piece_may_be_short() -> None:
    manifest = Manifest(MIN_PIECE_BYTES + 1, digest(b"a") + digest(b"b"))
    assert manifest.piece_range(0) == (0, MIN_PIECE_BYTES)
    assert manifest.piece_range(1) == (MIN_PIECE_BYTES, 1)
    assert manifest.piece_digest(0) == digest(b"a")
    assert manifest.piece_digest(1) == digest(b"b")


def test_a_manifest_from_elsewhere_is_taken_when_it_is_the_ids() -> None:
    manifest = Manifest(5, digest(b"12345"))
    assert Manifest.checked(5, digest(b"12345"), manifest.video_id) == manifest


@pytest.mark.parametrize(
    ("size_bytes", "piece_digests"),
    [
        pytest.param(5, digest(b"other"), id="other content"),
        pytest.param(6, digest(b"12345"), id="other size"),
        pytest.param(5, b"", id="no digest"),
        pytest.param(5, digest(b"12345")[:-1], id="cut digest"),
        pytest.param(5, digest(b"12345") * 2, id="a digest too many"),
        pytest.param(MIN_PIECE_BYTES + 1, digest(b"12345"), id="a digest too few"),
        pytest.param(0, digest(b"12345"), id="empty with a digest"),
        pytest.param(-1, b"", id="negative"),
        pytest.param(MAX_SIZE_BYTES + 1, bytes(DIGEST_BYTES) * MAX_PIECES, id="too big"),
    ],
)
def test_a_manifest_that_does_not_fit_the_id_is_refused(
    size_bytes: int, piece_digests: bytes
) -> None:
    with pytest.raises(InvalidRequest):
        Manifest.checked(size_bytes, piece_digests, Manifest(5, digest(b"12345")).video_id)


@pytest.mark.parametrize(
    ("size_bytes", "root", "field"),
    [
        (-1, bytes(32), "size_bytes"),
        (MAX_SIZE_BYTES + 1, bytes(32), "size_bytes"),
        (0, bytes(31), "pieces_root"),
        (0, bytes(33), "pieces_root"),
    ],
)
def test_an_id_is_made_of_valid_parts_only(size_bytes: int, root: bytes, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        video_id(size_bytes, root)
    assert caught.value.fields["field"] == field


@pytest.mark.parametrize(
    "text", ["", ID[:-1], ID + "0", ID.upper(), ID + "\n", " " + ID[1:], "g" * 64, "\u0660" * 64]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidVideoId):
        valid_video_id(text)


def test_a_prefix_has_eight_characters_or_more() -> None:
    assert valid_video_id(ID) == ID
    assert is_video_id_prefix(ID)
    assert is_video_id_prefix(ID[:8])
    for text in ("", ID[:7], ID[8:16].upper(), ID[:8] + "\n", ID + "0", "clip.mp4"):
        assert not is_video_id_prefix(text)
