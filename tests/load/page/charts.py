"""Charts as SVG that stretches; what is written stands in HTML beside it and keeps its size."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from tests.load.page.words import say

WIDTH, HEIGHT = 600, 200
# Of pieces, in page.css; then they begin again.
COLOURS = 12


def against_target(value: float, target: float, more_is_better: bool) -> str:
    """A bar whose tick is the target, on a scale of one and a half targets."""
    share = min(1.0, value / (1.5 * target)) if target else 0.0
    met = value >= target if more_is_better else value <= target
    return (
        f'<svg class="bar" viewBox="0 0 150 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="150" height="10" rx="2"/>'
        f'<rect class="{"good" if met else "bad"}" width="{max(1.5, 150 * share):.1f}" height="10"'
        f' rx="2"/><rect class="tick" x="99.2" width="1.6" height="10"/></svg>'
    )


def strip(rounds: Sequence[float], target: float) -> str:
    """Every round a dot, and the target a line, so that the spread is seen."""
    low, high = min(*rounds, target), max(*rounds, target)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return 4 + 112 * (value - low) / span

    dots = "".join(
        f'<circle cx="{place(one):.1f}" cy="9" r="3"><title>{one:,}</title></circle>'
        for one in rounds
    )
    return (
        f'<svg class="strip" viewBox="0 0 120 18" role="img"><line class="rail" x1="2" x2="118" '
        f'y1="9" y2="9"/><line class="tick" x1="{place(target):.1f}" x2="{place(target):.1f}" '
        f'y1="1" y2="17"/>{dots}</svg>'
    )


def parts(shares: Mapping[str, float]) -> str:
    """One bar out of pieces."""
    total, at, pieces = sum(max(0.0, one) for one in shares.values()) or 1.0, 0.0, []
    for number, (name, value) in enumerate(shares.items()):
        wide = WIDTH * max(0.0, value) / total
        pieces.append(
            f'<rect class="piece p{number % COLOURS}" x="{at:.1f}" width="{wide:.1f}" height="40">'
            f"<title>{escape(name)}: {value:.1f} µs</title></rect>"
        )
        at += wide
    return (
        f'<svg class="parts" viewBox="0 0 {WIDTH} 40" preserveAspectRatio="none" role="img">'
        f"{''.join(pieces)}</svg>"
    )


def lines(
    across: Sequence[float], series: Mapping[str, Sequence[float]], logarithmic: bool = False
) -> str:
    """Lines over a common axis; a column's title tells all its values. Names are words'."""
    most = max((max(one, default=0) for one in series.values()), default=0) or 1
    top = 10.0 ** max(1, math.ceil(math.log10(most))) if logarithmic else _rounded_up(most)
    first, last = across[0], across[-1]

    def x(value: float) -> float:
        return WIDTH * (value - first) / ((last - first) or 1)

    def y(value: float) -> float:
        if logarithmic:
            share = math.log10(max(1.0, value)) / math.log10(top)
        else:
            share = value / top
        return HEIGHT * (1 - share)

    drawn = []
    for name, values in series.items():
        points = " ".join(
            f"{x(at):.1f},{y(one):.1f}" for at, one in zip(across, values, strict=True)
        )
        drawn.append(f'<polyline class="line {_class(name)}" points="{points}"/>')
    marks = _marks(top, logarithmic)
    grid = "".join(
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        for mark in marks
    )
    labels = "".join(
        f'<span style="top:{100 * y(mark) / HEIGHT:.1f}%">{_short(mark)}</span>' for mark in marks
    )
    below = "".join(
        f'<span style="left:{100 * x(at) / WIDTH:.1f}%">{_short(at)}</span>'
        for at in across[:: max(1, len(across) // 8)]
    )
    legend = "".join(f'<span class="key {_class(name)}">{say(name)}</span>' for name in series)
    return (
        f'<div class="chart"><div class="legend">{legend}</div><div class="plot">'
        f'<div class="y">{labels}</div><svg viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none" role="img">{grid}{"".join(drawn)}{_columns(across, series)}'
        f'</svg><div class="x">{below}</div></div></div>'
    )


def _columns(across: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    """What a pointer finds out."""
    wide = WIDTH / len(across)
    return "".join(
        f'<rect class="column" x="{index * wide:.1f}" width="{wide:.1f}" height="{HEIGHT}"><title>'
        f"{at:,}: "
        + ", ".join(f"{escape(name)} {values[index]:,}" for name, values in series.items())
        + "</title></rect>"
        for index, at in enumerate(across)
    )


def _marks(top: float, logarithmic: bool) -> list[float]:
    if logarithmic:
        return [10.0**power for power in range(round(math.log10(top)) + 1)]
    return [top * part / 4 for part in range(5)]


def _rounded_up(value: float) -> float:
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value))


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"


def _class(name: str) -> str:
    return "k-" + name.replace(" ", "-")
