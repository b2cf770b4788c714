"""Which of the peers that have a video are to be asked for it. Pure."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from peer_service.transfer.model import Candidate, SourceReport
from videoteca_core.addresses import Endpoint
from videoteca_core.catalogue import HoldingState, LocatedVideo
from videoteca_core.errors import rebuilt

MOST_CANDIDATES: Final = 50
"""So many addresses of sources are taken of what a tracker names at once."""


def candidates(
    located: Sequence[LocatedVideo],
    *,
    own_name: str,
    liars: Mapping[str, SourceReport],
    may_use: Callable[[Endpoint], bool],
) -> tuple[Candidate, ...]:
    """Those that may have the video for us, in the tracker's order.

    Args:
        located: what the tracker answered.
        own_name: the name of this peer, which is never its own source.
        liars: the peers that sent something wrong, by name.
        may_use: whether an address that the tracker handed out may be dialled.

    Raises:
        BadSource: nobody has it, online or not, but those that sent something wrong.
    """
    found = (
        Candidate(source.peer_name, endpoint, source.state is HoldingState.PARTIAL)
        for video in located
        for source in video.sources
        if source.peer_name != own_name and source.peer_name not in liars
        for endpoint in source.endpoints
        if may_use(endpoint)
    )
    chosen = tuple(itertools.islice(found, MOST_CANDIDATES))
    if not chosen:
        _check_somebody_else(located, own_name, liars)
    return chosen


def _check_somebody_else(
    located: Sequence[LocatedVideo], own_name: str, liars: Mapping[str, SourceReport]
) -> None:
    owners = {owner for video in located for owner in video.owners} - {own_name}
    has_more = any(video.holders > len(video.owners) for video in located)
    if owners and owners <= liars.keys() and not has_more:
        lie = liars[min(owners)]
        raise rebuilt(lie.reason, lie.fields, lie.message)
