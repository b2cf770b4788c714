"""What is remembered of the peers that a download is fetched from. Pure."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from peer_service.transfer.model import SourceReport, SourceState
from videoteca_core.errors import BadSource

_KEPT: Final = ("peer", "address", "bytes", "reason", "message", "fields")


def merged(
    earlier: Sequence[SourceReport], now: Sequence[SourceReport]
) -> tuple[SourceReport, ...]:
    """What was known of the sources and what is known now, one report a peer, the first one first.

    The bytes of a peer add up; everything else is what is known of it now.
    """
    reports: dict[str, SourceReport] = {}
    for report in (*earlier, *now):
        before = reports.get(report.peer)
        reports[report.peer] = (
            replace(report, bytes=before.bytes + report.bytes) if before else report
        )
    return tuple(reports.values())


def at_rest(sources: Sequence[SourceReport]) -> tuple[SourceReport, ...]:
    """The sources of a download that does not run: who was not dropped has left."""
    return tuple(
        replace(each, rate=0) if each.state is SourceState.DROPPED else _left(each)
        for each in sources
    )


def forgiven(sources: Sequence[SourceReport]) -> tuple[SourceReport, ...]:
    """The same, with nothing held against anybody."""
    return tuple(map(_left, sources))


def liars(sources: Sequence[SourceReport]) -> dict[str, SourceReport]:
    """Those that sent something wrong, by the name of the peer; they are not asked again."""
    return {each.peer: each for each in sources if each.reason == BadSource.reason}


def sources_to_json(sources: Sequence[SourceReport]) -> str:
    """The sources as they are kept."""
    return json.dumps(
        [
            {key: getattr(each, key) for key in _KEPT} | {"state": each.state.value}
            for each in at_rest(sources)
        ]
    )


def sources_from_json(text: str) -> tuple[SourceReport, ...]:
    """The sources that were kept."""
    return tuple(
        SourceReport(**{**each, "state": SourceState(each["state"])}) for each in json.loads(text)
    )


def _left(source: SourceReport) -> SourceReport:
    return SourceReport(source.peer, source.address, source.bytes, state=SourceState.LEFT)
