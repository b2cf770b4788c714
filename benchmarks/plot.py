"""Draws what was compared as bars: an SVG that is read on light and on dark pages.

A program as well: ``SVG JSON...`` draws what is in those results; of two with the same title, the
later one.
"""

import html
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

from benchmarks.measure import Metric

_METRICS: Final = (Metric.TRANSFER_SECONDS, Metric.HASHING_SECONDS, Metric.COMMAND_SECONDS)
"""The first of them that a contender has is drawn."""
_OURS: Final = "videoteca"
_WIDTH: Final = 760
_MARGIN: Final = 16
_BARS_LEFT: Final = 250
_BARS_WIDTH: Final = 340
_ROW: Final = 24
_BAR: Final = 14
_HEADING: Final = 40
_GAP: Final = 18
_NOTE: Final = "Seconds, less is better: the median of the runs, and from the least to the greatest"

_PAGE: Final = Template("""\
<svg xmlns="http://www.w3.org/2000/svg" width="$width" height="$height" \
viewBox="0 0 $width $height" role="img" aria-label="$note">
<style>
text { font: 13px sans-serif; fill: #24292f; }
.title { font-weight: bold; }
.value, .note { font-size: 12px; fill: #57606a; }
.page { fill: #ffffff; } .bar { fill: #afb8c1; } .ours { fill: #2f81f7; }
.whisker { stroke: #24292f; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.value, .note { fill: #9198a1; }
.page { fill: #0d1117; } .bar { fill: #4d5560; } .ours { fill: #388bfd; }
.whisker { stroke: #e6edf3; }
}
</style>
<rect class="page" width="$width" height="$height" rx="6"/>
<text class="note" x="$margin" y="26">$note</text>
$panels
</svg>
""")
_BAR_ROW: Final = Template("""\
<text x="$name_right" y="$text_base" text-anchor="end">$name</text>
<rect class="$kind" x="$left" y="$top" width="$median" height="$bar"/>
<path class="whisker" d="M$low ${middle}H${high}M$low ${cap}v8M$high ${cap}v8"/>
<text class="value" x="$value_left" y="$text_base">$value</text>""")


@dataclass(frozen=True)
class _Bar:
    """One contender: what it took, in seconds."""

    name: str
    median: float
    low: float
    high: float


def draw(measurements: Sequence[Mapping[str, Any]]) -> str:
    """An SVG with a panel for each comparison.

    Args:
        measurements: as in the results; those with one contender, or without seconds, are left
            out.
    """
    by_title = {each["title"]: each for each in measurements}
    panels, top = [], _HEADING
    for title, measurement in by_title.items():
        bars = [bar for name in measurement["summaries"] if (bar := _bar(measurement, name))]
        if len(bars) > 1:
            panels.append(_panel(title, bars, top))
            top += _HEADING + _ROW * len(bars) + _GAP
    return _PAGE.substitute(
        width=_WIDTH, height=top, margin=_MARGIN, note=_NOTE, panels="\n".join(panels)
    )


def _bar(measurement: Mapping[str, Any], name: str) -> _Bar | None:
    of_contender = measurement["summaries"][name]
    for metric in _METRICS:
        if metric in of_contender:
            summary = of_contender[metric]
            return _Bar(name, summary["median"], summary["low"], summary["high"])
    return None


def _panel(title: str, bars: Sequence[_Bar], top: int) -> str:
    scale = _BARS_WIDTH / max(bar.high for bar in bars)
    heading = f'<text class="title" x="{_MARGIN}" y="{top + 20}">{html.escape(title)}</text>'
    rows = (_row(bar, scale, top + _HEADING + _ROW * number) for number, bar in enumerate(bars))
    return "\n".join((heading, *rows))


def _row(bar: _Bar, scale: float, top: int) -> str:
    return _BAR_ROW.substitute(
        name=html.escape(bar.name),
        name_right=_BARS_LEFT - 8,
        text_base=top + _BAR - 2,
        kind="bar ours" if bar.name.startswith(_OURS) else "bar",
        left=_BARS_LEFT,
        top=top,
        bar=_BAR,
        median=f"{bar.median * scale:.1f}",
        low=f"{_BARS_LEFT + bar.low * scale:.1f}",
        high=f"{_BARS_LEFT + bar.high * scale:.1f}",
        middle=top + _BAR // 2,
        cap=top + _BAR // 2 - 4,
        value_left=f"{_BARS_LEFT + bar.high * scale + 8:.1f}",
        value=f"{bar.median:.2f} ({bar.low:.2f} to {bar.high:.2f})",
    )


def write(target: Path, results: Sequence[Path]) -> None:
    """Draw what is in those results."""
    records = [json.loads(path.read_text()) for path in results]
    target.write_text(draw([each for record in records for each in record["measurements"]]))


if __name__ == "__main__":
    svg, *paths = map(Path, sys.argv[1:])
    write(svg, paths)
