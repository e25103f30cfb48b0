"""Sessions too regular: gaps between tracks that do not vary as tracks' lengths do, and nothing
skipped.

Songs differ in length by a third and more, so gaps of who listens vary (0.23 of their mean, at the
least, in fourteen people's months); a program that waits a constant time between two requests
shows. Listeners skip one track in four; who copies has no reason to, and every reason to act as if.
Cheap to evade: capped low.
"""

from __future__ import annotations

import math

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import SKIPS_TOLD, Vector
from longplay.guard.detectors.likelihood import beta_binomial
from longplay.guard.state import GAP, GAP_SQUARE, GAPS, SKIPS, TAKEN, Numbers

LEAST = 60
STEADY = 0.2
"""Deviation of gaps over their mean below which no music plays."""

MOST_STEADY = 4.0
MOST_SKIPS = 1.5
LEAST_NATS = -1.5
LISTENS_A, LISTENS_B = 1.5, 3.0
"""Skips of who listens: a third, with a wide spread."""

COPIES_A, COPIES_B = 0.5, 30.0


@compiled
def deviation(n: Numbers) -> float:
    """How gaps vary, over their mean."""
    return float(math.sqrt(max(n[GAP_SQUARE] - n[GAP] * n[GAP], 0.0)) / max(n[GAP], 1.0))


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """Steady gaps, and skips where the service's log tells them."""
    nats = 0.0
    if n[GAPS] >= LEAST:
        nats = max(MOST_STEADY * (STEADY - deviation(n)) / STEADY, 0.0)
    if baseline[SKIPS_TOLD] > 0 and n[TAKEN] + n[SKIPS] >= LEAST:
        copies = beta_binomial(n[SKIPS], n[TAKEN], COPIES_A, COPIES_B)
        listens = beta_binomial(n[SKIPS], n[TAKEN], LISTENS_A, LISTENS_B)
        nats += min(max(copies - listens, LEAST_NATS), MOST_SKIPS)
    return nats


def reason(n: Numbers, baseline: Vector) -> str:
    """How steady, and how seldom skipped."""
    words = []
    if n[GAPS] >= LEAST and deviation(n) < STEADY:
        words.append(f"tracks {n[GAP]:,.0f} s apart, give or take {n[GAP] * deviation(n):,.0f}")
    if baseline[SKIPS_TOLD] > 0:
        words.append(f"{n[SKIPS]:,.0f} skips beside {n[TAKEN]:,.0f} tracks")
    return "; ".join(words)
