"""
Pictures for the docs: plain SVG, readable on light and on dark pages.

Drawn here in some lines, since three pictures of bars are not worth a library of plots.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

import attrs

from benchmarks.figures import Figure, number
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS

_WIDTH: Final = 820
_LABELS: Final = 300
_NUMBERS: Final = 90
_ROW: Final = 22
_TOP: Final = 46
_CPU: Final = ("cpu.per_task.server_us", "cpu.per_task.es_us")
#: Chosen to keep apart on white and on black, and for those who do not see red and green.
_COLOURS: Final = ("#3b78b5", "#d98b2b", "#7a5ba6", "#5a9e6f", "#8a8a8a")


@attrs.frozen(kw_only=True)
class Bar:
    """
    One bar, perhaps of several parts.

    Attributes:
        parts: The length of each, in the order of the legend.
        text: Behind it.
    """

    label: str
    parts: tuple[float, ...]
    text: str


def pictures(results: Results) -> Mapping[str, str]:
    """The pictures by the names of their files; those that have nothing to show are left out."""
    drawn = {
        "performance-ratios.svg": ratios(results),
        "performance-cpu.svg": cpu(results),
        "performance-hand-off.svg": hand_off(results),
        "performance-soak.svg": soak(results),
    }
    return {name: picture for name, picture in drawn.items() if picture}


def ratios(results: Results) -> str:
    """How many times as good as the original each headline is, on a scale of powers of ten."""
    bars = []
    for scenario in SCENARIOS:
        figure = scenario.figures[0]
        found = results.ratio(scenario.name, figure, "ours", "original")
        if found is not None and found > 0:
            better = found if figure.more_is_better else 1 / found
            text = f"{number(better)}×"
            bars.append(Bar(label=f"{scenario.name}, {figure.label}", parts=(better,), text=text))
    title = "This server against the Go original as shipped: times as good (1 = equal)"
    return chart(title, bars, legend=(), is_logarithmic=True, mark=1.0)


def cpu(results: Results) -> str:
    """Where the processors' time goes, for each task."""
    bars = []
    for scenario in SCENARIOS:
        if not {figure.path for figure in scenario.figures}.issuperset(_CPU):
            continue
        for subject in results.subjects_of(scenario.name):
            parts = tuple(
                found.median if found is not None else 0.0
                for found in (
                    results.figures(scenario.name, subject, Figure(label="", path=path))
                    for path in _CPU
                )
            )
            if any(parts):
                text = f"{number(sum(parts))} µs"
                bars.append(Bar(label=f"{scenario.name}, {subject}", parts=parts, text=text))
    title = "Processor time for each task"
    # The original takes a hundred times as much; on one scale the others would not be seen.
    return chart(title, bars, legend=("server", "Elasticsearch"), limit=2000.0)


def hand_off(results: Results) -> str:
    """How long a waiting worker waits for a new task."""
    bars = []
    for name in ("hand-off", "hand-off-elsewhere"):
        for subject in results.subjects_of(name):
            for percentile in ("p50", "p95", "p99"):
                figure = Figure(label="", path=f"latency_ms.create_to_claim.{percentile}")
                found = results.figures(name, subject, figure)
                if found is not None:
                    label, value = f"{name}, {subject}, {percentile}", found.median
                    bars.append(Bar(label=label, parts=(value,), text=f"{number(value)} ms"))
    title = "From a task's creation to its claim, by a worker that waits"
    return chart(title, bars, legend=(), is_logarithmic=True)


def soak(results: Results) -> str:
    """Whether an hour of work makes anything slower."""
    p99 = Figure(label="", path="latency_ms.create_to_claim.p99")
    windows = [window for run in results.runs for window in run.result.get("windows", ())]
    bars = [
        Bar(label=f"part {place} of {len(windows)}", parts=(value,), text=f"{number(value)} ms")
        for place, window in enumerate(windows, start=1)
        if (value := p99.of(window)) is not None
    ]
    return chart("An hour at half load: creation to claim, 99th percentile", bars, legend=())


def chart(
    title: str,
    bars: Sequence[Bar],
    *,
    legend: Sequence[str],
    is_logarithmic: bool = False,
    limit: float = math.inf,
    mark: float | None = None,
) -> str:
    """
    Horizontal bars; empty if there are none.

    Args:
        is_logarithmic: From a power of ten below the shortest; for bars of one part only.
        limit: A longer bar is drawn as long as that, with its parts in proportion and a mark behind;
            its text says how long it is.
        mark: Where to draw a line across.
    """
    if not bars:
        return ""
    scale = _logarithmic(bars) if is_logarithmic else _linear(bars, limit)
    height = _TOP + _ROW * len(bars) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" role="img" font-family="sans-serif" font-size="12"'
        ' fill="#777">',
        f"<title>{escape(title)}</title>",
        f'<text x="8" y="18" font-size="14" font-weight="bold">{escape(title)}</text>',
        *_legend(legend),
    ]
    for place, bar in enumerate(bars):
        lines += _drawn(bar, _TOP + place * _ROW, scale)
    if mark is not None:
        x = _LABELS + (_WIDTH - _LABELS - _NUMBERS) * scale.length(mark)
        lines.append(f'<path d="M{x:.1f} {_TOP - 4}V{height - 6}" stroke="#c33" fill="none"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


@attrs.frozen
class _Scale:
    """From a value to a length: 0 to 1."""

    low: float
    high: float
    is_logarithmic: bool

    def length(self, value: float) -> float:
        if self.is_logarithmic:
            low, high, value = (math.log10(max(v, 1e-9)) for v in (self.low, self.high, value))
        else:
            low, high = self.low, self.high
        return min(max((value - low) / (high - low), 0.0), 1.0)


def _linear(bars: Sequence[Bar], limit: float) -> _Scale:
    return _Scale(0.0, max(min(max(sum(bar.parts) for bar in bars), limit), 1e-9), False)


def _logarithmic(bars: Sequence[Bar]) -> _Scale:
    values = [bar.parts[0] for bar in bars if bar.parts[0] > 0] or [1.0]
    low = 10.0 ** math.floor(math.log10(min(values)) - 0.01)
    return _Scale(low, max(*values, low * 10), True)


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = _LABELS
    for name, colour in zip(names, _COLOURS, strict=False):
        yield f'<rect x="{x}" y="27" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 15}" y="36">{escape(name)}</text>'
        x += 30 + 7 * len(name)


def _drawn(bar: Bar, y: int, scale: _Scale) -> Iterator[str]:
    room = _WIDTH - _LABELS - _NUMBERS
    yield f'<text x="{_LABELS - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>'
    whole = sum(bar.parts)
    is_cut = whole > scale.high
    total, end = 0.0, 0.0
    for part, colour in zip(bar.parts, _COLOURS, strict=False):
        start, total = end, total + (part * scale.high / whole if is_cut else part)
        end = room * scale.length(total)
        yield (
            f'<rect x="{_LABELS + start:.1f}" y="{y + 3}" width="{max(end - start, 0.5):.1f}"'
            f' height="{_ROW - 7}" fill="{colour}"/>'
        )
    text = escape(f"» {bar.text}" if is_cut else bar.text)
    yield f'<text x="{_LABELS + end + 6:.1f}" y="{y + 14}">{text}</text>'
