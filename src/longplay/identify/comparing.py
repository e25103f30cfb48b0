"""Near-duplicates: do two objects of the index hold one recording, from end to end?

What is asked is what the index has: few landmarks. Some windows of an object are asked, at its own
speed and at others, and whatever several hashes of one of them point at is compared as a whole: a
line is laid through the landmarks of both, as straight as a turntable or an editor leaves it, and
the stretches are counted in which they agree along it. Another take of a work agrees nowhere for
long, since nobody plays twice at the same moments. What shares a loop with others agrees with them
as well some beats earlier or later, which a recording does with its own copy only where it
repeats itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from longplay.audio.landmarks import unmarked
from longplay.catalogue.compiled import compiled, whole
from longplay.identify import hashing, voting
from longplay.identify.aligning import same
from longplay.identify.likeness import Likeness
from longplay.identify.matching import AS_IT_IS, OTHERWISE, WINDOW, Hearing
from longplay.identify.shard import UNIT, Shard
from longplay.model import ObjectKey

WINDOWS = 6
"""Windows of an object that are asked at its own speed, evenly over it."""

WINDOWS_OTHERWISE = 2
"""And at each other speed, where nothing was found at its own."""

FAN = 6
"""Followers of a landmark that hashes are made with: more than the index has, since some of those
between are another copy's own."""

MOST = 6
"""Places that are compared for one window, those with most votes."""

MOST_BYTES = 2**20
"""Bytes of postings that one window reads of a shard."""

CHUNK = 215
"""Frames, 5 s, that agree or do not."""

FEWEST = 8
"""A chunk with fewer landmarks says nothing."""

AGREEING = 0.25
"""Share of a chunk's landmarks that the other has where both agree; by chance it is 0.05."""

PROMISING = 0.3
"""Share of a window's landmarks that a place must have, before all of both objects is compared."""

REACH = 10
"""Frames around a place within which that is looked for."""

NEAR_BINS = 1.0
NEAR_FRAMES = 1.5
"""How far apart two landmarks are at most that are the same."""

BESIDE = 8
"""Shifts from the best that tell nothing: broad maxima of the same sound."""

SLOPE = 0.006
"""Speed is this far from what was asked at most: half of what lies between two hearings."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a window of an object at frame `at` was found at: frame `there` of an object."""

    shard: int
    number: int
    at: int
    there: int
    hearing: Hearing


Marks = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Frames and bins of an object's landmarks."""


def alike(
    shards: Sequence[Shard], shard: int, number: int, *, own_speed: bool
) -> dict[ObjectKey, Likeness]:
    """What of the index an object of it is like, but for itself."""
    mine = unmarked(shards[shard].marks_of(number))
    me = shards[shard].key(number)
    found: dict[ObjectKey, Likeness] = {}
    asked = [([AS_IT_IS], WINDOWS)]
    if not own_speed:
        asked.append((list(OTHERWISE), WINDOWS_OTHERWISE))
    for hearings, windows in asked:
        for place in _places(shards, mine, hearings, windows):
            key = shards[place.shard].key(place.number)
            if key == me or (key in found and found[key].kind in ("same", "speed")):
                continue
            theirs = unmarked(shards[place.shard].marks_of(place.number))
            if not _is_promising(mine, theirs, place):
                continue
            one = compare(mine, theirs, place)
            if one.kind and (key not in found or one.share > found[key].share):
                found[key] = one
    return found


def _is_promising(mine: Marks, theirs: Marks, found: Place) -> bool:
    """Whether the window that was asked has enough of its landmarks there."""
    low, high = np.searchsorted(mine[0], (found.at, found.at + WINDOW))
    frame = (mine[0][low:high] - found.at).astype(np.float64) * found.hearing.speed
    frame += found.there
    place = (mine[1][low:high] / found.hearing.pitch).astype(np.float64)
    first, end = np.searchsorted(theirs[0], (frame[0] - 2 * REACH, frame[-1] + 2 * REACH))
    own_frame = theirs[0][first:end].astype(np.float64)
    own_bin = theirs[1][first:end].astype(np.float64)
    return bool(_most(frame, place, own_frame, own_bin) >= PROMISING * len(frame))


@compiled
def _most(
    frame: NDArray[np.float64],
    place: NDArray[np.float64],
    own_frame: NDArray[np.float64],
    own_bin: NDArray[np.float64],
) -> int:
    """How many landmarks the other has, some frames earlier or later."""
    most = 0
    for shift in range(-REACH, REACH + 1):
        most = max(
            most,
            whole(same(frame + shift, place, own_frame, own_bin, NEAR_FRAMES, NEAR_BINS).sum()),
        )
    return most


def _places(
    shards: Sequence[Shard], mine: Marks, hearings: Sequence[Hearing], windows: int
) -> Iterator[Place]:
    """Where windows of an object with these landmarks may lie."""
    frame, place = mine
    if not len(frame):
        return
    span = int(frame[-1]) + 1
    starts = np.unique(np.linspace(0, max(0, span - WINDOW), windows).astype(np.int64))
    for start in starts.tolist():
        low, high = np.searchsorted(frame, (start, start + WINDOW))
        if high - low < FEWEST:
            continue
        for hearing in hearings:
            hashes, times = hashing.triples(
                np.round((frame[low:high] - start) * hearing.speed).astype(np.int32),
                (place[low:high] / hearing.pitch).astype(np.float32),
                FAN,
                FAN,
                False,
            )
            for number, shard in enumerate(shards):
                found = voting.ask(shard, hashes, times, MOST, MOST_BYTES)
                for at in found.tolist():
                    owner = shard.object_at(at + WINDOW // UNIT // 2)
                    there = (at - int(shard.starts[owner])) * UNIT
                    yield Place(number, owner, start, there, hearing)


def compare(mine: Marks, theirs: Marks, found: Place) -> Likeness:
    """How alike two objects are, one of whose windows was found at a place of the other. Where a
    piece repeats itself that may have been a repetition: then the best place is taken instead."""
    one, shift = _compared(mine, theirs, found)
    if one.elsewhere > 1:
        one, _ = _compared(mine, theirs, replace(found, there=found.there + shift))
    return one


def _compared(mine: Marks, theirs: Marks, found: Place) -> tuple[Likeness, int]:
    """That, with the shift from there at which more landmarks agree than at any other."""
    frame, place = mine[0].astype(np.float64), (mine[1] / found.hearing.pitch).astype(np.float64)
    own_frame, own_bin = theirs[0].astype(np.float64), theirs[1].astype(np.float64)
    middle = found.at + WINDOW / 2
    there = found.there + WINDOW / 2 * found.hearing.speed
    slope, start = _line(frame, place, own_frame, own_bin, middle, there, found.hearing.speed)
    moved = (frame - middle) * slope + start
    ours = same(moved, place, own_frame, own_bin, NEAR_FRAMES, NEAR_BINS)
    others = same(own_frame, own_bin, moved, place, NEAR_FRAMES, NEAR_BINS)
    inside = (moved >= own_frame[0] - 1) & (moved <= own_frame[-1] + 1)
    best, elsewhere, shift = _shifts(moved, place, own_frame, own_bin)
    one = Likeness(
        speed=round(slope, 5),
        pitch=round(
            slope if found.hearing.pitch == found.hearing.speed else found.hearing.pitch, 5
        ),
        there=start - middle * slope,
        share=float(ours[inside].mean()) if inside.any() else 0.0,
        elsewhere=elsewhere / max(best, 1),
        mine=_agreeing(frame, ours),
        theirs=_agreeing(own_frame, others),
    )
    return one, int(shift)


@compiled
def _line(
    frame: NDArray[np.float64],
    place: NDArray[np.float64],
    own_frame: NDArray[np.float64],
    own_bin: NDArray[np.float64],
    middle: float,
    there: float,
    speed: float,
) -> tuple[float, float]:
    """The straight line by which most landmarks agree: its slope, and where `middle` lies on it. It
    is laid through ever longer stretches around that, each time more exactly."""
    slope, start = speed, there
    reach = 300.0
    wide, tall = SLOPE, 10.0
    while True:
        low = np.searchsorted(frame, middle - reach)
        high = np.searchsorted(frame, middle + reach)
        step = 0.75 / reach
        steps, shifts = int(np.ceil(wide / step)), int(tall)
        most, best_slope, best_start = -1, slope, start
        for k in range(-steps, steps + 1):
            for d in range(-shifts, shifts + 1):
                one, at = slope + k * step, start + d
                moved = (frame[low:high] - middle) * one + at
                count = same(
                    moved, place[low:high], own_frame, own_bin, NEAR_FRAMES, NEAR_BINS
                ).sum()
                closer = abs(k) + abs(d) < abs(best_slope - slope) / step + abs(best_start - start)
                if count > most or (count == most and closer):
                    most, best_slope, best_start = count, one, at
        slope, start = best_slope, best_start
        if low == 0 and high == len(frame):
            return slope, start
        wide, tall = 1.5 * step, 1.0
        reach *= 2


@compiled
def _shifts(
    frame: NDArray[np.float64],
    place: NDArray[np.float64],
    own_frame: NDArray[np.float64],
    own_bin: NDArray[np.float64],
) -> tuple[int, int, int]:
    """How many pairs of landmarks lie as far apart as the line says, and at most at another shift,
    each with the two shifts beside it; and that shift."""
    reach = int(max(frame[-1], own_frame[-1]) - min(frame[0], own_frame[0])) + 2
    counts = np.zeros(2 * reach + 1, np.int64)
    order = np.argsort(own_bin, kind="mergesort")
    bins = own_bin[order]
    for mine in range(len(frame)):
        at = np.searchsorted(bins, place[mine] - NEAR_BINS)
        while at < len(bins) and bins[at] <= place[mine] + NEAR_BINS:
            shift = int(np.round(own_frame[order[at]] - frame[mine])) + reach
            if 0 <= shift < len(counts):
                counts[shift] += 1
            at += 1
    best, elsewhere, where = 0, 0, 0
    for shift in range(1, len(counts) - 1):
        here = counts[shift - 1] + counts[shift] + counts[shift + 1]
        if shift == reach:
            best = here
        elif abs(shift - reach) > BESIDE and here > elsewhere:
            elsewhere, where = here, shift - reach
    return best, elsewhere, where


def _agreeing(frame: NDArray[np.float64], agreeing: NDArray[np.bool_]) -> float:
    """The share of the chunks that say something in which the other has the same landmarks."""
    chunk = (frame / CHUNK).astype(np.int64)
    there = np.bincount(chunk)
    agree = np.bincount(chunk, weights=agreeing)
    told = there >= FEWEST
    if not told.any():
        return 0.0
    return float((agree[told] >= AGREEING * there[told]).mean())
