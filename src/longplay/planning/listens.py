"""Popularity to listens and back: the policy's curve, log-linear between its points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from longplay.settings import Policy

CHUNK = 8_000_000
"""Entries worked on at a time, so that temporaries stay small beside the columns."""

Column = NDArray[np.float32]


def complete(
    popularity: Column, listens: Column, policy: Policy, *, any_known: bool
) -> tuple[Column, Column]:
    """Popularity and listens of every recording, NaN replaced; the arrays given are overwritten.

    Listens come from popularity and popularity (which the quality bands look at) from listens;
    where neither is known a recording counts as popularity 0. With `any_known` false no source
    knows anything, and all count alike: one listen each.
    """
    if not any_known:
        popularity[:] = 0
        listens[:] = 1
        return popularity, listens
    points = [(point.popularity, np.log1p(point.listens)) for point in policy.curve]
    at, logs = (np.array(column) for column in zip(*points, strict=True))
    for start in range(0, len(listens), CHUNK):
        heard, liked = listens[start : start + CHUNK], popularity[start : start + CHUNK]
        np.clip(liked, 0, 100, out=liked)
        np.maximum(heard, 0, out=heard)
        unknown = np.isnan(liked)
        if unknown.any():
            # Equal listens at neighbouring points would make the inverse ambiguous: the last wins.
            back = np.interp(np.log1p(heard[unknown].astype(np.float64)), logs, at)
            liked[unknown] = np.nan_to_num(back, nan=0.0)
        unheard = np.isnan(heard)
        if unheard.any():
            heard[unheard] = np.expm1(np.interp(liked[unheard].astype(np.float64), at, logs))
    return popularity, listens
