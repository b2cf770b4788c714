import base64

import pytest

from tracker_service.paging import START, page_token, position
from videoteca_core.errors import InvalidPageToken


def test_a_token_says_where_to_go_on() -> None:
    last = ("Año \N{CLAPPER BOARD}.mp4", "ab" * 32)
    assert position("año", page_token("año", last)) == last
    assert position("año", "") == START


def test_a_token_is_safe_in_a_url() -> None:
    token = page_token("q", ("\N{CLAPPER BOARD}" * 30, ""))
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "!!!!",
        "ñ",
        "QUJD",
        base64.urlsafe_b64encode(b"\xff" * 40).decode(),
        page_token("another query", ("a", "b")),
        page_token("query", ("a\nb", "c")),
        page_token("query", ("a", "b"))[:-4],
    ],
)
def test_a_malformed_or_foreign_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        position("query", token)
