"""Many accounts that divide a catalogue among themselves.

Each may look modest. But listeners who take well-known tracks meet: two of them share some, as
often as the tracks' popularity says. Accounts that share a list by turns never do. So among
accounts that look a little like copying, the overlaps that are found are held against those that
must be expected: by how often the same tracks occur in a random sample of all other accounts. Those
that overlap as listeners do are taken out, again and again; what remains, and meets hardly ever
where hundreds of meetings are expected, is one scraper. Its union grows like one scraper's.

Where accounts divide tracks that nobody else takes, overlaps tell nothing, and `detectors.alone`
each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.guard.judging import Accounts
from longplay.guard.state import LAST, NEW

LEAST_TRACKS = 40
"""Different tracks from which an account's sample says something."""

LEAST_MEMBERS = 8
"""Fewer are found by chance, among all the sets that could be tried."""

LEAST_EXPECTED = 20.0
"""Meetings expected of a member before its having next to none says something."""

RARE = 0.15
"""Meetings found over expected below which accounts avoid each other."""

CERTAIN = 60.0
"""Nats against chance from which a group is one: they pay for the many subsets that were tried."""

MOST = 10.0
ROUNDS = 60
CHECKS = 60
"""Moments of a log at which groups are looked for."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts that act as one. `rows` are their places among the candidates, `tracks` what each
    had taken by then, `nats` what belonging to it weighs, `expected` and `found` the meetings among
    them."""

    rows: Rows
    tracks: npt.NDArray[np.float64]
    nats: npt.NDArray[np.float64]
    decided: int
    expected: float
    found: float


def moments(candidates: Accounts) -> list[int]:
    """When groups are to be looked for: once a day, in long logs less often."""
    since = candidates.candidate[candidates.candidate >= 0]
    if not len(since):
        return []
    last = int(candidates.numbers[:, LAST].max())
    first = int(since.min())
    days = max(1, -(-(last - first) // 86400))
    gap = -(-days // CHECKS) * 86400
    return [*range(first + gap, last, gap), last]


def find(candidates: Accounts, crowd: Accounts, at: int) -> Group | None:
    """The accounts among `candidates` that act as one at the time `at`, if any; `crowd` are other
    accounts, drawn at random."""
    tracks = known_tracks(candidates, at)
    rows = np.flatnonzero((candidates.candidate >= 0) & (candidates.candidate <= at))
    rows = rows[tracks[rows] >= LEAST_TRACKS]
    crowd_tracks = known_tracks(crowd, at)
    drawn = np.flatnonzero(crowd_tracks >= LEAST_TRACKS)
    if len(rows) < LEAST_MEMBERS or len(drawn) < LEAST_MEMBERS:
        return None
    samples, reach = _until(candidates, at), candidates.samples[:, -1]
    theirs = _until(crowd, at)[drawn]
    usual = _meetings(samples[rows], theirs, crowd.samples[drawn, -1]) / crowd_tracks[drawn].sum()
    kept = np.arange(len(rows))
    for _ in range(ROUNDS):
        mine, bounds = samples[rows[kept]], reach[rows[kept]]
        found = _meetings(mine, mine, bounds) - _own(mine, bounds)
        expected = usual[kept] * (tracks[rows[kept]].sum() - tracks[rows[kept]])
        ratio = (found + 0.5) / (expected + 0.5)
        stay = ratio < max(float(np.quantile(ratio, 0.85)), 2 * RARE)
        if stay.all():
            break
        kept = kept[stay]
        if len(kept) < LEAST_MEMBERS:
            return None
    sure = (expected >= LEAST_EXPECTED) & (found <= RARE * expected)
    # Each meeting is seen from both sides.
    nats = _against_chance(expected[sure].sum() / 2, found[sure].sum() / 2)
    if sure.sum() < LEAST_MEMBERS or nats < CERTAIN:
        return None
    members = rows[kept[sure]]
    return Group(
        members,
        tracks[members],
        _weights(samples[members], theirs),
        at,
        float(expected[sure].sum() / 2),
        float(found[sure].sum() / 2),
    )


def _weights(
    mine: npt.NDArray[np.uint32], crowd: npt.NDArray[np.uint32]
) -> npt.NDArray[np.float64]:
    """Nats that belonging to a group weighs for each member.

    While a group has taken little of its list, anybody avoids it, and belonging says little. So
    each member's tracks in common with the others are held against those of the crowd with the
    group."""
    everything = np.sort(mine[mine != EMPTY])
    of_crowd = np.isin(crowd, everything) & (crowd != EMPTY)
    usual = of_crowd.sum() / max((crowd != EMPTY).sum(), 1)
    often = np.searchsorted(everything, mine, "right") - np.searchsorted(everything, mine)
    shared = ((often > 1) & (mine != EMPTY)).sum(1)
    due = usual * (mine != EMPTY).sum(1)
    size = min(1.0 + float(np.log(len(mine))), 6.5)
    weights: npt.NDArray[np.float64] = np.clip(size + due - 3.0 * shared, 0.0, MOST)
    return weights


EMPTY = np.uint32(0xFFFFFFFF)


def _until(accounts: Accounts, at: int) -> npt.NDArray[np.uint32]:
    """Samples as they were known at a time: what was taken later is left out."""
    return np.where(accounts.times <= at // 60, accounts.samples, EMPTY)


def known_tracks(accounts: Accounts, at: int) -> npt.NDArray[np.float64]:
    """How many different tracks accounts had taken by a time, as their samples tell."""
    filled = (accounts.samples != EMPTY).sum(1)
    by_then = ((accounts.times <= at // 60) & (accounts.samples != EMPTY)).sum(1)
    share: npt.NDArray[np.float64] = by_then / np.maximum(filled, 1)
    return share * accounts.numbers[:, NEW]


def _meetings(
    mine: npt.NDArray[np.uint32], theirs: npt.NDArray[np.uint32], reach: npt.NDArray[np.uint32]
) -> npt.NDArray[np.float64]:
    """For each of `mine`, how often its sampled tracks occur in the samples of `theirs`, which
    reach up to the hashes `reach`. Where fewer of them reach, a find stands for more."""
    tracks, counts = np.unique(theirs[theirs != EMPTY], return_counts=True)
    if not len(tracks):
        return np.zeros(len(mine))
    seen = 1 - np.searchsorted(np.sort(reach), tracks) / len(reach)
    weights = counts / np.maximum(seen, 0.05)
    at = np.minimum(np.searchsorted(tracks, mine), len(tracks) - 1)
    hit = (tracks[at] == mine) & (mine != EMPTY)
    total: npt.NDArray[np.float64] = np.where(hit, weights[at], 0.0).sum(1)
    return total


def _own(mine: npt.NDArray[np.uint32], reach: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """What each account's own sample weighs among the finds of `_meetings`."""
    seen = 1 - np.searchsorted(np.sort(reach), mine) / len(reach)
    own: npt.NDArray[np.float64] = np.where(mine != EMPTY, 1 / np.maximum(seen, 0.05), 0.0).sum(1)
    return own


def _against_chance(expected: float, found: float) -> float:
    """Nats by which so few meetings speak against chance (Poisson)."""
    if found >= expected:
        return 0.0
    return expected - found + (found * float(np.log(found / expected)) if found else 0.0)
