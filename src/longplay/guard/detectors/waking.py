"""Hours without a rest. People sleep; an account that takes music for days without a pause of three
hours is a machine, or a loudspeaker in a shop (which repeats its list, so that breadth speaks for
it).

The longest stretch in the months of fourteen people was 45 hours; a party of 24 hours weighs
nothing.
"""

from __future__ import annotations

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.state import AWAKE, LAST, Numbers

FREE_HOURS = 36.0
NAT_HOURS = 7.0
MOST = 8.0


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """One nat for every seven hours beyond a day and a half."""
    hours = (n[LAST] - n[AWAKE]) / 3600
    return float(min(max((hours - FREE_HOURS) / NAT_HOURS, 0.0), MOST))


def reason(n: Numbers, baseline: Vector) -> str:
    """How long without a rest."""
    return f"{(n[LAST] - n[AWAKE]) / 3600:,.0f} hours without a rest of three hours"
