"""One owner and many receivers, all of whom send no faster than the same limit."""

import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks import peers
from benchmarks.competitors.torrent import LIBTORRENT, leech_command, make_torrent, seed
from benchmarks.files import file_system, make_video
from benchmarks.measure import (
    AfterEach,
    Check,
    Contender,
    Measurement,
    Metric,
    Sample,
    interleave,
)
from benchmarks.processes import Server, serving

_RECEIVERS: Final = 8
_LIMIT: Final = 20_000_000
_ALONE_TARGET: Final = 1.4
_LIBTORRENT_TARGET: Final = 1.0
_OURS: Final = "videoteca"


def _name(system: str, receivers: int) -> str:
    return f"{system}, {receivers} receiver{'s' if receivers > 1 else ''}"


class Swarm:
    """Lets so many peers that never did before download a video at once.

    Args:
        receivers: how many.
        tracker: HOST:PORT.
        video: the file.
        video_id: its id.
        folder: where the peers live.
    """

    def __init__(
        self, receivers: int, tracker: str, video: Path, video_id: str, folder: Path
    ) -> None:
        self.name = _name(_OURS, receivers)
        self._receivers = receivers
        self._tracker = tracker
        self._video = video
        self._video_id = video_id
        self._folder = folder
        self._numbers = count(1)

    def run(self) -> Sample:
        """From before they are asked, all up, until the last of them has the file."""
        homes = [
            self._folder / f"receiver-{self._receivers}-{next(self._numbers)}"
            for _receiver in range(self._receivers)
        ]
        with contextlib.ExitStack() as stack:
            receivers = [
                stack.enter_context(peers.peer(home, self._tracker, *_limit())) for home in homes
            ]
            took = peers.download(receivers, (self._video_id, self._video.name))
        for receiver in receivers:
            _check_and_remove(receiver.received(self._video.name), self._video, receiver.home.path)
        return {Metric.TRANSFER_SECONDS: max(took), Metric.FIRST_SECONDS: min(took)}


class TorrentSwarm:
    """Lets so many new leeches, who know the seed and each other, download a torrent at once.

    Args:
        receivers: how many.
        seed: the seed.
        torrent: the torrent.
        video: its file.
        folder: where the leeches live.
    """

    def __init__(
        self, receivers: int, seed: Server, torrent: Path, video: Path, folder: Path
    ) -> None:
        self.name = _name(LIBTORRENT, receivers)
        self._receivers = receivers
        self._seed = seed
        self._torrent = torrent
        self._video = video
        self._folder = folder

    def run(self) -> Sample:
        """From when they know each other until the last of them has the file."""
        homes = [self._folder / f"leech-{number}" for number in range(self._receivers)]
        with contextlib.ExitStack() as stack:
            leeches = [stack.enter_context(self._leech(home)) for home in homes]
            took = _download([self._seed, *leeches], leeches)
        for home in homes:
            _check_and_remove(home / self._video.name, self._video, home)
        return {Metric.TRANSFER_SECONDS: max(took), Metric.FIRST_SECONDS: min(took)}

    def _leech(self, home: Path) -> contextlib.AbstractContextManager[Server]:
        home.mkdir()
        command = leech_command(self._torrent, home, upload_limit=_LIMIT)
        return serving(command, log=home / "log")


def _download(all_peers: Sequence[Server], leeches: Sequence[Server]) -> list[float]:
    for leech in leeches:
        others = (peer.first_line.strip() for peer in all_peers if peer is not leech)
        leech.tell(" ".join(others))
    return [float(leech.answer().split()[0]) for leech in leeches]


def _limit() -> tuple[str, str]:
    return ("--upload-limit", str(_LIMIT))


def _check_and_remove(received: Path, video: Path, home: Path) -> None:
    assert received.stat().st_size == video.stat().st_size, received
    shutil.rmtree(home)


def measure(folder: Path, size_bytes: int, runs: int, after_each: AfterEach) -> Measurement:
    """Spread a video that one owner has; beside it one receiver alone, and libtorrent likewise."""
    result = Measurement(
        f"{size_bytes / (1 << 20):g} MiB from one owner to {_RECEIVERS} receivers, all sending at "
        f"most {_LIMIT / 1e6:g} MB/s, on {file_system(folder)}",
        size_bytes,
    )
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=folder)))
        (work / "shared").mkdir()
        video = work / "shared" / "video.bin"
        make_video(video, size_bytes)
        tracker = stack.enter_context(peers.tracker(work))
        stack.enter_context(peers.peer(work / "owner", tracker, *_limit(), shared=video.parent))
        asker = peers.Home(work / "asker", tracker)
        asker.run("register", "asker")
        video_id = peers.offered(asker, video.name)
        contenders: list[Contender] = [
            Swarm(receivers, tracker, video, video_id, work) for receivers in (_RECEIVERS, 1)
        ]
        names = [_name(LIBTORRENT, receivers) for receivers in (_RECEIVERS, 1)]
        with result.attempt(*names):
            torrent = make_torrent(video, work)
            owner = stack.enter_context(
                seed(torrent, video, work / "seed.log", upload_limit=_LIMIT)
            )
            contenders += (
                TorrentSwarm(receivers, owner, torrent, video, work)
                for receivers in (_RECEIVERS, 1)
            )
        interleave(result, contenders, runs, after_each=after_each)
    _compare(result)
    return result


def _compare(result: Measurement) -> None:
    mine = _name(_OURS, _RECEIVERS)
    slowdown = result.speed_ratio(_name(_OURS, 1), mine, Metric.TRANSFER_SECONDS)
    text = f"{mine}: times as long as one receiver alone"
    result.ratios[text] = slowdown
    result.checks.append(Check(text, slowdown.median, _ALONE_TARGET, at_least=False))
    theirs = _name(LIBTORRENT, _RECEIVERS)
    if theirs in result.samples:
        ratio = result.speed_ratio(mine, theirs, Metric.TRANSFER_SECONDS)
        text = f"{mine}: times as fast as {theirs}"
        result.ratios[text] = ratio
        result.checks.append(Check(text, ratio.median, _LIBTORRENT_TARGET, at_least=True))
