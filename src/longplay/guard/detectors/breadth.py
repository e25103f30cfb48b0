"""Different tracks against tracks taken. Listeners come back to what they like; whoever copies
gains nothing from a track that he has.

Return rates of listeners are among the steadiest facts about them (Anderson et al., "The Dynamics
of Repeat Consumption", WWW 2014: 60 to 80 % of plays are repeats over months). Among an account's
first 200 tracks they are few, so what is expected depends on how many tracks there are. Judged for
all hours together and for each quarter of the day alone: a stolen account listens by day and copies
by night.
"""

from __future__ import annotations

import math

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import REPEATS_A, REPEATS_B, Vector
from longplay.guard.detectors.likelihood import beta_binomial
from longplay.guard.state import (
    AWAKE,
    FIRST,
    LAST,
    NEW,
    QUARTERS,
    SINCE_NEW,
    SINCE_TAKEN,
    TAKEN,
    Numbers,
)

LEAST = 40
"""Tracks below which it accuses nobody that none was repeated …"""

LEAST_REPEATED = 30
"""… and below which repeats excuse nobody: from so many on other signs may accuse."""

COPIES_A, COPIES_B = 0.5, 25.0
"""Repeats of who copies: a share of 2 %, in the middle."""

CAUTION = 0.8
"""What the likelihood ratio is weighed with: fourteen people's tails are not everybody's."""

FIRST_STRETCH = 36 * 3600
MOST_AT_FIRST = 4.0
"""Nats at the most while an account has not rested once, in its first day and a half: a list for
a party has no repeats either."""

MOST = 14.0
LEAST_NATS = -8.0


@compiled
def ratio(taken: float, new: float, baseline: Vector) -> float:
    """Nats for one count of tracks taken and new among them."""
    if taken < LEAST_REPEATED:
        return 0.0
    repeats = max(taken - new, 0.0)
    place = min(max(math.log2(taken / 50.0), 0.0), 5.0)
    low = min(int(place), 4)
    part = place - low
    a = baseline[REPEATS_A + low] * (1 - part) + baseline[REPEATS_A + low + 1] * part
    b = baseline[REPEATS_B + low] * (1 - part) + baseline[REPEATS_B + low + 1] * part
    copies = beta_binomial(repeats, taken - repeats, COPIES_A, COPIES_B)
    listens = beta_binomial(repeats, taken - repeats, a, b)
    most = MOST if taken >= LEAST else 0.0
    return min(max(CAUTION * (copies - listens), LEAST_NATS), most)


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """The whole day's ratio, or that of the quarter of the day that speaks loudest."""
    most = ratio(n[SINCE_TAKEN], n[SINCE_NEW], baseline)
    for quarter in range(4):
        taken = n[QUARTERS + 2 * quarter]
        if taken >= 150:
            most = max(most, ratio(taken, n[QUARTERS + 2 * quarter + 1], baseline))
    if n[AWAKE] == n[FIRST] and n[LAST] - n[FIRST] < FIRST_STRETCH:
        most = min(most, MOST_AT_FIRST)
    return most


def reason(n: Numbers, baseline: Vector) -> str:
    """How many different tracks, and how often listeners come back."""
    taken, new = n[TAKEN], min(n[NEW], n[TAKEN])
    share = baseline[REPEATS_A + 4] / (baseline[REPEATS_A + 4] + baseline[REPEATS_B + 4])
    return (
        f"{new:,.0f} different tracks among {taken:,.0f} taken, {max(taken - new, 0):,.0f} "
        f"repeats; a listener of this service repeats 1 in {1 / share:.1f} after some weeks"
    )
