"""Tokens and proofs: their forms. What is computed is in test_protocol_vectors.py."""

import pytest

from videoteca_core.addresses import Endpoint
from videoteca_core.identity import is_token, new_token, proof, token_hash

KEY = bytes(32)
CHALLENGE = bytes(range(32))
HERE = Endpoint("192.0.2.7", 1030)


def test_each_token_is_new_and_has_the_form_of_one() -> None:
    assert is_token(new_token())
    assert new_token() != new_token()


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_what_is_no_token_is_known(text: str) -> None:
    assert not is_token(text)


def test_a_tracker_keeps_only_a_hash() -> None:
    token = new_token()
    assert len(token_hash(token)) == 32
    assert bytes.fromhex(token) != token_hash(token)
    assert token_hash(token) != token_hash(new_token())


def test_a_proof_depends_on_all_that_it_proves() -> None:
    proofs = {
        proof(KEY, CHALLENGE, "ana", HERE),
        proof(b"\1" * 32, CHALLENGE, "ana", HERE),
        proof(KEY, bytes(32), "ana", HERE),
        proof(KEY, CHALLENGE, "eva", HERE),
        proof(KEY, CHALLENGE, "ana", Endpoint("192.0.2.8", 1030)),
        proof(KEY, CHALLENGE, "ana", Endpoint("192.0.2.7", 1031)),
    }
    assert len(proofs) == 6
