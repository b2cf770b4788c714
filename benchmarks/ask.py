"""Lets peers that run download videos, all at once: ``HOME... -- VIDEO_ID NAME...``.

A program, so that what measures stays small: its memory is the least that it can see of others.
Prints the seconds from before the first peer is asked until each has all the videos, sorted. A
video is looked for in the received folder under its name, which it gets once it is verified and
synced.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from peer_service.control_client import ControlClient
from peer_service.home import Home
from videoteca_core.catalogue import VideoQuery

_READY_SECONDS: Final = 120.0
_DOWNLOAD_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 0.005


def download(peers: Sequence[ControlClient], videos: Sequence[tuple[str, str]]) -> list[float]:
    """Ask all of the peers, once they are registered, for all of the videos.

    Args:
        peers: the peers.
        videos: the id and the name of each video.

    Returns:
        The seconds until each had all, sorted.
    """
    _wait_until(lambda: all(peer.status().registered for peer in peers), _READY_SECONDS)
    folders = [Path(peer.status().received_folder) for peer in peers]

    def ask(peer: ControlClient) -> None:
        for video_id, _name in videos:
            peer.enqueue(VideoQuery(video_id=video_id))

    took: list[float] = []
    missing = dict(enumerate([folder / name for _, name in videos] for folder in folders))

    def all_have() -> bool:
        for number, paths in tuple(missing.items()):
            if all(path.exists() for path in paths):
                del missing[number]
                took.append(time.perf_counter() - started)
        return not missing

    with ThreadPoolExecutor(len(peers)) as pool:
        started = time.perf_counter()
        list(pool.map(ask, peers))
        _wait_until(all_have, _DOWNLOAD_SECONDS)
    return took


def _wait_until(reached: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds:g} s in vain")
        time.sleep(_LOOK_SECONDS)


def main(words: Sequence[str]) -> None:
    homes, videos = words[: words.index("--")], words[words.index("--") + 1 :]
    with contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(ControlClient(Home(Path(home)).running_socket())) for home in homes
        ]
        print(*download(peers, list(zip(videos[::2], videos[1::2], strict=True))))


if __name__ == "__main__":
    main(sys.argv[1:])
