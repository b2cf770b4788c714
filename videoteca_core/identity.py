"""How a peer proves itself: tokens, and the answer to a tracker's challenge.

Source: ``docs/protocol.md``, which has test vectors.
"""

import hashlib
import hmac
import re
import secrets

from videoteca_core.addresses import Endpoint

CHALLENGE_BYTES = 32
INSTANCE_KEY_BYTES = 32

_TOKEN = re.compile(r"[0-9a-f]{64}")


def new_token() -> str:
    """A token: 256 random bits as 64 hexadecimal characters."""
    return secrets.token_hex(32)


def is_token(text: str) -> bool:
    """Whether the text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def token_hash(token: str) -> bytes:
    """32 bytes, all that a tracker keeps of a token; its 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def proof(instance_key: bytes, challenge: bytes, name: str, endpoint: Endpoint) -> bytes:
    """The 32-byte answer to a challenge sent to that endpoint for that name."""
    said = b"\n".join((b"videoteca identify v1", challenge.hex().encode(), str(endpoint).encode()))
    return hmac.digest(instance_key, said + b"\n" + name.encode(), "sha256")
