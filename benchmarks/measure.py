"""What a measurement is: contenders that take turns, their samples, and medians of those."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self


class Metric(StrEnum):
    """What is measured of one run."""

    TRANSFER_SECONDS = "transfer_seconds"
    """From the first request until the file is complete, synced and has its name; with several
    who receive it, until the last of them has it."""
    FIRST_SECONDS = "first_seconds"
    """The same, until the first of several has it."""
    COMMAND_SECONDS = "command_seconds"
    """From the start of the client's process until then."""
    HASHING_SECONDS = "hashing_seconds"
    """From before the first byte is read until all files are hashed."""
    CLIENT_CPU_SECONDS = "client_cpu_seconds"
    SERVER_CPU_SECONDS = "server_cpu_seconds"
    CLIENT_PEAK_BYTES = "client_peak_bytes"
    SERVER_PEAK_BYTES = "server_peak_bytes"
    """Of resident memory since the server started, so it never falls from run to run."""


Sample = Mapping[Metric, float]
AfterEach = Callable[[str, Sample], None]
"""Told of each run that counts: whose it was, and what came of it."""


class NotMeasured(Exception):
    """A contender can't take part here; says why and what to do."""


class Contender(Protocol):
    """What is compared with others."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    def run(self) -> Sample:
        """Do the work once, and measure it."""


@dataclass(frozen=True)
class Summary:
    """A metric over all the runs."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Check:
    """A figure that has a target.

    Attributes:
        text: what the figure is.
        value: the figure.
        target: what it should be.
        at_least: whether more is better.
        unit: behind the figure; empty for a ratio.
    """

    text: str
    value: float
    target: float
    at_least: bool
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is as good as it should be."""
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass
class Measurement:
    """One comparison and what came of it.

    Attributes:
        title: what was done.
        size_bytes: how much was moved by each run; 0 where nothing was.
        samples: by the contender's name, in the order of the runs.
        missing: by name, why a contender is not among them.
        ratios: how many times as fast ours is, by what is compared.
        checks: the figures that have a target.
        others: the share of the machine that programs of others used meanwhile, 0 to 1.
    """

    title: str
    size_bytes: int = 0
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    ratios: dict[str, Summary] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    others: float = 0.0

    @contextlib.contextmanager
    def attempt(self, *names: str) -> Iterator[None]:
        """Prepare contenders; one that can't take part is noted as missing."""
        try:
            yield
        except NotMeasured as why:
            self.missing |= dict.fromkeys(names, str(why))

    def values(self, name: str, metric: Metric) -> list[float]:
        """A metric of every run of a contender; empty if that contender does not have it."""
        return [sample[metric] for sample in self.samples[name] if metric in sample]

    def speed_ratio(self, ours: str, theirs: str, metric: Metric) -> Summary:
        """How many times as fast one contender is as another, by the seconds of that metric.

        Taken turn by turn, so that a machine whose speed drifts does not move it.
        """
        pairs = zip(self.values(ours, metric), self.values(theirs, metric), strict=True)
        return Summary.of([their / our for our, their in pairs])


def interleave(
    measurement: Measurement,
    contenders: Sequence[Contender],
    runs: int,
    *,
    after_each: AfterEach,
    rest_seconds: float = 0.0,
) -> None:
    """Let the contenders take turns: each once to warm up, which does not count, then each in turn.

    Args:
        measurement: where to note the samples.
        contenders: in the order of their turns.
        runs: how many turns each has that count.
        after_each: told of each run that counts.
        rest_seconds: to wait before each run, so that all find the machine alike.
    """
    for contender in contenders:
        contender.run()
        measurement.samples[contender.name] = []
    for _turn in range(runs):
        for contender in contenders:
            time.sleep(rest_seconds)
            sample = contender.run()
            measurement.samples[contender.name].append(sample)
            after_each(contender.name, sample)
