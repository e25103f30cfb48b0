"""Tracks that nobody else takes. Listening crowds together; copying goes where nobody has been.

The share of rarely visited items told robots from people with a hundredth of the false alarms of a
frequency threshold (Ro et al. 2018). What is usual depends on the crowd, so it is measured on the
log itself, and a crowd of under 200 accounts says nothing.
"""

from __future__ import annotations

from longplay.catalogue.compiled import compiled
from longplay.guard.baseline import ALONE_A, ALONE_B, Vector
from longplay.guard.detectors.likelihood import beta_binomial
from longplay.guard.state import ALONE, SINCE_NEW, SINCE_TAKEN, Numbers

LEAST = 30
MOST_COUNTED = 300.0
COPIES_A, COPIES_B = 8.0, 0.8
"""Most of what a scraper takes, beyond the charts, is taken by nobody else."""

MOST = 9.0

FEW = 60
REPEATED = 0.1
MOST_REPEATED = 4.0
"""Who comes back to a tenth or more among so few tracks may love what nobody knows: until breadth
has seen more, this sign alone makes nobody a suspect."""


@compiled
def evidence(n: Numbers, baseline: Vector) -> float:
    """Nats for the share of tracks that nobody else takes; it only ever accuses."""
    if baseline[ALONE_A] <= 0 or n[SINCE_NEW] < LEAST:
        return 0.0
    scale = min(1.0, MOST_COUNTED / n[SINCE_NEW])
    alone = min(n[ALONE], n[SINCE_NEW]) * scale
    shared = n[SINCE_NEW] * scale - alone
    copies = beta_binomial(alone, shared, COPIES_A, COPIES_B)
    listens = beta_binomial(alone, shared, baseline[ALONE_A], baseline[ALONE_B])
    repeated = n[SINCE_TAKEN] - n[SINCE_NEW] >= REPEATED * n[SINCE_TAKEN]
    most = MOST_REPEATED if repeated and n[SINCE_TAKEN] < FEW else MOST
    return float(min(max(copies - listens, 0.0), most))


def reason(n: Numbers, baseline: Vector) -> str:
    """How many tracks are nobody else's, and how many usually are."""
    usual = baseline[ALONE_A] / (baseline[ALONE_A] + baseline[ALONE_B])
    return (
        f"{n[ALONE] / max(n[SINCE_NEW], 1):.0%} of the tracks are taken by nobody else; "
        f"{usual:.0%} are usual here"
    )
