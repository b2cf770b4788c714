"""`locate`: who has a video, and where."""

from collections.abc import Iterator, Sequence
from gettext import gettext as _

import click

from cli import framework, output, tracker_access
from cli.queries import ask_for
from cli.settings import Settings
from cli.words import word
from videoteca_core.catalogue import LocatedVideo
from videoteca_core.text import printable


@framework.command(
    help=_(
        "Show who has a video and where it can be fetched from. VIDEO is a NAME, an OWNER/NAME, "
        "an id, or the first 8 or more characters of one. A name may mean several videos: all of "
        "them are shown."
    )
)
@click.argument("video", metavar=_("VIDEO"))
@framework.pass_settings
def command(settings: Settings, video: str) -> None:
    """Print all videos that are meant."""
    with tracker_access.tracker(settings) as tracker:
        found = ask_for(video, tracker.locate)
    output.emit(settings, {"videos": found}, located_text(found))


def located_text(videos: Sequence[LocatedVideo]) -> str:
    """Each video with a table of its owners."""
    return "\n\n".join(f"{_title(video)}\n{_owners(video)}" for video in videos)


def _title(video: LocatedVideo) -> str:
    if not video.video_id:
        return _("{name}  (imported; not published here yet)").format(name=printable(video.name))
    return "  ".join(
        (printable(video.name), output.size(video.size_bytes), output.short_id(video.video_id))
    )


def _owners(video: LocatedVideo) -> str:
    return output.table((_("OWNER"), _("ADDRESS"), _("STATE")), list(_rows(video)))


def _rows(video: LocatedVideo) -> Iterator[tuple[str, str, str]]:
    for source in video.sources:
        addresses = ", ".join(map(str, source.endpoints))
        yield source.peer_name, addresses, word(source.state.value)
    online = {source.peer_name for source in video.sources}
    for owner in video.owners:
        if owner not in online:
            yield owner, "-", word("offline")
