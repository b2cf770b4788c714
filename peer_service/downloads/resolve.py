"""From what a person asked for to the one video that is meant."""

from collections.abc import Callable, Sequence

from videoteca_core.catalogue import LocatedVideo, VideoQuery
from videoteca_core.errors import NameAmbiguous, NotPublished, VideoUnknown

Locate = Callable[[VideoQuery], Sequence[LocatedVideo]]


def resolve(query: VideoQuery, locate: Locate) -> LocatedVideo:
    """The one video that a query means.

    Raises:
        VideoUnknown: there is none; raised by ``locate`` too.
        NotPublished: it is known by name only.
        NameAmbiguous: it means several contents; ``choices`` has them, one a line.
    """
    found = locate(query)
    published = [video for video in found if video.video_id]
    if len(published) > 1:
        raise NameAmbiguous(video=query, choices="\n".join(map(_choice, published)))
    if published:
        return published[0]
    raise NotPublished(video=query) if found else VideoUnknown(video=query)


def _choice(video: LocatedVideo) -> str:
    owners = ", ".join(video.owners)
    others = video.holders - len(video.owners)
    more = f" +{others}" if others > 0 else ""
    return f"{video.video_id}  {video.size_bytes} B  {owners}{more}"
