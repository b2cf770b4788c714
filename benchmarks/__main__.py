"""``python -m benchmarks``: measures, prints the tables, and writes them as JSON and as a plot."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import hashing, machine, many, memory, plot, report, startup, swarm, transfer
from benchmarks.measure import AfterEach, Measurement
from benchmarks.processes import ROOT, ProgramFailed

_MEMORY: Final = Path("/dev/shm")
_DISK: Final = ROOT / "build"
_RESULTS: Final = Path(__file__).parent / "results"
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30


@dataclass(frozen=True)
class _Plan:
    """A measurement, with its numbers in earnest and when it is only tried.

    Attributes:
        measure: takes a folder to work in, the bytes to move and the turns of each contender.
        folders: where to measure, once in each.
        size_bytes: how much is moved.
        runs: turns that each contender has.
        quick_size_bytes: when it is only tried.
        quick_runs: likewise.
    """

    measure: Callable[[Path, int, int, AfterEach], Measurement]
    folders: Sequence[Path]
    size_bytes: int
    runs: int
    quick_size_bytes: int
    quick_runs: int


_PLANS: Final = {
    "transfer": _Plan(transfer.measure, (_MEMORY, _DISK), _GIB, 7, 256 * _MIB, 2),
    "many": _Plan(many.measure, (_DISK,), _GIB, 5, 256 * _MIB, 1),
    "swarm": _Plan(swarm.measure, (_MEMORY,), 256 * _MIB, 3, 64 * _MIB, 1),
    "memory": _Plan(memory.measure, (_DISK,), 4 * _GIB, 3, 512 * _MIB, 1),
    "hashing": _Plan(hashing.measure, (_MEMORY, _DISK), 4 * _GIB, 7, 512 * _MIB, 2),
    "startup": _Plan(startup.measure, (_DISK,), _MIB, 11, _MIB, 3),
}


def main() -> None:
    options = _options()
    if not sys.platform.startswith("linux"):
        sys.exit("The benchmarks read /proc, which only Linux has.")
    facts = machine.facts()
    print(", ".join(f"{name} {value}" for name, value in facts.items()), "\n")
    measurements = []
    for measure in _chosen(options):
        neighbours = machine.Neighbours()
        try:
            measurement = measure()
        except ProgramFailed as failure:
            sys.exit(str(failure))
        measurement.others = neighbours.share()
        measurements.append(measurement)
        print("\n" + report.as_text(measurement) + "\n", flush=True)
    if options.quick:
        print("Quick: too small and too few to be quoted.")
    results = report.store(_RESULTS, facts, measurements, quick=options.quick)
    plot.write(results.with_suffix(".svg"), [results])
    print("Written to", results, "and drawn beside it.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure side by side with other systems."
    )
    parser.add_argument("--quick", action="store_true", help="little data and few runs")
    parser.add_argument("--only", choices=_PLANS, help="one measurement")
    parser.add_argument(
        "--folder",
        type=_folder,
        action="append",
        help="where to measure; may be repeated (by default in memory, on a disk or both)",
    )
    parser.add_argument("--runs", type=int, help="turns that each contender has")
    return parser.parse_args()


def _folder(text: str) -> Path:
    folder = Path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return folder.absolute()


def _chosen(options: argparse.Namespace) -> Iterator[Callable[[], Measurement]]:
    _DISK.mkdir(exist_ok=True)
    for name, plan in _PLANS.items():
        if options.only in (None, name):
            size_bytes = plan.quick_size_bytes if options.quick else plan.size_bytes
            runs = options.runs or (plan.quick_runs if options.quick else plan.runs)
            for folder in options.folder or plan.folders:
                yield partial(plan.measure, folder, size_bytes, runs, report.progress)


if __name__ == "__main__":
    main()
