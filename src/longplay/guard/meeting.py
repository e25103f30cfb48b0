"""How often accounts take the same tracks, and how often listeners of such tracks would.

Two listeners meet as often as the tracks that they take are popular. So tracks are put into classes
by how many accounts of one half of a crowd took them, and in the other half it is counted how often
two tracks of a class, taken by different accounts, are the same one. What a set of accounts is due
follows from how many tracks of each class they took: who listens far from the charts is not
expected to meet others as often as who listens to them.

All of this is told from the samples in accounts' states (`state.SAMPLE`), which were drawn by one
hash, so that a track that two accounts took is in both samples as far as they reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.guard.judging import Accounts
from longplay.guard.state import FIRST, NEW, SAMPLED_SECONDS

EMPTY = np.uint32(0xFFFFFFFF)

CLASSES = 6
"""Classes of popularity: taken by none of the half of the crowd, 1, 2 to 3, 4 to 7, 8 to 15, more.
"""

HITS = 2
"""The class from which tracks are hits: several accounts of a few thousand took them."""

LEAST_TRACKS = 40
"""Different tracks from which an account's sample says something of it."""

LEAST_HEARD = 15
"""The same for accounts of a crowd, which together say what is usual."""

LEAST_SEEN = 0.05
"""Share of samples that reach a track, below which a find is weighed no higher."""

Counts = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Charts:
    """Tracks that a half of the crowd took, in order, and the class of each; and for each class the
    chance that two of its tracks, taken by different accounts, are the same one."""

    tracks: Hashes
    classes: npt.NDArray[np.int64]
    chance: Counts


@dataclass(frozen=True, slots=True)
class Sampled:
    """Accounts as their samples tell of them: `rows` among all, hashes, the hash up to which each
    sample reaches, and for each class tracks in the sample and tracks altogether."""

    rows: npt.NDArray[np.int64]
    samples: Hashes
    reach: Hashes
    inside: Counts
    whole: Counts

    def only(self, some: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Sampled:
        """Some of these accounts."""
        return Sampled(*(getattr(self, name)[some] for name in Sampled.__slots__))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def filled(self) -> Counts:
        """Tracks in each sample."""
        total: Counts = self.inside.sum(1)
        return total


def known_tracks(accounts: Accounts, at: int) -> Counts:
    """How many different tracks accounts had taken by a time, as their samples tell."""
    filled = (accounts.samples != EMPTY).sum(1)
    known = (_taken_by(accounts, at) & (accounts.samples != EMPTY)).sum(1)
    share: Counts = known / np.maximum(filled, 1)
    return share * accounts.numbers[:, NEW]


def _taken_by(accounts: Accounts, at: int) -> npt.NDArray[np.bool_]:
    """Which of the tracks in samples were taken by a time, give or take SAMPLED_SECONDS."""
    since = (at - accounts.numbers[:, FIRST]) // SAMPLED_SECONDS
    by_then: npt.NDArray[np.bool_] = accounts.times <= since[:, None]
    return by_then


def sampled(accounts: Accounts, at: int, charts: Charts, least: int = LEAST_TRACKS) -> Sampled:
    """Accounts as they were at a time: what was taken later is left out, and so is who had taken
    fewer than `least` tracks."""
    tracks = known_tracks(accounts, at)
    rows = np.flatnonzero(tracks >= least)
    samples = np.where(_taken_by(accounts, at)[rows], accounts.samples[rows], EMPTY)
    classes = class_of(charts, samples)
    inside = np.stack([(classes == one).sum(1) for one in range(CLASSES)], 1).astype(np.float64)
    scale = tracks[rows] / np.maximum(inside.sum(1), 1)
    reach = accounts.samples[rows, -1]
    return Sampled(rows, samples, reach, inside, inside * scale[:, None])


def halves(crowd: Accounts, at: int) -> tuple[Charts, Sampled]:
    """The charts that every other account of a crowd makes, and the rest of the crowd."""
    half = crowd.samples[::2]
    taken = half[_taken_by(crowd, at)[::2] & (half != EMPTY)]
    tracks, counts = np.unique(taken, return_counts=True)
    classes = np.minimum(np.floor(np.log2(np.maximum(counts, 1))) + 1, CLASSES - 1)
    charts = Charts(tracks, classes.astype(np.int64), np.zeros(CLASSES))
    rest = crowd.only(np.arange(1, len(crowd), 2))
    others = sampled(rest, at, charts, LEAST_HEARD)
    own = others.inside
    met = _meetings(others)
    kinds = class_of(charts, others.samples)
    found = np.array([met[kinds == one].sum() for one in range(CLASSES)])
    pairs = (own * (others.whole.sum(0) - others.whole)).sum(0)
    return Charts(tracks, charts.classes, found / np.maximum(pairs, 1)), others


def class_of(charts: Charts, samples: Hashes) -> npt.NDArray[np.int64]:
    """The class of each track in some samples; -1 where a sample has none."""
    if not len(charts.tracks):
        return np.where(samples == EMPTY, -1, 0)
    at = np.minimum(np.searchsorted(charts.tracks, samples), len(charts.tracks) - 1)
    known = np.where(charts.tracks[at] == samples, charts.classes[at], 0)
    return np.where(samples == EMPTY, -1, known)


def found(some: Sampled) -> Counts:
    """How often each account's sampled tracks were taken by others among them."""
    total: Counts = _meetings(some).sum(1)
    return total


def due(some: Sampled, charts: Charts) -> Counts:
    """How often each would meet the others, if they were listeners of tracks of these classes."""
    rest = some.whole.sum(0) - some.whole
    total: Counts = (some.inside * rest * charts.chance).sum(1)
    return total


def _meetings(some: Sampled) -> Counts:
    """For each sampled track, how many others took it. Where few samples reach it, a find stands
    for more."""
    tracks, counts = np.unique(some.samples, return_counts=True)
    others = counts[np.searchsorted(tracks, some.samples)] - 1.0
    bounds = np.sort(some.reach)
    seen = 1 - np.searchsorted(bounds, some.samples) / max(len(bounds), 1)
    return np.where(some.samples == EMPTY, 0.0, others / np.maximum(seen, LEAST_SEEN))
