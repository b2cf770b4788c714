"""Shows measurements: a table for a person, JSON for a program."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Check, Measurement, Metric, Sample, Summary

_GIB: Final = 1 << 30


@dataclasses.dataclass(frozen=True)
class _Column:
    title: str
    metric: Metric
    show: Callable[[float, int], str]
    """From the figure and the bytes that were moved."""


def _seconds(value: float, _size_bytes: int) -> str:
    return f"{value:.3f}"


def _rate(value: float, size_bytes: int) -> str:
    return f"{size_bytes / value / 1e6:.0f}"


def _seconds_a_gib(value: float, size_bytes: int) -> str:
    return f"{value * _GIB / size_bytes:.2f}"


def _megabytes(value: float, _size_bytes: int) -> str:
    return f"{value / 1e6:.0f}"


_MOVING: Final = (
    _Column("transfer s", Metric.TRANSFER_SECONDS, _seconds),
    _Column("transfer MB/s", Metric.TRANSFER_SECONDS, _rate),
    _Column("first has it, s", Metric.FIRST_SECONDS, _seconds),
    _Column("hashing s", Metric.HASHING_SECONDS, _seconds),
    _Column("hashing MB/s", Metric.HASHING_SECONDS, _rate),
    _Column("command s", Metric.COMMAND_SECONDS, _seconds),
    _Column("client CPU s/GiB", Metric.CLIENT_CPU_SECONDS, _seconds_a_gib),
    _Column("server CPU s/GiB", Metric.SERVER_CPU_SECONDS, _seconds_a_gib),
    _Column("client peak MB", Metric.CLIENT_PEAK_BYTES, _megabytes),
    _Column("server peak MB", Metric.SERVER_PEAK_BYTES, _megabytes),
)
_STARTING: Final = (
    _Column("seconds", Metric.COMMAND_SECONDS, _seconds),
    _Column("CPU s", Metric.CLIENT_CPU_SECONDS, _seconds),
    _Column("peak MB", Metric.CLIENT_PEAK_BYTES, _megabytes),
)


_ELAPSED: Final = (Metric.TRANSFER_SECONDS, Metric.HASHING_SECONDS, Metric.COMMAND_SECONDS)


def progress(name: str, sample: Sample) -> None:
    """Tell of one run."""
    figures = (f"{sample[metric]:.3f} s" for metric in _ELAPSED if metric in sample)
    print(f"  {name}: {', '.join(figures)}", flush=True)


def as_text(measurement: Measurement) -> str:
    """Medians with the least and the greatest, and what became of the targets."""
    columns = [
        column
        for column in (_MOVING if measurement.size_bytes else _STARTING)
        if any(column.metric in all_[0] for all_ in measurement.samples.values())
    ]
    rows = [["", *(column.title for column in columns)]]
    rows += [
        [name, *(_cell(measurement, name, column) for column in columns)]
        for name in measurement.samples
    ]
    rows += [[name, "not measured"] for name in measurement.missing]
    lines = [measurement.title, "", *_table(rows), ""]
    lines.append(f"Others used {measurement.others:.0%} of the machine meanwhile.")
    lines += [f"{name} was not measured: {why}." for name, why in measurement.missing.items()]
    lines += [
        f"{text}: {ratio.median:.2f} ({ratio.low:.2f}..{ratio.high:.2f})"
        for text, ratio in measurement.ratios.items()
    ]
    lines += map(_verdict, measurement.checks)
    return "\n".join(lines)


def _cell(measurement: Measurement, name: str, column: _Column) -> str:
    values = measurement.values(name, column.metric)
    if not values:
        return "-"
    all_ = Summary.of(values)
    median, *ends = (
        column.show(value, measurement.size_bytes) for value in (all_.median, all_.low, all_.high)
    )
    return f"{median} ({'..'.join(sorted(ends, key=float))})"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [
        max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))
    ]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]


def _verdict(check: Check) -> str:
    bound = "at least" if check.at_least else "at most"
    outcome = "reached" if check.reached else "NOT REACHED"
    unit = f" {check.unit}" if check.unit else ""
    return f"{outcome}: {check.text}: {check.value:.3g}{unit} ({bound} {check.target:g}{unit})"


def store(
    folder: Path, machine: Mapping[str, str], measurements: Sequence[Measurement], *, quick: bool
) -> Path:
    """Write all samples, summaries and checks as JSON; returns the file."""
    now = dt.datetime.now(dt.UTC)
    folder.mkdir(exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    record = {
        "finished": now.isoformat(timespec="seconds"),
        "quick": quick,
        "machine": dict(machine),
        "measurements": [_as_record(each) for each in measurements],
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def _as_record(measurement: Measurement) -> dict[str, Any]:
    summaries = {
        name: {
            metric: dataclasses.asdict(Summary.of(values))
            for metric in Metric
            if (values := measurement.values(name, metric))
        }
        for name in measurement.samples
    }
    checks = [
        {**dataclasses.asdict(check), "reached": check.reached} for check in measurement.checks
    ]
    return {**dataclasses.asdict(measurement), "summaries": summaries, "checks": checks}
