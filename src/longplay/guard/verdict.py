"""All signs joined into one probability, and what follows from it: honest, watch or scraper.

The odds that an account copies are those before anything is known of it, times the likelihood ratio
of each sign (Good, "Probability and the Weighing of Evidence", 1950): in logarithms a sum. Signs
that are not independent (breadth and new tracks a month) are capped or weighed down. How well the
probability keeps its word is measured (docs/guard.md), not fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from types import ModuleType

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import Vector
from longplay.guard.detectors import (
    alone,
    breadth,
    downloads,
    looking,
    order,
    regularity,
    share,
    speed,
    waking,
)
from longplay.guard.state import Numbers

DETECTORS: tuple[ModuleType, ...] = (
    *(breadth, speed, downloads, waking, order, regularity, looking, share, alone),
)
SIGNS = len(DETECTORS)

PRIOR = -6.0
"""Log-odds that an account copies, before anything is known of it: one in 400."""

SCRAPER = 3.0
"""Log-odds from which an account is called a scraper: 95 %."""

WATCH = 0.0
"""Log-odds from which a person should look: as likely as not."""

TOLD = 0.5
"""Nats from which a sign is told as a reason."""

Nats = npt.NDArray[np.float64]


class Verdict(Enum):
    """What is thought of an account."""

    HONEST = "honest"
    WATCH = "watch"
    SCRAPER = "scraper"


@dataclass(frozen=True, slots=True)
class Judged:
    """An account's verdict. Times are seconds since 1970; `tracks` is how many different ones it
    had when it was first called a scraper, or has by now."""

    account: str
    verdict: Verdict
    probability: float
    first_seen: int
    decided_at: int | None
    tracks: int
    group: int | None
    reasons: tuple[str, ...]


@compiled
def weigh(n: Numbers, baseline: Vector, nats: Nats) -> float:
    """Write each sign's evidence into `nats`; answers the log-odds that the account copies."""
    nats[0] = breadth.evidence(n, baseline)
    nats[1] = speed.evidence(n, baseline)
    nats[2] = downloads.evidence(n, baseline)
    nats[3] = waking.evidence(n, baseline)
    nats[4] = order.evidence(n, baseline)
    nats[5] = regularity.evidence(n, baseline)
    nats[6] = looking.evidence(n, baseline)
    nats[7] = share.evidence(n, baseline)
    nats[8] = alone.evidence(n, baseline)
    return float(PRIOR + nats.sum())


def probability(odds: float) -> float:
    """The probability that log-odds stand for."""
    return 1 / (1 + math.exp(-max(min(odds, 60.0), -60.0)))


def verdict_of(odds: float) -> Verdict:
    """What log-odds are called."""
    if odds >= SCRAPER:
        return Verdict.SCRAPER
    return Verdict.WATCH if odds >= WATCH else Verdict.HONEST


def reasons(n: Numbers, baseline: Vector, nats: Nats) -> tuple[str, ...]:
    """What accuses the account, the weightiest first, in plain words."""
    ranked = sorted(range(SIGNS), key=lambda at: -nats[at])
    return tuple(str(DETECTORS[at].reason(n, baseline)) for at in ranked if nats[at] >= TOLD)
