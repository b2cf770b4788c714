"""``python -m benchmarks``: measures, prints the table and writes it as JSON."""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import machine, report, startup, transfer
from benchmarks.measure import Measurement
from benchmarks.processes import ROOT, ProgramFailed

_SHARED_MEMORY: Final = Path("/dev/shm")
_DISK: Final = ROOT / "build"
_RESULTS: Final = Path(__file__).parent / "results"
_SIZE_BYTES: Final = 1 << 30
_QUICK_SIZE_BYTES: Final = 1 << 28


def main() -> None:
    options = _options()
    if not sys.platform.startswith("linux"):
        sys.exit("The benchmarks read /proc, which only Linux has.")
    facts = machine.facts()
    print(", ".join(f"{name} {value}" for name, value in facts.items()), "\n")
    measurements = []
    for measure in _plan(options):
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
    print("Written to", report.store(_RESULTS, facts, measurements, quick=options.quick))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure side by side with other systems."
    )
    parser.add_argument("--quick", action="store_true", help="little data and few runs")
    parser.add_argument("--only", choices=("transfer", "startup"), help="one measurement")
    parser.add_argument(
        "--folder",
        type=_folder,
        action="append",
        help="where transfers are measured; may be repeated (by default memory and a disk)",
    )
    parser.add_argument("--runs", type=int, help="turns that each contender has")
    return parser.parse_args()


def _folder(text: str) -> Path:
    folder = Path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return folder.absolute()


def _plan(options: argparse.Namespace) -> Iterator[Callable[[], Measurement]]:
    _DISK.mkdir(exist_ok=True)
    if options.only != "startup":
        runs = options.runs or (2 if options.quick else 7)
        size_bytes = _QUICK_SIZE_BYTES if options.quick else _SIZE_BYTES
        for folder in options.folder or (_SHARED_MEMORY, _DISK):
            yield partial(transfer.measure, folder, size_bytes, runs, report.progress)
    if options.only != "transfer":
        runs = options.runs or (3 if options.quick else 11)
        yield partial(startup.measure, _DISK, runs, report.progress)


if __name__ == "__main__":
    main()
