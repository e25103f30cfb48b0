"""The catalogue's own order: tracks one after the other by their numbers, or by a constant step.

A number is what a track's id ends with, or its place in the catalogue, which Longplay counts from
the most popular down; so one detector sees both who copies by id and who copies by popularity. An
album in full has a dozen steps of one, a discography perhaps 150; steps of another constant size
(several accounts that share a list by turns) come from no human habit.
"""

from __future__ import annotations

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.state import RISING, STEP, STEPS, Numbers

FREE_STEPS = 30.0
"""Steps of one that an album, or a few, may have."""

FREE_OTHER = 6.0
FREE_RISING = 60.0
MOST = 14.0
MOST_RISING = 8.0


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """By equal steps, or by long rises; whichever says more."""
    by_one = abs(n[STEP]) == 1
    steps = (n[STEPS] - FREE_STEPS) * 0.06 if by_one else (n[STEPS] - FREE_OTHER) * 0.5
    rising = min((abs(n[RISING]) - FREE_RISING) * 0.05, MOST_RISING)
    return float(min(max(steps, rising, 0.0), MOST))


def reason(n: Numbers, baseline: Vector) -> str:
    """How long a row of tracks followed the catalogue's order."""
    if n[STEPS] > FREE_OTHER:
        return f"{n[STEPS]:,.0f} tracks in a row by steps of {n[STEP]:+,.0f} in the catalogue"
    way = "up" if n[RISING] > 0 else "down"
    return f"{abs(n[RISING]):,.0f} tracks in a row straight {way} the catalogue's order"
