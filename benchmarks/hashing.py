"""The hashing of a folder of big files, in turns with BLAKE3 alone."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.files import file_system, make_video
from benchmarks.measure import AfterEach, Check, Measurement, Metric, Sample, interleave
from benchmarks.processes import ROOT, run

_OURS: Final = "videoteca, hashing"
_OTHERS: Final = {"blake3, update_mmap": "mapped", "blake3, readinto": "readinto"}
_TARGET: Final = 0.8
_FILES: Final = 4


class Hashing:
    """Hashes the files of a folder in a way of :mod:`benchmarks.hash_files`.

    Args:
        name: what the report calls it.
        way: which one.
        folder: the folder, with nothing else in it.
    """

    def __init__(self, name: str, way: str, folder: Path) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "benchmarks.hash_files", way, str(folder)]

    def run(self) -> Sample:
        """Hash all of them once."""
        *_log, figures = run(self._command, cwd=ROOT).output.splitlines()
        seconds, cpu_seconds = map(float, figures.split())
        return {Metric.HASHING_SECONDS: seconds, Metric.CLIENT_CPU_SECONDS: cpu_seconds}


def measure(folder: Path, size_bytes: int, runs: int, after_each: AfterEach) -> Measurement:
    """Hash the same files again and again, from the page cache, with as many threads as cores.

    The others hash each file as a whole. Ours hashes it piece by piece, looks whether it changes
    meanwhile, and ends with a manifest on the disk and a video that is shared.
    """
    result = Measurement(
        f"hashing of {_FILES} files of {size_bytes / _FILES / (1 << 30):g} GiB in the page cache, "
        f"on {file_system(folder)}",
        size_bytes,
    )
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as work:
        shared = Path(work) / "shared"
        shared.mkdir()
        for number in range(_FILES):
            make_video(shared / f"{number}.bin", size_bytes // _FILES)
        ways = {_OURS: "library", **_OTHERS}
        contenders = [Hashing(name, way, shared) for name, way in ways.items()]
        interleave(result, contenders, runs, after_each=after_each)
    for other in _OTHERS:
        ratio = result.speed_ratio(_OURS, other, Metric.HASHING_SECONDS)
        text = f"{_OURS}: times as fast as {other}"
        result.ratios[text] = ratio
        result.checks.append(Check(text, ratio.median, _TARGET, at_least=True))
    return result
