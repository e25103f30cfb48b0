"""Downloads beyond what fills a device.

Who takes music along downloads a library at once, 2,000 tracks and more, and then little. The
bucket drains 100 tracks a day; only what is beyond 3,000 counts.
"""

from __future__ import annotations

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.state import DOWNLOADS, Numbers

FREE = 3000.0
NAT = 100.0
MOST = 14.0


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """One nat for every hundred downloads beyond what is free."""
    return float(min(max((n[DOWNLOADS] - FREE) / NAT, 0.0), MOST))


def reason(n: Numbers, baseline: Vector) -> str:
    """How many downloads."""
    return f"{n[DOWNLOADS]:,.0f} downloads in a short time; a full device holds about {FREE:,.0f}"
