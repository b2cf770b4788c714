"""Downloads as they are at one moment, for the tests of what is said of them."""

from dataclasses import replace

from peer_service.downloads.model import Download, DownloadState
from peer_service.transfer.model import SourceReport, SourceState
from videoteca_core.errors import BadSource, VideotecaError

WAITING = Download(1, "clip.mp4", "ab" * 32, 300_000_000, "", DownloadState.WAITING)
ANA = SourceReport("ana", "10.0.0.2:1030", 50_000_000, 12_500_000, SourceState.FETCHING)
BRUNO = SourceReport("bruno", "10.0.0.3:1030", 40_000_000, 6_000_000, SourceState.FETCHING)
CARLA = SourceReport("carla", "10.0.0.4:1030", state=SourceState.WAITING)
RUNNING = replace(
    WAITING,
    state=DownloadState.RUNNING,
    verified_bytes=90_000_000,
    rate=18_500_000,
    sources=(ANA, BRUNO, CARLA),
)
LIE = BadSource(source="bruno (10.0.0.3:1030)", problem="a piece with another digest")


def because(download: Download, error: VideotecaError) -> Download:
    """The download with an error as its reason."""
    return replace(download, reason=error.reason, message=str(error), fields=error.fields)


def dropped(source: SourceReport, error: VideotecaError = LIE) -> SourceReport:
    """The source after it failed with an error."""
    return replace(
        source,
        rate=0,
        state=SourceState.DROPPED,
        reason=error.reason,
        message=str(error),
        fields=error.fields,
    )
