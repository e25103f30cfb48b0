"""Many accounts that divide a catalogue among themselves.

Each may look modest. But listeners who take well-known tracks meet: two of them share some, as
often as the tracks' popularity says. Accounts that share a list by turns never do. So among
accounts that look a little like copying, the overlaps that are found are held against those that
are due to listeners of such tracks (`meeting`). Those that overlap as listeners do are taken out,
again and again; what remains, and meets hardly ever where hundreds of meetings are due, is one
scraper. Its union grows like one scraper's.

Some avoid each other in any crowd: of each taste one, say. So the evidence must pay for the choice
of these from all candidates, and for what the same search finds among as many plain listeners.

Whether an account is one of the group is told by two things. A group takes every track once, and
so hardly any hits, which make up much of what people hear. And what listeners take, the group has
taken too, as far as it has come; but its members never take each other's. What these weigh is no
more than the rarity, among listeners, of looking so much like a member.

Where accounts divide tracks that nobody else takes, overlaps tell nothing, and `detectors.alone`
each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from longplay.guard import meeting
from longplay.guard.judging import Accounts
from longplay.guard.meeting import CLASSES, EMPTY, HITS, Charts, Counts, Sampled
from longplay.guard.state import LAST

LEAST_MEMBERS = 8
"""Fewer are found by chance, among all the sets that could be tried."""

RARE = 0.15
"""Meetings found over due from which on accounts do not avoid each other."""

MEMBER = 0.05
"""Meetings found over due of who avoids all others, but for chance."""

CERTAIN = 60.0
"""Nats beyond chance, choice, and what listeners show, from which a group is one."""

MOST = 10.0
MOST_HITS = 4.0
"""Nats at the most for taking few hits: tastes differ."""

MOST_SHARE = 2.0
"""Log-odds at the most that a candidate is a member before its own tracks are looked at."""

ROUNDS = 60
CHECKS = 60
"""Moments of a log at which groups are looked for, and …"""

CHECK_SECONDS = 6 * 3600
"""… the time between two of them at least."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts that act as one. `rows` are their places among the candidates, `nats` what belonging
    to it weighs, `expected` and `found` the meetings among them."""

    rows: Rows
    nats: Counts
    expected: float
    found: float


def moments(candidates: Accounts) -> list[int]:
    """When groups are to be looked for: every six hours, in long logs less often."""
    since = candidates.candidate[candidates.candidate >= 0]
    if not len(since):
        return []
    last = int(candidates.numbers[:, LAST].max())
    first = int(since.min())
    spans = max(1, -(-(last - first) // CHECK_SECONDS))
    gap = -(-spans // CHECKS) * CHECK_SECONDS
    return [*range(first + gap, last, gap), last]


def find(candidates: Accounts, crowd: Accounts, at: int) -> Group | None:
    """The accounts among `candidates` that act as one at the time `at`, if any; `crowd` are other
    accounts, drawn at random."""
    suspected = _suspected(candidates, at)
    enough = meeting.known_tracks(candidates, at) >= meeting.LEAST_TRACKS
    if (suspected & enough).sum() < LEAST_MEMBERS:
        return None
    charts, plain = meeting.halves(crowd.only(np.flatnonzero(~_suspected(crowd, at))), at)
    suspects = meeting.sampled(candidates, at, charts)
    suspects = suspects.only(suspected[suspects.rows])
    if len(plain) < LEAST_MEMBERS:
        return None
    kept = _avoiding(suspects, charts)
    nats = _beyond_chance(suspects, kept, charts)
    if len(kept) < LEAST_MEMBERS or nats < CERTAIN:
        return None
    listeners = plain.only(np.arange(min(len(plain), len(suspects))))
    control = _beyond_chance(listeners, _avoiding(listeners, charts), charts)
    if nats < CERTAIN + max(control, 0.0):
        return None
    weights = _weights(suspects, kept, plain, charts)
    members = np.flatnonzero(weights > 0)
    if len(members) < LEAST_MEMBERS:
        return None
    group = suspects.only(members)
    return Group(
        group.rows,
        weights[members],
        float(meeting.due(group, charts).sum() / 2),  # each meeting is seen from both sides
        float(meeting.found(group).sum() / 2),
    )


def _suspected(accounts: Accounts, at: int) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = (accounts.candidate >= 0) & (accounts.candidate <= at)
    return known


def _avoiding(some: Sampled, charts: Charts) -> Rows:
    """Those that hardly meet each other: whoever meets the rest as a listener would is taken out,
    the worst first."""
    kept = np.arange(len(some))
    for _ in range(ROUNDS):
        now = some.only(kept)
        met, due = meeting.found(now), meeting.due(now, charts)
        # How much likelier these meetings are for a listener than for a member (Poisson).
        listens = met * math.log(1 / MEMBER) - due * (1 - MEMBER)
        if len(kept) < LEAST_MEMBERS or (listens <= 0).all():
            break
        kept = kept[listens <= max(float(np.quantile(listens, 0.85)), 0.0)]
    return kept


def _beyond_chance(some: Sampled, kept: Rows, charts: Charts) -> float:
    """Nats by which so few meetings speak against chance (Poisson), less those of choosing these
    from all."""
    now = some.only(kept)
    due, met = meeting.due(now, charts).sum() / 2, meeting.found(now).sum() / 2
    if met > RARE * due:
        return 0.0
    chance = due - met + (met * math.log(met / due) if met else 0.0)
    return float(chance - _log_choices(len(some), len(kept)))


def _log_choices(of: int, chosen: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)


def _weights(suspects: Sampled, kept: Rows, plain: Sampled, charts: Charts) -> Counts:
    """Nats that belonging to the group weighs for each suspect; below 0 it is likelier none."""
    group = np.sort(suspects.samples[kept][suspects.samples[kept] != EMPTY])
    own = np.isin(np.arange(len(suspects)), kept).astype(np.int64)
    hits = suspects.inside[kept, HITS:].sum() / max(suspects.inside[kept].sum(), 1.0)
    usual = _beta(plain.inside[:, HITS:].sum(1), plain.filled)
    reached = _reached(plain, group, charts)

    def like_a_member(some: Sampled, own: npt.NDArray[np.int64]) -> Counts:
        few = some.inside[:, HITS:].sum(1)
        taste = _log_beta(few, some.filled, hits * 20 + 0.3, (1 - hits) * 20)
        taste = np.minimum(taste - _log_beta(few, some.filled, *usual), MOST_HITS)
        times = np.searchsorted(group, some.samples, "right") - np.searchsorted(group, some.samples)
        shared = ((times > own[:, None]) & (some.samples != EMPTY)).sum(1)
        weight: Counts = taste + (some.inside * reached).sum(1) - math.log(1 / MEMBER) * shared
        return weight

    ratios = like_a_member(suspects, own)
    listeners = np.sort(like_a_member(plain, np.zeros(len(plain), np.int64)))
    as_much = len(listeners) - np.searchsorted(listeners, ratios)
    ratios = np.minimum(ratios, -np.log((as_much + 1) / (len(listeners) + 1)))
    weights: Counts = np.clip(ratios + _odds_before(ratios), -MOST, MOST)
    return weights


def _reached(plain: Sampled, group: npt.NDArray[np.uint32], charts: Charts) -> Counts:
    """For each class, the share of what listeners take that the group has taken."""
    kinds = meeting.class_of(charts, plain.samples)
    there = np.isin(plain.samples, group)
    return np.array([float(there[kinds == one].mean()) if (kinds == one).any() else 0.0
                     for one in range(CLASSES)])  # fmt: skip


def _odds_before(ratios: Counts) -> float:
    """Log-odds that a suspect is a member before its own tracks are looked at: the share of members
    under which all ratios together are likeliest (expectation maximization, Dempster et al. 1977).
    """
    share = 0.5
    for _ in range(50):
        odds = share / (1 - share) * np.exp(np.clip(ratios, -20, 20))
        share = float(np.clip((odds / (1 + odds)).mean(), 0.001, 0.999))
    return min(math.log(share / (1 - share)), MOST_SHARE)


def _beta(hits: Counts, of: Counts) -> tuple[float, float]:
    """The beta distribution of accounts' shares, by their mean and spread."""
    mean = float(hits.sum() / max(of.sum(), 1.0))
    chance = max(mean * (1 - mean), 1e-6)
    by_lot = chance * float((1 / np.maximum(of, 1)).mean())
    spread = float(((hits / np.maximum(of, 1) - mean) ** 2).mean())
    alike = min(max((spread - by_lot) / max(chance - by_lot, 1e-9), 1 / 200), 0.9)
    size = 1 / alike - 1
    return mean * size + 0.01, (1 - mean) * size + 0.01


def _log_beta(hits: Counts, of: Counts, a: float, b: float) -> Counts:
    """The logarithm of the beta-binomial likelihood, but for the coefficient."""
    value: Counts = special.betaln(a + hits, b + of - hits) - special.betaln(a, b)
    return value
