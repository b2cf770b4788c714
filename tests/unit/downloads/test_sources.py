"""What is remembered of the sources of a download."""

from typing import Final

import pytest

from peer_service.downloads.sources import (
    at_rest,
    forgiven,
    liars,
    merged,
    sources_from_json,
    sources_to_json,
)
from peer_service.transfer.model import SourceReport, SourceState
from videoteca_core.errors import BadSource, Unreachable, VideotecaError

CONNECTING, FETCHING, WAITING, IDLE, DROPPED, LEFT = SourceState
LIE: Final = BadSource(source="eva", problem="a piece with another digest")
GONE: Final = Unreachable(what="peer", address="10.0.0.3:1030", detail="no answer")


def dropped(peer: str, error: VideotecaError, **more: int) -> SourceReport:
    return SourceReport(
        peer,
        "10.0.0.3:1030",
        state=DROPPED,
        reason=error.reason,
        message=str(error),
        fields=error.fields,
        **more,
    )


def test_the_bytes_of_a_peer_add_up_and_the_rest_is_as_it_is_now() -> None:
    earlier = (dropped("ana", GONE, bytes=5), SourceReport("eva", "10.0.0.2:1", 7, state=LEFT))
    now = (
        SourceReport("luz", "10.0.0.4:1", 1, 2, FETCHING),
        SourceReport("ana", "10.0.0.9:1", 10, 3, FETCHING),
    )
    assert merged(earlier, now) == (
        SourceReport("ana", "10.0.0.9:1", 15, 3, FETCHING),
        earlier[1],
        now[0],
    )
    assert merged((), now) == now
    assert merged(earlier, ()) == earlier


@pytest.mark.parametrize("state", [CONNECTING, FETCHING, WAITING, IDLE, LEFT])
def test_at_rest_who_was_not_dropped_has_left(state: SourceState) -> None:
    source = SourceReport("ana", "10.0.0.2:1", 7, 5, state, "NO_UPLOAD_SLOT", "wait", {"a": "b"})
    assert at_rest([source]) == (SourceReport("ana", "10.0.0.2:1", 7, state=LEFT),)


def test_at_rest_it_is_still_known_why_one_was_dropped() -> None:
    assert at_rest([dropped("eva", LIE, bytes=3, rate=9)]) == (dropped("eva", LIE, bytes=3),)


def test_forgiven_nobody_is_dropped_and_what_came_is_remembered() -> None:
    assert forgiven([dropped("eva", LIE, bytes=3)]) == (
        SourceReport("eva", "10.0.0.3:1030", 3, state=LEFT),
    )


def test_liars_are_those_that_were_dropped_for_a_lie() -> None:
    lied = dropped("eva", LIE)
    assert liars([dropped("ana", GONE), lied, SourceReport("luz", "10.0.0.4:1")]) == {"eva": lied}


def test_what_is_kept_comes_back() -> None:
    sources = (
        dropped("eva \udc80\u202e", LIE, bytes=1 << 60),
        SourceReport("luz", "[::1]:1", state=LEFT),
    )
    assert sources_from_json(sources_to_json(sources)) == sources


def test_what_is_kept_is_at_rest_whenever_the_process_ends() -> None:
    kept = sources_from_json(sources_to_json([SourceReport("ana", "10.0.0.2:1", 7, 5, FETCHING)]))
    assert kept == (SourceReport("ana", "10.0.0.2:1", 7, state=LEFT),)
