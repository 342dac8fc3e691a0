# SPDX-License-Identifier: Apache-2.0
"""Two kinds of pictures, written by hand: bars, and lines over percentiles. Pure: values in, SVG out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 720, 170, 110, 54, 34
COLOURS = ("#3b6ea5", "#8a8f98", "#b07d2b", "#5b8c5a", "#9a5b8c", "#b0524f", "#3f9c9c", "#6b5b4a")


def bars(title: str, unit: str, values: Mapping[str, float], notes: Mapping[str, str]) -> str:
    """One bar each, in the order given; `notes` stand in grey after the value."""
    most = max(values.values())
    parts = []
    for place, (name, value) in enumerate(values.items()):
        y = TOP + place * ROW
        long = (WIDTH - LEFT - RIGHT) * value / most
        parts += [
            _text(LEFT - 10, y + 16, name, anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{long:.1f}" height="22" rx="2" fill="{COLOURS[place % len(COLOURS)]}"/>',
            _text(LEFT + long + 6, y + 16, f"{value:,.0f}", weight="600"),
        ]
        if notes.get(name):
            inside = long > 180
            x = LEFT + 8 if inside else LEFT + long + 62
            parts.append(_text(x, y + 16, notes[name], size=11, fill="#fff" if inside else "#777"))
    return _picture(f"{title} ({unit})", TOP + len(values) * ROW + 12, parts)


def lines(title: str, unit: str, curves: Mapping[str, Mapping[str, float]]) -> str:
    """A curve each over the percentiles it has, on a logarithmic scale of values."""
    height, bottom = 360, 316
    percents = list(next(iter(curves.values())))
    values = [value for curve in curves.values() for value in curve.values() if value > 0]
    low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))
    xs = [LEFT - 100 + place * (WIDTH - LEFT - RIGHT + 60) / (len(percents) - 1) for place in range(len(percents))]

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * math.log10(max(value, low) / low) / math.log10(high / low)

    parts = []
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        level = y(10.0**power)
        parts.append(f'<line x1="{xs[0]:.1f}" x2="{xs[-1]:.1f}" y1="{level:.1f}" y2="{level:.1f}" stroke="#e3e3e3"/>')
        parts.append(_text(xs[0] - 8, level + 4, f"{10.0**power:g}", size=11, anchor="end"))
    parts += [
        _text(x, bottom + 20, f"p{percent}", size=11, anchor="middle") for x, percent in zip(xs, percents, strict=True)
    ]
    ends = _apart([(y(curve[percents[-1]]), name) for name, curve in curves.items()])
    for place, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[place % len(COLOURS)]
        points = " ".join(f"{x:.1f},{y(curve[percent]):.1f}" for x, percent in zip(xs, percents, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(xs[-1] + 8, ends[name] + 4, name, size=12, fill=colour))
    return _picture(f"{title} ({unit})", height, parts)


def _apart(ends: Sequence[tuple[float, str]]) -> dict[str, float]:
    """Names at the ends of their curves, none on another."""
    placed: dict[str, float] = {}
    last = -math.inf
    for level, name in sorted(ends):
        last = max(level, last + 15)
        placed[name] = last
    return placed


def _text(
    x: float, y: float, words: str, *, size: int = 13, anchor: str = "start", weight: str = "400", fill: str = "#333"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{fill}"'
        f">{escape(words)}</text>"
    )


def _picture(title: str, height: float, parts: Sequence[str]) -> str:
    body = "\n".join(
        ["<!-- SPDX-License-Identifier: Apache-2.0 -->", _text(16, 28, title, size=15, weight="600"), *parts]
    )
    paper = f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img"'
    return f'{head} font-family="system-ui, sans-serif">\n{paper}\n{body}\n</svg>\n'
