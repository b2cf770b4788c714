"""Page tokens: where the next page of a listing starts."""

import base64
import binascii
from typing import Final

from videoteca_core.errors import InvalidPageToken
from videoteca_core.manifest import digest

Position = tuple[str, str]
"""Name and id of the last video of a page; it need not exist any more."""

START: Final[Position] = ("", "")
_DIGEST_BYTES: Final = 8


def page_token(query: str, last: Position) -> str:
    """The token of the page that follows this video, good for this query only."""
    raw = _mark(query) + "\n".join(last).encode()
    return base64.urlsafe_b64encode(raw).decode()


def position(query: str, token: str) -> Position:
    """The video after which the page of a token starts; the start without a token.

    Raises:
        InvalidPageToken: the token is malformed, or another query's.
    """
    if not token:
        return START
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        name, video_id = raw[_DIGEST_BYTES:].decode().split("\n")
    except (binascii.Error, ValueError) as error:
        raise InvalidPageToken from error
    if raw[:_DIGEST_BYTES] != _mark(query):
        raise InvalidPageToken
    return name, video_id


def _mark(query: str) -> bytes:
    return digest(query.encode())[:_DIGEST_BYTES]
