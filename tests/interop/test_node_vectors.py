"""The test vectors are what another implementation computes."""

import json
from pathlib import Path

from tests.interop.node_peer import run_node


def test_node_computes_the_vectors() -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors/protocol.json").read_text())
    computed = json.loads(run_node("vectors.mjs"))
    assert computed.keys() == {"videos", "big_videos", "holdings", "bitmaps", "proofs"}
    for part, value in computed.items():
        assert vectors[part] == value
