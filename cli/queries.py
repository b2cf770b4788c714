"""Which video a person means: NAME, OWNER/NAME, an id or the first 8 or more characters of one."""

from collections.abc import Callable
from typing import TypeVar

from videoteca_core.catalogue import VideoQuery
from videoteca_core.errors import VideoUnknown
from videoteca_core.manifest import is_video_id_prefix
from videoteca_core.names import valid_name

_ID_CHARACTERS = 64

Answer = TypeVar("Answer")


def meanings(text: str) -> tuple[VideoQuery, ...]:
    """What a text may mean, the likeliest first.

    What looks like the beginning of an id may be a name all the same. A whole id is an id only:
    nobody can slip another video in by calling it that.

    Raises:
        InvalidName: it is neither a name nor an id.
    """
    owner, slash, video = text.rpartition("/")
    if slash:  # a slash too many is the owner's: no name may hold one
        owner = valid_name(owner)
    video_id = video.lower()
    by_id = VideoQuery(video_id=video_id, owner=owner)
    if is_video_id_prefix(video_id) and len(video_id) == _ID_CHARACTERS:
        return (by_id,)
    by_name = VideoQuery(name=valid_name(video), owner=owner)
    return (by_name, by_id) if is_video_id_prefix(video_id) else (by_name,)


def ask_for(text: str, ask: Callable[[VideoQuery], Answer]) -> Answer:
    """The answer for the first meaning of a text that is known.

    Args:
        text: what a person typed.
        ask: asks for one meaning; raises VideoUnknown when there is no such video.

    Raises:
        InvalidName: it is neither a name nor an id.
        VideoUnknown: there is no such video.
    """
    for query in meanings(text):
        try:
            return ask(query)
        except VideoUnknown:
            continue
    raise VideoUnknown(video=text)
