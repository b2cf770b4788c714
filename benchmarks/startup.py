"""How long a command takes before it does anything."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import ours, peers
from benchmarks.files import make_video
from benchmarks.measure import AfterEach, Check, Measurement, Metric, Summary, interleave
from benchmarks.processes import VIDEOTECA

_HELP: Final = "videoteca --help"
_INFO: Final = "videoteca info"
_TARGET_SECONDS: Final = ((_HELP, 0.2), (_INFO, 0.5))


def measure(folder: Path, size_bytes: int, runs: int, after_each: AfterEach) -> Measurement:
    """Start each command again and again; the interpreter alone is the yardstick.

    Args:
        folder: where to work.
        size_bytes: of the one video that is told of.
        runs: how often each command is started.
        after_each: told of each run.
    """
    result = Measurement("start of a command, from the start of its process to its end")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as name:
        work = Path(name)
        (work / "shared").mkdir()
        video = work / "shared" / "video.bin"
        make_video(video, size_bytes)
        with peers.tracker(work) as tracker, ours.sharing_peer(work, tracker, video):
            asker = ["--home", str(work / "asker"), "--tracker", tracker]  # registered by now
            commands = {
                "python -c pass": [sys.executable, "-c", "pass"],
                _HELP: [VIDEOTECA, "--help"],
                _INFO: [VIDEOTECA, *asker, "info"],
            }
            contenders = [
                ours.TimedCommand(title, command, work) for title, command in commands.items()
            ]
            interleave(result, contenders, runs, after_each=after_each)
    for title, target in _TARGET_SECONDS:
        taken = Summary.of(result.values(title, Metric.COMMAND_SECONDS))
        result.checks.append(Check(title, taken.median, target, at_least=False, unit="s"))
    return result
