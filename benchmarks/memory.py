"""The memory of one peer that serves many and downloads several videos at once."""

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks import peers
from benchmarks.files import file_system, make_video, take_away
from benchmarks.measure import AfterEach, Check, Measurement, Metric, Sample, Summary, interleave
from benchmarks.processes import serving

_READERS: Final = 16
_DOWNLOADS: Final = 4
_SOURCES: Final = 3
"""Of each download: with four of them a dozen streams, the most that a peer has."""
_NAME: Final = f"a peer that serves {_READERS} and downloads {_DOWNLOADS}"
_TARGET_MB: Final = 250.0


class BusyPeer:
    """Downloads several videos from several sources while many read from it slowly.

    Args:
        tracker: HOST:PORT.
        wanted: the videos to download, by id.
        served: the video that it shares.
        folder: where the peers live.
    """

    name = _NAME

    def __init__(self, tracker: str, wanted: dict[str, Path], served: Path, folder: Path) -> None:
        self._tracker = tracker
        self._wanted = wanted
        self._served = served
        self._folder = folder
        self._numbers = count(1)

    def run(self) -> Sample:
        """Once, with a new peer; its peak is that of its whole life."""
        home = self._folder / f"busy-{next(self._numbers)}"
        options = ("--max-uploads", str(_READERS), "--parallel", str(_DOWNLOADS))
        videos = [(video_id, path.name) for video_id, path in self._wanted.items()]
        with contextlib.ExitStack() as stack:
            busy = stack.enter_context(
                peers.peer(home, self._tracker, *options, shared=self._served.parent)
            )
            served_id = peers.offered(busy.home, self._served.name)
            for number in range(_READERS):
                command = ["-m", "benchmarks.slow_reader", busy.endpoint, served_id]
                log = self._folder / f"reader-{number}.log"
                stack.enter_context(serving([sys.executable, *command], log=log))
            self._wait_for_readers(busy)
            (seconds,) = peers.download([busy], *videos)
            self._wait_for_readers(busy)
            peak_bytes = busy.server.peak_bytes()
        for path in self._wanted.values():
            take_away(busy.received(path.name), path.stat().st_size)
        return {Metric.TRANSFER_SECONDS: seconds, Metric.SERVER_PEAK_BYTES: peak_bytes}

    def _wait_for_readers(self, busy: peers.Peer) -> None:
        """All of them read; between two requests one of them may not."""
        peers.wait_until(
            lambda: busy.home.ask("status")["uploads"] == _READERS, f"{_READERS} read from it"
        )


def measure(folder: Path, size_bytes: int, runs: int, after_each: AfterEach) -> Measurement:
    """Let a peer do both at once, with videos of a quarter of that size each."""
    result = Measurement(
        f"{_DOWNLOADS} downloads of {size_bytes // _DOWNLOADS >> 20} MiB each, from {_SOURCES} "
        f"sources each, while {_READERS} read slowly, on {file_system(folder)}",
        size_bytes,
    )
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=folder)))
        wanted = [work / "wanted" / f"video-{number}.bin" for number in range(_DOWNLOADS)]
        served = work / "served" / "served.bin"
        for video in (*wanted, served):
            video.parent.mkdir(exist_ok=True)
            make_video(video, size_bytes // _DOWNLOADS)
        tracker = stack.enter_context(peers.tracker(work))
        for number in range(_SOURCES):
            home = work / f"source-{number}"
            stack.enter_context(peers.peer(home, tracker, shared=work / "wanted"))
        by_id = _ids(tracker, wanted, work)
        busy = BusyPeer(tracker, by_id, served, work)
        interleave(result, [busy], runs, after_each=after_each)
    peak = Summary.of(result.values(_NAME, Metric.SERVER_PEAK_BYTES)).high / 1e6
    text = f"{_NAME}: peak memory"
    result.checks.append(Check(text, peak, _TARGET_MB, at_least=False, unit="MB"))
    return result


def _ids(tracker: str, videos: Sequence[Path], work: Path) -> dict[str, Path]:
    asker = peers.Home(work / "asker", tracker)
    asker.run("register", "asker")
    return {peers.offered(asker, video.name, _SOURCES): video for video in videos}
