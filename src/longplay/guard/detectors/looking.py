"""Searches and pages against plays: copying a catalogue's metadata needs no music at all.

A bucket that drains 200 looks an hour and 20 with each track played. A media client's home screen
asks for 40 covers at once, several times an hour, and so proves nothing; a person who reads for
days does not either.
"""

from __future__ import annotations

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.state import LOOKING, LOOKS, TAKEN, Numbers

FREE = 3000.0
NAT = 300.0
MOST = 14.0


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """One nat for every 300 looks beyond what is free."""
    return float(min(max((n[LOOKING] - FREE) / NAT, 0.0), MOST))


def reason(n: Numbers, baseline: Vector) -> str:
    """How much was looked at, and how little was played."""
    return f"{n[LOOKS]:,.0f} searches and pages beside {n[TAKEN]:,.0f} tracks"
