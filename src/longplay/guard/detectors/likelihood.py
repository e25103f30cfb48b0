"""The beta-binomial likelihood, which several detectors share."""

from __future__ import annotations

import math

from longplay.catalogue.compiled import compiled


@compiled
def beta_binomial(hits: float, misses: float, a: float, b: float) -> float:
    """The logarithm of the likelihood of so many hits and misses, where the share of hits is itself
    drawn from Beta(a, b). The binomial coefficient is left out: ratios have it on both sides."""
    return (
        math.lgamma(a + hits)
        + math.lgamma(b + misses)
        - math.lgamma(a + b + hits + misses)
        - math.lgamma(a)
        - math.lgamma(b)
        + math.lgamma(a + b)
    )
