"""Page tokens: where the next page of a listing starts."""

import base64
from typing import Final

from videoteca_core.errors import InvalidPageToken
from videoteca_core.manifest import digest

Position = tuple[str, str]
"""Name and id of the last video of a page; it need not exist any more."""

START: Final[Position] = ("", "")
_MARK_BYTES: Final = 8


def page_token(query: str, last: Position) -> str:
    """The token of the page that follows this video, good for this query only."""
    place = "\n".join(last).encode()
    return base64.urlsafe_b64encode(_mark(query, place) + place).decode()


def position(query: str, token: str) -> Position:
    """The video after which the page of a token starts; the start without a token.

    Raises:
        InvalidPageToken: the token is malformed, or another query's.
    """
    if not token:
        return START
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        mark, place = raw[:_MARK_BYTES], raw[_MARK_BYTES:]
        name, video_id = place.decode().split("\n")
    except ValueError as error:
        raise InvalidPageToken from error
    if mark != _mark(query, place):
        raise InvalidPageToken
    return name, video_id


def _mark(query: str, place: bytes) -> bytes:
    return digest(query.encode() + b"\0" + place)[:_MARK_BYTES]
