"""Is it that recording? The landmarks of a question are laid on those of a place in the index.

A hash needs three landmarks at once, so noise leaves few of them; by itself each landmark survives
far oftener. At the right place most of those of the index are found again, within a frame and bin;
a little earlier or later few are, and those tell what chance gives in just this music. A tone that
stays, a loop or a hum fits everywhere, and so proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longplay.audio.landmarks import SKIP
from longplay.catalogue.compiled import compiled, whole

NEAR_BINS = 1.3
"""Bins that a landmark may have moved by."""

REACH = 20
"""Frames around what the votes say in which the exact place is looked for."""

AROUND = 60
"""Frames on each side of it that tell what chance gives."""

BESIDE = 4
"""Frames next to the place that tell nothing: echoes and broad maxima of the same sound."""

OFTEN = 0.8
"""Chance is what so many of the places around stay below: a beat fits better on some than on most.
"""

LEAST_CHANCE = 0.02
"""A landmark is never less likely than this to be found by chance."""


SURVIVING = 0.3
"""Share of the landmarks that is expected to be there still where sound was changed much."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """The question begins at frame `there` of the recording; `evidence` says, as a power of ten,
    how unlikely so many landmarks in common are by chance. `first` and `last` are frames of the
    question between which they lie."""

    there: int
    evidence: float
    first: int
    last: int


def align(
    frame: NDArray[np.int32],
    place: NDArray[np.float32],
    marks: NDArray[np.uint16],
    there: int,
) -> Alignment:
    """Lay a question's landmarks, in order of time, on an object's marks, about where it would
    begin at the object's frame `there`."""
    exact, evidence, first, last = _align(frame, place, marks, there)
    return Alignment(int(exact), float(evidence), int(first), int(last))


@compiled
def _align(
    frame: NDArray[np.int32],
    place: NDArray[np.float32],
    marks: NDArray[np.uint16],
    there: int,
) -> tuple[int, float, int, int]:
    end = int(frame[-1]) if len(frame) else 0
    own_frame, own_bin = _near(marks, there, end)
    counts = _shifts(frame, place, own_frame, own_bin)
    best = AROUND
    for shift in range(AROUND, AROUND + 2 * REACH + 1):
        if _three(counts, shift) > _three(counts, best):
            best = shift
    beside = np.empty(len(counts), np.int32)
    seen = 0
    for shift in range(1, len(counts) - 1):
        if abs(shift - best) > BESIDE:
            beside[seen] = _three(counts, shift)
            seen += 1
    often = np.sort(beside[:seen])[int(seen * OFTEN)]
    exact = best - REACH - AROUND
    moments = own_frame - exact
    inside = (moments >= 0) & (moments <= end)
    moments = moments[inside]
    there_too = same(moments, own_bin[inside], frame, place, 1, NEAR_BINS)
    if len(there_too) == 0:
        return there + exact, 0.0, 0, 0
    # One more than was seen: of few landmarks little is known (rule of succession).
    chance = min(0.9, max(LEAST_CHANCE, (often + 1) / (len(there_too) + 2)))
    low, high, matched = _stretch(there_too, chance)
    evidence = _unlikely(matched, high - low, chance)
    return there + exact, evidence, moments[low], moments[high - 1]


@compiled
def _near(
    marks: NDArray[np.uint16], there: int, end: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The landmarks of an object about where the question lies: frame of the question, bin."""
    frames = np.empty(len(marks), np.int32)
    bins = np.empty(len(marks), np.int32)
    count, at = 0, 0
    for mark in marks:
        at += mark & SKIP
        moment = at - there
        if moment > end + REACH + AROUND:
            break
        if mark >> 7 and moment >= -REACH - AROUND:
            frames[count], bins[count] = moment, mark >> 7
            count += 1
    return frames[:count], bins[:count]


@compiled
def _shifts(
    frame: NDArray[np.int32],
    place: NDArray[np.float32],
    own_frame: NDArray[np.int32],
    own_bin: NDArray[np.int32],
) -> NDArray[np.int32]:
    """How many pairs of landmarks, of which one is the question's, lie so many frames apart."""
    span = REACH + AROUND
    counts = np.zeros(2 * span + 1, np.int32)
    start = 0
    for mine in range(len(own_frame)):
        while start < len(frame) and frame[start] < own_frame[mine] - span:
            start += 1
        one = start
        while one < len(frame) and frame[one] <= own_frame[mine] + span:
            if abs(place[one] - own_bin[mine]) <= NEAR_BINS:
                counts[own_frame[mine] - frame[one] + span] += 1
            one += 1
    return counts


@compiled
def same(
    frame: NDArray[np.float64] | NDArray[np.int32],
    place: NDArray[np.float64] | NDArray[np.int32],
    other_frame: NDArray[np.float64] | NDArray[np.int32],
    other_place: NDArray[np.float64] | NDArray[np.float32],
    near_frames: float,
    near_bins: float,
) -> NDArray[np.bool_]:
    """Which landmarks another sound has too, as near as that. Both are in order of time."""
    found = np.zeros(len(frame), np.bool_)
    start = 0
    for mine in range(len(frame)):
        while start < len(other_frame) and other_frame[start] < frame[mine] - near_frames:
            start += 1
        one = start
        while one < len(other_frame) and other_frame[one] <= frame[mine] + near_frames:
            if abs(other_place[one] - place[mine]) <= near_bins:
                found[mine] = True
                break
            one += 1
    return found


@compiled
def _stretch(same: NDArray[np.bool_], chance: float) -> tuple[int, int, int]:
    """The stretch of landmarks that speaks most for the place: first, end, how many are the same.
    Each counts by how much likelier it is so at the right place than elsewhere."""
    share = max(SURVIVING, min(0.95, 2 * chance), min(0.95, same.mean()))
    more, less = np.log(share / chance), np.log((1 - share) / (1 - chance))
    best, low, high = -1.0, 0, 1
    value, start = 0.0, 0
    for at in range(len(same)):
        value += more if same[at] else less
        if value > best:
            best, low, high = value, start, at + 1
        if value <= 0:
            value, start = 0.0, at + 1
    return low, high, int(same[low:high].sum())


@compiled
def _three(counts: NDArray[np.int32], at: int) -> int:
    return whole(counts[at - 1] + counts[at] + counts[at + 1])


@compiled
def _unlikely(matched: int, of: int, chance: float) -> float:
    """How unlikely `matched` of `of` are, each having that chance, as a power of ten: Chernoff's
    bound of the binomial distribution's tail."""
    share = matched / of
    if share <= chance:
        return 0.0
    found = share * np.log(share / chance)
    if share < 1:
        found += (1 - share) * np.log((1 - share) / (1 - chance))
    return float(of * found / np.log(10.0))
