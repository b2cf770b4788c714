"""The code and docs/protocol.md against vectors that another implementation computed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from google.rpc import code_pb2

from peer_service.pieces import PieceSet
from tests.error_kinds import error_kinds, sample_fields
from videoteca_core import identity, manifest
from videoteca_core.addresses import Endpoint, ip_address, is_peer_address
from videoteca_core.catalogue import Holding, HoldingState, holdings_digest
from videoteca_core.errors import InvalidAddress, InvalidName
from videoteca_core.manifest import Manifest
from videoteca_core.names import valid_name
from videoteca_core.rpc import status

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests/vectors/protocol.json").read_text())
DOCUMENT = (ROOT / "docs/protocol.md").read_text()


def content(size_bytes: int) -> bytes:
    period = bytes(i * i % 251 for i in range(251))
    return (period * (size_bytes // 251 + 1))[:size_bytes]


def of_size(vector: dict[str, Any]) -> str:
    return str(vector["size_bytes"])


@pytest.mark.parametrize("vector", VECTORS["videos"], ids=of_size)
def test_a_video_has_the_pieces_root_and_id_of_the_vectors(vector: dict[str, Any]) -> None:
    data = content(int(vector["size_bytes"]))
    step = int(vector["piece_size_bytes"])
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    assert [manifest.digest(piece).hex() for piece in pieces] == vector["piece_digests"]

    found = Manifest(len(data), bytes.fromhex("".join(vector["piece_digests"])))
    assert found.piece_size == step
    assert found.pieces_root.hex() == vector["pieces_root"]
    assert found.video_id == vector["video_id"]
    assert [found.piece_range(index) for index in range(found.piece_count)] == [
        (index * step, len(piece)) for index, piece in enumerate(pieces)
    ]


@pytest.mark.parametrize("vector", VECTORS["big_videos"], ids=of_size)
def test_a_big_video_has_the_piece_size_and_id_of_the_vectors(vector: dict[str, Any]) -> None:
    size_bytes = int(vector["size_bytes"])
    assert manifest.piece_size(size_bytes) == int(vector["piece_size_bytes"])
    root = bytes.fromhex(vector["pieces_root"])
    assert manifest.video_id(size_bytes, root) == vector["video_id"]


def test_an_id_is_what_the_document_says_byte_for_byte() -> None:
    vector = VECTORS["big_videos"][1]
    said = (
        b"videoteca video id v1\n"
        + int(vector["size_bytes"]).to_bytes(8, "little")
        + int(vector["piece_size_bytes"]).to_bytes(8, "little")
        + bytes(range(32))
    )
    assert len(said) == 70
    assert blake3(said).hexdigest() == vector["video_id"]


@pytest.mark.parametrize("vector", VECTORS["holdings"])
def test_holdings_have_the_digest_of_the_vectors(vector: dict[str, Any]) -> None:
    holdings = [
        Holding(
            name=holding["name"],
            video_id=holding["video_id"],
            size_bytes=0,
            pieces_root=b"",
            state=HoldingState(holding["state"]),
        )
        for holding in vector["holdings"]
    ]
    assert holdings_digest(holdings).hex() == vector["holdings_digest"]


@pytest.mark.parametrize("vector", VECTORS["bitmaps"])
def test_pieces_have_the_bitmap_of_the_vectors(vector: dict[str, Any]) -> None:
    bitmap, count = bytes.fromhex(vector["bitmap"]), vector["piece_count"]
    pieces = PieceSet.from_bitmap(bitmap, count)
    assert list(pieces) == vector["pieces"]
    assert pieces.to_bitmap() == bitmap


@pytest.mark.parametrize("vector", VECTORS["proofs"])
def test_a_challenge_has_the_proof_of_the_vectors(vector: dict[str, Any]) -> None:
    found = identity.proof(
        bytes.fromhex(vector["instance_key"]),
        bytes.fromhex(vector["challenge"]),
        vector["name"],
        Endpoint.of(vector["host"], vector["port"]),
    )
    assert found.hex() == vector["proof"]


@pytest.mark.parametrize("vector", VECTORS["names"]["valid"], ids=lambda vector: vector["name"])
def test_a_valid_name_is_taken_in_its_one_form(vector: dict[str, str]) -> None:
    assert valid_name(vector["raw"]) == vector["name"]


@pytest.mark.parametrize("raw", VECTORS["names"]["invalid"], ids=repr)
def test_an_invalid_name_is_refused(raw: str) -> None:
    with pytest.raises(InvalidName):
        valid_name(raw)


@pytest.mark.parametrize("vector", VECTORS["hosts"]["valid"], ids=lambda vector: vector["raw"])
def test_a_host_is_taken_in_its_one_form(vector: dict[str, str]) -> None:
    assert Endpoint.of(vector["raw"], 1).host == vector["host"]


@pytest.mark.parametrize("raw", VECTORS["hosts"]["invalid"])
def test_what_is_no_ip_literal_is_refused(raw: str) -> None:
    with pytest.raises(InvalidAddress):
        Endpoint.of(raw, 1)


@pytest.mark.parametrize("raw", VECTORS["hosts"]["never_dialled"])
def test_no_peer_is_at_such_an_address(raw: str) -> None:
    assert not is_peer_address(ip_address(raw))


@pytest.mark.parametrize("vector", VECTORS["videos"], ids=of_size)
def test_the_document_shows_the_ids_of_the_vectors(vector: dict[str, Any]) -> None:
    size_bytes = int(vector["size_bytes"])
    unit = "byte" if size_bytes == 1 else "bytes"
    assert f"| {size_bytes:,} {unit} | `{vector['video_id']}` |" in DOCUMENT


def test_the_document_has_each_reason_with_its_code_and_fields() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \| (.*?) ?\|", DOCUMENT, re.MULTILINE)
    assert {reason for reason, _, _ in rows} == reasons_of_the_proto()
    kinds = {kind.reason: kind for kind in error_kinds()}
    for reason, code, fields in rows:
        error = kinds[reason](**sample_fields(kinds[reason]))
        assert status.to_status(error).code == code_pb2.Code.Value(code)
        assert set(re.findall(r"`(\w+)`", fields)) == set(sample_fields(kinds[reason]))


def reasons_of_the_proto() -> set[str]:
    """The words that stand in capitals in the lists of errors and are no gRPC code."""
    proto = (ROOT / "protos/videoteca/v1/videoteca.proto").read_text()
    lists = r"^(?:  //   |//   - .* with )([A-Z_]+) ([A-Z_, ]+[A-Z])"
    listed = re.findall(lists, proto, re.MULTILINE)
    return {reason for _, reasons in listed for reason in re.findall(r"[A-Z_]+", reasons)}
