"""Hashes of landmarks: what the index is asked by.

Two landmarks a short time apart are the hash of A. Wang, "An Industrial-Strength Audio Search
Algorithm" (ISMIR 2003); here it is three, written as (the first one's frequency, differences of
frequency, differences of time), because among a million recordings a pair is everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from longplay.catalogue.compiled import compiled

FAN_INDEXED = 3
FIRSTS_INDEXED = 1
"""Followers of a landmark, and how many of them are in a hash with it as the second."""

MIN_STEP = 2
MAX_STEP = 63
"""Frames between the first landmark of a hash and each other."""

STEP = 2
"""Frames that are one step in a hash: a maximum is often found a frame early or late."""

MAX_LEAP = 63
"""Bins between the first and each other."""

HASH_BITS = 28
"""Bits of a hash: what is left of 33 (9 of the bin, 7 and 5 of each leap and step), mixed."""

MIXER = 0x9E3779B97F4A7C15
"""An odd number whose product with those 33 bits spreads them over the highest."""


@compiled
def triples(
    frame: NDArray[np.int32],
    place: NDArray[np.float32],
    fan: int,
    firsts: int,
    blurred: bool,
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Hashes of landmarks in order of time, each with every two of its next `fan` in reach, of
    which one is of the next `firsts`; and the frames that they begin at. `blurred`: each also with
    its steps as they would be were a follower a frame earlier or later, since reverberation moves
    landmarks in time."""
    forms = 2 if blurred else 1
    most = len(frame) * (fan * (fan - 1) // 2) * forms * forms
    hashes = np.empty(most, np.uint32)
    times = np.empty(most, np.int32)
    near = np.empty((fan, 2), np.uint64)
    total = 0
    for one in range(len(frame)):
        taken = 0
        low = int(np.floor(place[one] + np.float32(0.5)))
        for two in range(one + 1, len(frame)):
            step = frame[two] - frame[one]
            if step > MAX_STEP or taken == fan:
                break
            leap = int(np.floor(place[two] + np.float32(0.5))) - low
            if step < MIN_STEP or leap > MAX_LEAP or leap < -MAX_LEAP:
                continue
            beside = step + 1 if step % STEP else step - 1
            beside = max(MIN_STEP, min(MAX_STEP, beside))
            near[taken, 0] = ((leap + 64) << 5) | (step // STEP)
            near[taken, 1] = ((leap + 64) << 5) | (beside // STEP)
            taken += 1
        for first in range(min(taken, firsts)):
            for second in range(first + 1, taken):
                for form in range(forms * forms):
                    said = np.uint64(low) << np.uint64(24)
                    said |= near[first, form & 1] << np.uint64(12)
                    mixed = (said | near[second, form >> 1]) * np.uint64(MIXER)
                    hashes[total] = np.uint32(mixed >> np.uint64(64 - HASH_BITS))
                    times[total] = frame[one]
                    total += 1
    return hashes[:total], times[:total]
