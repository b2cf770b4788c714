"""One download over loopback, in turns with other systems."""

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks import ours, peers
from benchmarks.competitors.aria2 import Aria2
from benchmarks.competitors.nginx import Curl, nginx
from benchmarks.competitors.pair import OLD_SOCKET, TCP_LIMIT, pair
from benchmarks.competitors.torrent import LIBTORRENT, libtorrent
from benchmarks.files import file_system, make_video
from benchmarks.measure import (
    AfterEach,
    Check,
    Contender,
    Measurement,
    Metric,
    Summary,
    interleave,
)

_OTHERS: Final = (Curl.name, Aria2.name, LIBTORRENT, OLD_SOCKET, TCP_LIMIT)
_TARGETS_IN_MEMORY: Final[Mapping[str, float]] = {
    Curl.name: 0.85,
    Aria2.name: 1.5,
    LIBTORRENT: 3.0,
    OLD_SOCKET: 2.5,
    TCP_LIMIT: 0.65,
}
_TARGETS_ON_A_DISK: Final[Mapping[str, float]] = {Curl.name: 1.0}
_MEMORY_TARGET_MB: Final = 150.0
_REST_SECONDS: Final = 3.0
"""A hypervisor takes back memory that is free for a second, and the first write to a page of it
costs ten times as much: without a rest, who starts first after a file was removed would be ahead.
"""


def measure(folder: Path, size_bytes: int, runs: int, after_each: AfterEach) -> Measurement:
    """Download one file again and again, all contenders on the file system of that folder.

    Every contender reads the same file from the page cache and leaves its copy and that copy's
    name synced to the disk. Ours is verified besides.
    """
    kind = file_system(folder)
    result = Measurement(
        f"one download of {size_bytes / (1 << 30):g} GiB over loopback, on {kind}", size_bytes
    )
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=folder)))
        (work / "shared").mkdir()
        video = work / "shared" / "video.bin"
        make_video(video, size_bytes)
        tracker = stack.enter_context(peers.tracker(work))
        sharing = stack.enter_context(ours.sharing_peer(work, tracker, video))
        contenders: list[Contender] = [
            ours.Transfer(sharing, work),
            *_competitors(stack, work, video, result),
            ours.Command(sharing, work),
        ]
        interleave(result, contenders, runs, after_each=after_each, rest_seconds=_REST_SECONDS)
    _compare(result, _TARGETS_IN_MEMORY if kind == "tmpfs" else _TARGETS_ON_A_DISK)
    return result


def _competitors(
    stack: contextlib.ExitStack, work: Path, video: Path, result: Measurement
) -> list[Contender]:
    """All who can take part here, their servers up."""
    for name in ("received", "nginx"):
        (work / name).mkdir()
    received = work / "received"
    contenders: list[Contender] = []
    with result.attempt(Curl.name, Aria2.name):
        site = stack.enter_context(nginx(video.parent, work / "nginx"))
        for downloader in (Curl, Aria2):
            with result.attempt(downloader.name):
                contenders.append(downloader(site, video, received))
    with result.attempt(LIBTORRENT):
        contenders.append(stack.enter_context(libtorrent(video, received)))
    contenders += (
        stack.enter_context(pair(name, video, received)) for name in (OLD_SOCKET, TCP_LIMIT)
    )
    return contenders


def _compare(result: Measurement, targets: Mapping[str, float]) -> None:
    for theirs in _OTHERS:
        if theirs not in result.samples:
            continue
        for mine, metric in (
            (ours.Transfer.name, Metric.TRANSFER_SECONDS),
            (ours.Command.name, Metric.COMMAND_SECONDS),
        ):
            ratio = result.speed_ratio(mine, theirs, metric)
            text = f"{mine}: times as fast as {theirs}"
            result.ratios[text] = ratio
            if metric is Metric.TRANSFER_SECONDS and theirs in targets:
                result.checks.append(Check(text, ratio.median, targets[theirs], at_least=True))
    for mine in (ours.Transfer.name, ours.Command.name):
        for side, metric in (
            ("client", Metric.CLIENT_PEAK_BYTES),
            ("serving peer", Metric.SERVER_PEAK_BYTES),
        ):
            peak = Summary.of(result.values(mine, metric)).high / 1e6
            text = f"{mine}: peak memory of the {side}"
            result.checks.append(Check(text, peak, _MEMORY_TARGET_MB, at_least=False, unit="MB"))
