"""From what a person asked for to the one video that is meant."""

from collections.abc import Callable, Sequence

from videoteca_core.catalogue import LocatedVideo, VideoQuery
from videoteca_core.errors import NameAmbiguous, NotPublished, VideoUnknown
from videoteca_core.manifest import valid_video_id

Locate = Callable[[VideoQuery], Sequence[LocatedVideo]]


def resolve(query: VideoQuery, locate: Locate) -> LocatedVideo:
    """The one video that a query means.

    Raises:
        VideoUnknown: there is none; raised by ``locate`` too.
        NotPublished: it is known by name only.
        InvalidVideoId: the tracker answers with something that is no id.
        NameAmbiguous: it means several contents; ``choices`` has them, one a line.
    """
    # Whoever knows an id is not to be given anything else under it, whatever the tracker says.
    found = [video for video in locate(query) if video.video_id.startswith(query.video_id)]
    published = [video for video in found if video.video_id]
    if len(published) > 1:
        raise NameAmbiguous(video=query, choices="\n".join(map(_choice, published)))
    if published:
        valid_video_id(published[0].video_id)
        return published[0]
    raise NotPublished(video=query) if found else VideoUnknown(video=query)


def _choice(video: LocatedVideo) -> str:
    owners = ", ".join(video.owners)
    others = video.holders - len(video.owners)
    more = f" +{others}" if others > 0 else ""
    return f"{video.video_id}  {video.size_bytes} B  {owners}{more}"
