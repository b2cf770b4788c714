"""Holdings that are what they say, without a file behind them."""

from videoteca_core.catalogue import Holding, HoldingState
from videoteca_core.manifest import digest, video_id


def holding(
    name: str, content: object = "", state: HoldingState = HoldingState.COMPLETE, size: int = 10
) -> Holding:
    """A holding; another content gives another id, the same one the same id."""
    root = digest(str(content or name).encode())
    return Holding(name, video_id(size, root), size, root, state)
