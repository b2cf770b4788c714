"""One download over loopback, in turns with other systems."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import ours
from benchmarks.competitors.nginx import Curl, nginx
from benchmarks.competitors.old_socket import OldSocket, old_server
from benchmarks.files import file_system, make_video
from benchmarks.measure import (
    Check,
    Contender,
    Measurement,
    Metric,
    NotMeasured,
    Sample,
    Summary,
    interleave,
)

_SPEED_TARGETS: Final = ((Curl.name, 0.6), (OldSocket.name, 2.0))
_MEMORY_TARGET_MB: Final = 150.0
_REST_SECONDS: Final = 3.0
"""A hypervisor takes back memory that is free for a second, and the first write to a page of it
costs ten times as much: without a rest, who starts first after a file was removed would be ahead.
"""


def measure(
    folder: Path, size_bytes: int, runs: int, after_each: Callable[[str, Sample], None]
) -> Measurement:
    """Download one file again and again, all contenders on the file system of that folder.

    Every contender reads the same file from the page cache and leaves its copy and that copy's
    name synced to the disk. Ours is verified besides.
    """
    result = Measurement(
        f"one download of {size_bytes / (1 << 30):g} GiB over loopback, on {file_system(folder)}",
        size_bytes,
    )
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=folder)))
        for name in ("shared", "received", "nginx"):
            (work / name).mkdir()
        video = work / "shared" / "video.bin"
        make_video(video, size_bytes)
        tracker = stack.enter_context(ours.tracker(work))
        sharing = stack.enter_context(ours.sharing_peer(work, tracker, video))
        contenders: list[Contender] = [ours.Transfer(sharing, work)]
        try:
            server, port = stack.enter_context(nginx(video.parent, work / "nginx"))
            contenders.append(Curl(server, port, video, work / "received"))
        except NotMeasured as why:
            result.missing[Curl.name] = str(why)
        old = stack.enter_context(old_server(video, work / "old.log"))
        contenders.append(OldSocket(old, video, work / "received"))
        contenders.append(ours.Command(sharing, work))
        interleave(result, contenders, runs, after_each=after_each, rest_seconds=_REST_SECONDS)
    _compare(result)
    return result


def _compare(result: Measurement) -> None:
    for theirs, target in _SPEED_TARGETS:
        if theirs not in result.samples:
            continue
        for mine, metric in (
            (ours.Transfer.name, Metric.TRANSFER_SECONDS),
            (ours.Command.name, Metric.COMMAND_SECONDS),
        ):
            ratio = result.speed_ratio(mine, theirs, metric)
            text = f"{mine}: times as fast as {theirs}"
            result.ratios[text] = ratio
            if metric is Metric.TRANSFER_SECONDS:
                result.checks.append(Check(text, ratio.median, target, at_least=True))
    for mine in (ours.Transfer.name, ours.Command.name):
        for side, metric in (
            ("client", Metric.CLIENT_PEAK_BYTES),
            ("serving peer", Metric.SERVER_PEAK_BYTES),
        ):
            peak = Summary.of(result.values(mine, metric)).high / 1e6
            text = f"{mine}: peak memory of the {side}"
            result.checks.append(Check(text, peak, _MEMORY_TARGET_MB, at_least=False, unit="MB"))
