"""Whom to ask of those that a tracker names."""

from typing import Final

import pytest

from peer_service.downloads.candidates import MOST_CANDIDATES, candidates
from peer_service.transfer.model import Candidate, SourceReport, SourceState
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import HoldingState, LocatedVideo, Source
from videoteca_core.errors import BadSource

LIE: Final = BadSource(source="eva", problem="less than it granted")
EVA: Final = SourceReport(
    "eva", "10.0.0.3:1", 0, 0, SourceState.DROPPED, LIE.reason, str(LIE), LIE.fields
)
LAST: Final = Endpoint("10.0.0.9", 1)


def at(number: int) -> Endpoint:
    return Endpoint(f"10.0.0.{number}", 1)


def source(name: str, *endpoints: Endpoint, state: HoldingState = HoldingState.COMPLETE) -> Source:
    return Source(name, state, endpoints)


def ask(
    *sources: Source, owners: tuple[str, ...] = (), holders: int = 0, own_name: str = "me"
) -> tuple[Candidate, ...]:
    owners = owners or tuple(each.peer_name for each in sources)
    video = LocatedVideo("clip.mp4", "ab" * 32, 1, sources, owners, holders or len(owners))
    return candidates(
        [video],
        own_name=own_name,
        liars={"eva": EVA},
        may_use=lambda endpoint: endpoint != LAST,
    )


def test_all_addresses_in_the_trackers_order() -> None:
    assert ask(
        source("luz", at(4), at(2)),
        source("ana", at(1), state=HoldingState.PARTIAL),
    ) == (
        Candidate("luz", at(4)),
        Candidate("luz", at(2)),
        Candidate("ana", at(1), is_partial=True),
    )


def test_neither_ourselves_nor_a_liar_nor_a_forbidden_address() -> None:
    assert ask(
        source("me", at(1)), source("eva", at(3)), source("luz", LAST), source("ana", at(2))
    ) == (Candidate("ana", at(2)),)


def test_not_more_than_is_sensible() -> None:
    many = [source(f"peer{number}", at(number % 9)) for number in range(MOST_CANDIDATES + 5)]
    found = ask(*many)
    assert [each.peer_name for each in found] == [f"peer{it}" for it in range(MOST_CANDIDATES)]


@pytest.mark.parametrize("own", [(), ("me",)])
def test_when_nobody_has_it_but_a_liar_its_lie_is_told(own: tuple[str, ...]) -> None:
    with pytest.raises(BadSource) as caught:
        ask(source("eva", at(3)), owners=("eva", *own))
    assert caught.value.fields == LIE.fields


def test_who_is_away_may_come_back() -> None:
    assert ask(source("eva", at(3)), owners=("eva", "ana")) == ()
    assert ask(source("eva", at(3)), owners=("eva",), holders=2) == ()
    assert ask(source("me", at(3))) == ()
    assert candidates([], own_name="me", liars={"eva": EVA}, may_use=lambda _: True) == ()
