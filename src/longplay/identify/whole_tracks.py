"""Whole tracks in a sixth of the bytes: an index of fingerprints alone.

Its shards are those of the index for clips (`identify.shard`) without landmarks: an eighth of a
recording's items, chosen by what they are, are its hashes, and every fourth item is kept. A whole
file is asked by all of its items; if that finds nothing, also by what they would be with any one
bit changed. What several hashes agree on is compared from end to end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from longplay.audio.fingerprint import DENSE
from longplay.audio.landmarks import FRAMES_PER_SECOND
from longplay.identify import confirming, voting
from longplay.identify.confirming import GRID, KEPT, Items
from longplay.identify.matching import CLEAR, Passage
from longplay.identify.shard import UNIT, Printed, Shard
from longplay.model import ObjectKey

CANDIDATES, NEARLY = 64, 2000
"""Places of a shard that are compared at most: where three hashes agree; and where that finds
nothing, where two do that may have one bit wrong each."""

MOST_BYTES = 2**21
"""Bytes of a shard's postings that are read for one question at most."""

DIFFERING, SPREAD = 0.38, 0.01
"""Share of bits that may differ, at which a claim would be as likely right as wrong, and how fast
that changes. Of two recordings 0.49 do in the mean, give or take 0.01; noise and a room together
change a fifth to a third."""

ASKED_BY = 10
"""Of so many items of a recording, one is a hash."""

LEAST_ITEMS = 60
"""Kept items, 30 s, that must lie side by side: less is a clip, and asked of the other index."""


def without_landmarks(one: Printed) -> Printed:
    """What this index has of an object."""
    return Printed(one.key, one.frames, one.frame[:0], one.bin[:0], one.items, ASKED_BY)


def look_up(shards: Sequence[Shard], items: Items) -> list[Passage]:
    """What a file of these items (`dense_fingerprint`) is, the most alike first; its `score` is how
    many standard deviations fewer bits differ than do of two recordings."""
    hashes, times = confirming.hashed(items, DENSE, ASKED_BY)
    found = _looked_up(shards, items, hashes, times, CANDIDATES, voting.LEAST)
    if not found:
        hashes, times = _nearly(items)
        found = _looked_up(shards, items, hashes, times, NEARLY, voting.LEAST - 1)
    return sorted(found, key=lambda one: -one.score)


def _nearly(items: Items) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """The hashes among items of which one bit is another."""
    parts = [confirming.hashed(items ^ np.uint32(1 << bit), DENSE, ASKED_BY) for bit in range(32)]
    return np.concatenate([one for one, _ in parts]), np.concatenate([at for _, at in parts])


def _looked_up(
    shards: Sequence[Shard],
    items: Items,
    hashes: NDArray[np.uint32],
    times: NDArray[np.int32],
    candidates: int,
    least: int,
) -> list[Passage]:
    best: dict[ObjectKey, Passage] = {}
    middle = int(len(items) * GRID) // UNIT // 2
    for shard in shards:
        places = voting.ask(shard, hashes, times, candidates, MOST_BYTES, least)
        for place in places.tolist():
            owner = shard.object_at(place + middle)
            there = (place - int(shard.starts[owner])) * UNIT
            one = _compared(shard, owner, there, items)
            if one and one.score >= best.get(one.object, one).score:
                best[one.object] = one
    return list(best.values())


def _compared(shard: Shard, owner: int, there: int, items: Items) -> Passage | None:
    """The object as a track, the file beginning about its frame `there`; None where it is not."""
    kept = shard.print_of(owner)
    differing, line = confirming.alike(items, kept, there, LEAST_ITEMS)
    confidence = 1 / (1 + math.exp((differing - DIFFERING) / SPREAD))
    if confidence < CLEAR:
        return None
    seconds = GRID / FRAMES_PER_SECOND
    first = max(0, -line)
    last = min(len(items), len(kept) * KEPT * DENSE - line)
    return Passage(
        object=shard.key(owner),
        start_s=round(first * seconds, 2),
        end_s=round(last * seconds, 2),
        offset_s=round((first + line) * seconds, 2),
        score=round((confirming.CHANCE - differing) / SPREAD, 1),
        confidence=round(confidence, 4),
    )
