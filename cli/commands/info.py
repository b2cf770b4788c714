"""`info`: the catalogue."""

from collections.abc import Sequence
from gettext import gettext as _

import click

from cli import framework, output, tracker_access
from cli.settings import Settings
from videoteca_core.catalogue import VideoSummary


@framework.command(
    help=_(
        "List the videos of the catalogue, or those with QUERY in their name, in any case: size, "
        "id, how many peers hold them and how many of those are online."
    )
)
@click.argument("query", metavar=_("[QUERY]"), default="")
@framework.pass_settings
def command(settings: Settings, query: str) -> None:
    """Print every page."""
    with tracker_access.tracker(settings) as tracker:
        videos = tuple(tracker.all_videos(query))
    output.emit(settings, {"videos": videos}, catalogue_table(videos))


def catalogue_table(videos: Sequence[VideoSummary]) -> str:
    """The videos as a table, or that there are none."""
    if not videos:
        return _("There is no such video.")
    rows = [
        (
            video.name,
            output.size(video.size_bytes) if video.video_id else "-",
            output.short_id(video.video_id) or "-",
            str(video.holders),
            str(video.online),
        )
        for video in videos
    ]
    return output.table((_("NAME"), _("SIZE"), _("ID"), _("HOLDERS"), _("ONLINE")), rows)
