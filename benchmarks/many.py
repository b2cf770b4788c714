"""One download from several sources, each of which sends no faster than its limit."""

import contextlib
import tempfile
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks import peers
from benchmarks.files import file_system, make_video, take_away
from benchmarks.measure import AfterEach, Check, Measurement, Metric, Sample, Summary, interleave

_SOURCES: Final = 4
_LIMIT: Final = 40_000_000
_NAME: Final = f"videoteca, {_SOURCES} sources of {_LIMIT / 1e6:g} MB/s"
_TARGET: Final = 0.95


class Receiver:
    """Downloads a video, each time with a peer that never did before.

    Args:
        tracker: HOST:PORT.
        video: the file.
        video_id: its id.
        folder: where the peers live.
    """

    name = _NAME

    def __init__(self, tracker: str, video: Path, video_id: str, folder: Path) -> None:
        self._tracker = tracker
        self._video = video
        self._video_id = video_id
        self._folder = folder
        self._numbers = count(1)

    def run(self) -> Sample:
        """Download once, from the request to the peer that is up until the file has its name."""
        home = self._folder / f"receiver-{next(self._numbers)}"
        with peers.peer(home, self._tracker) as receiver:
            before = receiver.server.cpu_seconds()
            (seconds,) = peers.download([receiver], (self._video_id, self._video.name))
            cpu_seconds = receiver.server.cpu_seconds() - before
            peak_bytes = receiver.server.peak_bytes()
        take_away(receiver.received(self._video.name), self._video.stat().st_size)
        return {
            Metric.TRANSFER_SECONDS: seconds,
            Metric.CLIENT_CPU_SECONDS: cpu_seconds,
            Metric.CLIENT_PEAK_BYTES: peak_bytes,
        }


def measure(folder: Path, size_bytes: int, runs: int, after_each: AfterEach) -> Measurement:
    """Download a video that some peers share and all send slowly; they add up."""
    result = Measurement(
        f"one download of {size_bytes / (1 << 30):g} GiB from {_SOURCES} peers that send "
        f"{_LIMIT / 1e6:g} MB/s each, on {file_system(folder)}",
        size_bytes,
    )
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=folder)))
        (work / "shared").mkdir()
        video = work / "shared" / "video.bin"
        make_video(video, size_bytes)
        tracker = stack.enter_context(peers.tracker(work))
        limit = ("--upload-limit", str(_LIMIT))
        for number in range(_SOURCES):
            home = work / f"source-{number}"
            stack.enter_context(peers.peer(home, tracker, *limit, shared=video.parent))
        asker = peers.Home(work / "asker", tracker)
        asker.run("register", "asker")
        video_id = peers.offered(asker, video.name, _SOURCES)
        receiver = Receiver(tracker, video, video_id, work)
        interleave(result, [receiver], runs, after_each=after_each)
    ideal = size_bytes / (_SOURCES * _LIMIT)
    shares = Summary.of([ideal / each for each in result.values(_NAME, Metric.TRANSFER_SECONDS)])
    text = f"{_NAME}: throughput over their sum"
    result.ratios[text] = shares
    result.checks.append(Check(text, shares.median, _TARGET, at_least=True))
    return result
