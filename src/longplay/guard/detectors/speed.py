"""Music taken faster than it can be heard.

A leaky bucket (Turner 1986) of seconds of music: it fills by what is taken and drains at four times
the speed of time, since families share accounts. What it holds is music that nobody can have heard.
The log's bytes count where it tells them, so that a claimed "skip" of a whole file is charged all
the same.
"""

from __future__ import annotations

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.state import AHEAD, STREAMS, Numbers

FREE = 2 * 3600.0
"""Seconds of music ahead that prove nothing: players fetch ahead, clients send plays in bursts."""

NAT = 1200.0
"""Seconds beyond that which weigh one nat."""

MOST = 14.0


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """One nat for every twenty minutes beyond what is free."""
    return float(min(max((n[AHEAD] - FREE) / NAT, 0.0), MOST))


def reason(n: Numbers, baseline: Vector) -> str:
    """How much music beyond what the time can hold."""
    return (
        f"{n[AHEAD] / 3600:,.1f} hours of music beyond what {STREAMS:.0f} players at once "
        "could have played in that time"
    )
