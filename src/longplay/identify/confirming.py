"""Is it that recording? The question's Chromaprint fingerprint is laid beside what is kept of it.

Landmarks are few and exact, and drown in noise and reverberation; an item of a fingerprint looks at
nearly three seconds of harmony, and keeps most of its 32 bits there. Of a recording every fourth
item is kept. A question has its items four times as dense as they are, so that one of them lies
where an item of the recording does, within 16 ms. What differs by chance is told by the same
question at some hundred places of other recordings: a drone is alike everywhere, and proves little.

Items are hashes, too: an eighth of a recording's items, chosen by what they are, stands among the
postings of a shard, where a question looks for those of its own that would have been chosen.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from longplay.audio import fingerprint
from longplay.audio.fingerprint import DENSE
from longplay.audio.landmarks import HOP
from longplay.catalogue.compiled import compiled, whole
from longplay.identify.hashing import HASH_BITS, MIXER

Items = NDArray[np.uint32]

KEPT = 4
"""Of so many items of a recording, one is kept."""

ASKED_BY = 8
"""Of so many items, one is a hash in the index."""

SILENT = 627964279
"""The item of digital silence, which is no hash."""

GRID = fingerprint.HOP / DENSE / HOP
"""Frames of landmarks from one item of a question to the next: 1.33."""

CONTEXT = fingerprint.FRAME + fingerprint.HOP * (
    fingerprint.WIDEST + len(fingerprint.SMOOTHING) - 2
)
"""Samples that an item is made of: 2.7 s."""

FEWEST = 4
"""Items side by side that say something."""

REACH = 16
"""Items of a question around what votes say in which the exact place is looked for."""

NEAR = 3
"""The same around what landmarks say."""

RUNS, RUN = 400, 32
"""Stretches of a shard's fingerprints that tell what chance gives, and kept items of each: 16 s."""

CHANCE = 0.49
"""Share of bits that differ at a wrong place, in the mean."""

ALONE, EACH = 1.2, 0.3
"""How much so many items of a recording say: they overlap in time and in pitch. `ALONE + EACH *
items` independent items of 32 bits have the spread that wrong places were seen to have."""

UNUSUAL = 2.0
"""Standard deviations below which a place is as any other."""

HEAVY = 1.25
"""Wrong places lie so many times farther out than a normal distribution has it: of 35,000 that the
landmarks pointed at, one in a thousand beyond 3.6, the farthest at 5.4. Right ones, far off in a
hall, lie at 5.7 to 10."""

WORTH = 1.45
"""What a power of ten of this counts beside the evidence of landmarks: docs/identify.md."""

MOST = 12.0
"""Evidence that a fingerprint gives at most: without any landmarks it never is enough."""


def thinned(items: Items) -> Items:
    """What is kept of a recording's items."""
    return items[::KEPT].copy()


def some_runs(prints: Items) -> NDArray[np.uint32]:
    """Stretches from all over a shard's fingerprints."""
    if len(prints) < RUN:
        return np.empty((0, RUN), np.uint32)
    starts = np.unique(np.linspace(0, len(prints) - RUN, RUNS).astype(np.int64))
    return np.stack([prints[at : at + RUN] for at in starts])


def hashed(
    items: Items, dense: int = 1, of: int = ASKED_BY
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """The hashes among items, of which `dense` lie from one of a recording's to the next; and the
    frames at which they begin. One of `of` items is one; of equal items that follow each other the
    first counts."""
    if not len(items):
        return np.empty(0, np.uint32), np.empty(0, np.int32)
    fresh = np.ones(len(items), bool)
    fresh[1:] = items[1:] != items[:-1]
    mixed = (items.astype(np.uint64) + np.uint64(1)) * np.uint64(MIXER)
    chosen = (mixed >> np.uint64(16)) % np.uint64(of) == 0
    at = np.flatnonzero(fresh & chosen & (items != SILENT))
    hashes = (mixed[at] >> np.uint64(64 - HASH_BITS)).astype(np.uint32)
    return hashes, np.floor(at * (GRID * DENSE / dense)).astype(np.int32)


def within(items: Items, first: int, end: int) -> Items:
    """Those items of a question that are made of frames from `first` to before `end` only; the
    first of them counts as beginning there."""
    last = int((end * HOP - CONTEXT) / (GRID * HOP))
    return items[math.ceil(first / GRID - 0.5) : max(0, last + 1)]


def likeliest(
    question: Items,
    prints: Items,
    print_starts: NDArray[np.int64],
    owners: NDArray[np.int64],
    there: NDArray[np.int64],
    most: int,
) -> NDArray[np.intp]:
    """Which candidates, each being frame `there` of object `owners`, have the fewest bits that
    differ: so many at most."""
    lines = np.round(there / GRID).astype(np.int64)
    least = _least(question, prints, print_starts, owners, lines)
    return np.argsort(least, kind="stable")[:most]


def confirm(question: Items, kept: Items, runs: NDArray[np.uint32], there: int) -> float:
    """What it adds to the evidence that so few bits differ where the question begins about frame
    `there` of a recording, `runs` being those of its shard."""
    deviations = float(_unusual(question, kept, runs, round(there / GRID)))
    if deviations < UNUSUAL:
        return 0.0
    chance = 0.5 * math.erfc(deviations / HEAVY / math.sqrt(2))
    return min(MOST, WORTH * -math.log10(max(chance, 1e-300)))


def alike(question: Items, kept: Items, there: int, fewest: int) -> tuple[float, int]:
    """The least share of bits that differ over all that lies side by side, which are `fewest` kept
    items or more, where the question begins about frame `there`; and the dense item of the
    recording where it does exactly. 1 where nothing lies so."""
    share, line = _alike(question, kept, round(there / GRID), fewest)
    return float(share), int(line)


@compiled
def _alike(question: Items, kept: Items, line: int, fewest: int) -> tuple[float, int]:
    best, exact = 1.0, line
    for near in range(line - REACH, line + REACH + 1):
        wrong, count = _differing(question, kept, near)
        if count >= fewest and wrong / (32 * count) < best:
            best, exact = wrong / (32 * count), near
    return best, exact


@compiled
def _bits(value: int) -> int:
    """How many of 32 bits are set."""
    value = value - ((value >> 1) & 0x55555555)
    value = (value & 0x33333333) + ((value >> 2) & 0x33333333)
    return whole((((value + (value >> 4)) & 0x0F0F0F0F) * 0x01010101 & 0xFFFFFFFF) >> 24)


@compiled
def _differing(question: Items, kept: Items, line: int) -> tuple[int, int]:
    """How many bits differ, and of how many items, where the question begins at `line` of the
    recording's dense items."""
    step = KEPT * DENSE
    first = max(0, -(-line // step))
    wrong, count = 0, 0
    for one in range(first, (line + len(question) - 1) // step + 1):
        if one < len(kept):
            wrong += _bits(whole(question[one * step - line] ^ kept[one]))
            count += 1
    return wrong, count


@compiled
def _spread(count: int) -> float:
    """The standard deviation of the share of bits that differ at wrong places."""
    return float(np.sqrt(0.25 / 32 / (ALONE + EACH * count)))


@compiled
def _least(
    question: Items,
    prints: Items,
    print_starts: NDArray[np.int64],
    owners: NDArray[np.int64],
    lines: NDArray[np.int64],
) -> NDArray[np.float64]:
    """For each candidate by how many standard deviations fewer bits differ than by chance,
    negative; anywhere near its line."""
    out = np.zeros(len(owners), np.float64)
    for at in range(len(owners)):
        kept = prints[print_starts[owners[at]] : print_starts[owners[at] + 1]]
        for line in range(lines[at] - REACH, lines[at] + REACH + 1, 2):
            wrong, count = _differing(question, kept, line)
            if count >= FEWEST:
                less = (wrong / (32 * count) - CHANCE) / _spread(count)
                out[at] = min(out[at], less)
    return out


@compiled
def _unusual(question: Items, kept: Items, runs: NDArray[np.uint32], line: int) -> float:
    """By how many standard deviations fewer bits differ than by chance."""
    best, exact, items = 0.0, line, 0
    for near in range(line - NEAR, line + NEAR + 1):
        wrong, count = _differing(question, kept, near)
        if count >= FEWEST:
            less = (CHANCE - wrong / (32 * count)) / _spread(count)
            if less > best:
                best, exact, items = less, near, count
    if best < UNUSUAL or len(runs) == 0:
        return best
    share = CHANCE - best * _spread(items)
    items = min(items, RUN)
    total, squares = 0.0, 0.0
    start = max(0, -(-exact // (KEPT * DENSE))) * KEPT * DENSE - exact
    for run in runs:
        wrong = 0
        for one in range(items):
            wrong += _bits(whole(question[start + one * KEPT * DENSE] ^ run[one]))
        total += wrong / (32 * items)
        squares += (wrong / (32 * items)) ** 2
    mean = total / len(runs)
    spread = np.sqrt(max(0.0, squares / len(runs) - mean * mean))
    return float((min(CHANCE, mean) - share) / max(spread, _spread(items)))
