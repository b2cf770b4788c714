"""What the benchmarks make of their samples: ratios, who is missing, and the plot."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from benchmarks import plot
from benchmarks.measure import Check, Measurement, Metric, NotMeasured, Sample, interleave

SVG = "{http://www.w3.org/2000/svg}"


class Contender:
    """One whose runs take given seconds."""

    def __init__(self, name: str, *seconds: float) -> None:
        self.name = name
        self._seconds = list(seconds)

    def run(self) -> Sample:
        return {Metric.TRANSFER_SECONDS: self._seconds.pop(0)}


def measured(*contenders: Contender, title: str = "a contest", runs: int = 3) -> Measurement:
    result = Measurement(title)
    interleave(result, contenders, runs, after_each=lambda _name, _sample: None)
    return result


def record(title: str, summaries: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """A measurement as it is stored: each metric's median, least and greatest."""
    return {
        "title": title,
        "summaries": {
            name: {
                metric: dict(zip(("median", "low", "high"), values, strict=True))
                for metric, values in metrics.items()
            }
            for name, metrics in summaries.items()
        },
    }


def drawn(*measurements: dict[str, Any]) -> ET.Element:
    return ET.fromstring(plot.draw(measurements))


def texts(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def bars(svg: ET.Element) -> list[ET.Element]:
    return [each for each in svg.iter(f"{SVG}rect") if each.get("class") != "page"]


def test_a_ratio_is_taken_turn_by_turn_on_a_machine_that_slows_down() -> None:
    result = measured(Contender("ours", 9, 1, 2, 4), Contender("theirs", 9, 2, 4, 10))
    ratio = result.speed_ratio("ours", "theirs", Metric.TRANSFER_SECONDS)
    assert (ratio.median, ratio.low, ratio.high, ratio.runs) == (2, 2, 2.5, 3)


def test_the_first_run_of_each_does_not_count() -> None:
    result = measured(Contender("ours", 9, 1, 2, 3))
    assert result.values("ours", Metric.TRANSFER_SECONDS) == [1, 2, 3]


def find_program() -> None:
    raise NotMeasured("not installed")


def test_who_can_not_take_part_is_missing_and_the_others_go_on() -> None:
    result = Measurement("a contest")
    with result.attempt("one", "two"):
        find_program()
    with result.attempt("three"):
        pass
    assert result.missing == {"one": "not installed", "two": "not installed"}


def test_a_failure_of_another_kind_is_not_taken_for_a_missing_program() -> None:
    with pytest.raises(OSError, match="full"), Measurement("a contest").attempt("one"):
        raise OSError("the disk is full")


@pytest.mark.parametrize(
    ("value", "at_least", "reached"),
    [(2, True, True), (1.9, True, False), (2, False, True), (2.1, False, False)],
)
def test_a_target_is_reached_from_its_side(value: float, at_least: bool, reached: bool) -> None:
    assert Check("a figure", value, 2, at_least=at_least).reached is reached


def test_bars_are_as_long_as_what_they_stand_for() -> None:
    svg = drawn(
        record(
            "on tmpfs & ext4",
            {
                "videoteca": {"transfer_seconds": (1, 0.5, 2)},
                "<other>": {"transfer_seconds": (3, 2.5, 4), "command_seconds": (9, 9, 9)},
            },
        )
    )
    ours, theirs = bars(svg)
    assert float(theirs.get("width", 0)) == pytest.approx(3 * float(ours.get("width", 0)))
    assert float(theirs.get("x", 0)) + float(theirs.get("width", 0)) < float(svg.get("width", 0))
    assert (ours.get("class"), theirs.get("class")) == ("bar ours", "bar")
    assert texts(svg)[1:] == [
        "on tmpfs & ext4",
        "videoteca",
        "1.00 (0.50 to 2.00)",
        "<other>",
        "3.00 (2.50 to 4.00)",
    ]


def test_a_plot_leaves_out_what_is_no_comparison_of_seconds() -> None:
    seconds = {"transfer_seconds": (1, 1, 1)}
    svg = drawn(
        record("alone", {"one": seconds}),
        record("memory", {"one": seconds, "two": {"server_peak_bytes": (1, 1, 1)}}),
    )
    assert bars(svg) == []


def test_the_later_of_two_measurements_with_one_title_is_drawn() -> None:
    def both(seconds: float) -> dict[str, Any]:
        all_alike = {"command_seconds": (seconds, seconds, seconds)}
        return record("a contest", {"one": all_alike, "two": all_alike})

    svg = drawn(both(1), both(2))
    assert texts(svg)[3::2] == ["2.00 (2.00 to 2.00)"] * 2
