"""Pictures of figures as SVG: where bars and lines stand. Templates write them; colours are those
of the site's styles, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from longplay.access.preserved import Bar, Point
from longplay.access.site import wording

WIDTH, HEIGHT = 400, 220
"""Of a picture, in its own units; a phone shows about as many pixels."""

LEFT, TOP, BOTTOM = 54, 10, 26
"""Room for the words at a picture's edges."""

LINEAR = 200
"""Recordings of the highest bar up to which heights are as the counts; above, as logarithms."""

UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Mark:
    """A word at an edge, and where."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A bar and the filled part of it, in units of the picture."""

    x: float
    width: float
    y: float
    height: float
    part_y: float
    part_height: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars side by side, with words below and beside them."""

    columns: tuple[Column, ...]
    below: tuple[Mark, ...]
    beside: tuple[Mark, ...]
    logarithmic: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line and the area under it, with words below and beside it."""

    points: str
    area: str
    below: tuple[Mark, ...]
    beside: tuple[Mark, ...]


def short(number: float) -> str:
    """A count in few letters: 20k."""
    for unit, letter in UNITS:
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:.3g}"


def histogram(bars: Sequence[Bar]) -> Histogram:
    """Recordings by listens, the held ones filled."""
    most = max(bar.recordings for bar in bars)
    logarithmic = most > LINEAR
    room = HEIGHT - TOP - BOTTOM

    def tall(count: float) -> float:
        share = math.log1p(count) / math.log1p(most) if logarithmic else count / most
        return round(share * room, 2)

    step = (WIDTH - LEFT) / len(bars)
    columns = tuple(
        Column(
            round(LEFT + at * step, 2),
            round(step * 0.82, 2),
            round(TOP + room - tall(bar.recordings), 2),
            tall(bar.recordings),
            round(TOP + room - tall(bar.held), 2),
            tall(bar.held),
        )
        for at, bar in enumerate(bars)
    )
    each = max(1, math.ceil(len(bars) / 9))
    below = tuple(
        Mark(round(LEFT + at * step, 2), short(bar.low))
        for at, bar in enumerate(bars)
        if at % each == 0
    )
    ticks = [10**power for power in range(12)] if logarithmic else sorted({max(1, most // 2), most})
    seen = [one for one in ticks if one <= most]
    # Of many powers of ten every other has a word, or every third.
    seen = seen[:: max(1, math.ceil(len(seen) / 5))] if logarithmic else seen
    beside = tuple(Mark(round(TOP + room - tall(one), 2), short(one)) for one in seen)
    return Histogram(columns, below, beside, logarithmic)


def growth(points: Sequence[Point]) -> Line:
    """Bytes over time."""
    most = max(1, *(point.bytes for point in points))
    times = [_seconds(point.time) for point in points]
    span = max(times[-1] - times[0], 1.0)
    room = HEIGHT - TOP - BOTTOM
    places = [
        (
            round(LEFT + 8 + (time - times[0]) / span * (WIDTH - LEFT - 12), 2),
            round(TOP + room - point.bytes / most * room, 2),
        )
        for time, point in zip(times, points, strict=True)
    ]
    line = " ".join(f"{x},{y}" for x, y in places)
    ground = TOP + room
    area = f"{places[0][0]},{ground} {line} {places[-1][0]},{ground}"
    first, last = (one.time for one in (points[0], points[-1]))
    said = (first[:10], last[:10])
    if said[0] == said[1]:
        said = (f"{first[:10]} {first[11:16]}", last[11:16])
    below = (Mark(places[0][0], said[0]), Mark(WIDTH, said[1]))
    beside = tuple(
        Mark(round(TOP + room - share * room, 2), wording.size(share * most)) for share in (0.5, 1)
    )
    return Line(line, area, below, beside)


def _seconds(time: str) -> float:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return 0.0
