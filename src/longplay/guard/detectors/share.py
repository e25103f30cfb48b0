"""The share of the catalogue over time: new tracks a month.

A scraper's worth lies in this number, so it is what evading costs most. New tracks of honest months
follow a lognormal distribution with a heavy tail (1,745 in the heaviest month of fourteen people).
"""

from __future__ import annotations

import math

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import MONTH_MEDIAN, MONTH_SPREAD, Vector
from longplay.guard.state import MONTH, Numbers

COPIES_MEDIAN, COPIES_SPREAD = 4000.0, 1.0
LEAST = 500.0
MOST = 10.0


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """The ratio of two lognormal densities; it only ever accuses."""
    if n[MONTH] < LEAST:
        return 0.0
    size = math.log(n[MONTH])
    spread = baseline[MONTH_SPREAD]
    copies = (size - math.log(COPIES_MEDIAN)) / COPIES_SPREAD
    listens = (size - math.log(baseline[MONTH_MEDIAN])) / spread
    if copies > 0:
        copies = 0.0  # more than a copier's usual month is no sign of innocence
    nats = (listens * listens - copies * copies) / 2 + math.log(spread)
    return float(min(max(nats, 0.0), MOST))


def reason(n: Numbers, baseline: Vector) -> str:
    """How many new tracks a month, and what is usual."""
    return (
        f"{n[MONTH]:,.0f} new tracks within about a month; half of the listeners take fewer than "
        f"{baseline[MONTH_MEDIAN]:,.0f}"
    )
