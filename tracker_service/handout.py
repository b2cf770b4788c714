"""In which order sources are handed out."""

import random
from collections.abc import Sequence

from videoteca_core.catalogue import HoldingState, Source


def ordered(sources: Sequence[Source], chance: random.Random, limit: int) -> tuple[Source, ...]:
    """The best sources first: those that have every piece before those that have some.

    Among equals the order is another at each call, so that those who ask for one video at the
    same time do not all go to the same peer.
    """
    shuffled = chance.sample(sources, len(sources))
    return tuple(sorted(shuffled, key=_is_partial)[:limit])


def _is_partial(source: Source) -> bool:
    return source.state is HoldingState.PARTIAL
