"""Asking one shard: where on its line do many hashes of a question agree?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longplay.catalogue.compiled import compiled, whole
from longplay.identify.coding import decode_bucket
from longplay.identify.shard import Shard

SLACK = 3
"""Frames of one place on the line that count as one: 70 ms."""

CANDIDATES = 8
"""Places of a shard that are told for one question, best first."""

LEAST = 4
"""Hashes that must agree before a place is looked at."""

CHANCE = 0.01
"""What a shard's best place by chance is exceeded by, how often."""

MOST_BYTES = 2 * 2**20
"""Bytes of postings that one question reads of a shard, some 800,000 of them: the rarest hashes
come first, which say most; those that half of all music has go unasked in a full shard."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place of a shard's line at which a question may begin: how many different hashes agree on
    it (`score`), how many would by chance (`chance`), and the frames of the question from the
    first to the last of them."""

    place: int
    score: int
    chance: float
    first: int
    last: int


def ask(shard: Shard, hashes: NDArray[np.uint32], times: NDArray[np.int32]) -> list[Candidate]:
    """The likeliest places for a question of these hashes at these frames, best first."""
    if not len(hashes) or not shard.postings:
        return []
    order = _affordable(shard, hashes)
    places, asked = _gather(
        *(shard.data, shard.directory, shard.width, shard.place_bits),
        *(hashes[order], times[order], shard.widest * 8 + 8),
    )
    if len(places) < LEAST:
        return []
    mean = len(places) * SLACK / max(1, int(shard.starts[-1]))
    chance = by_chance(mean, int(shard.starts[-1]))
    bits = max(12, min(22, len(places).bit_length() + 1))
    found = _vote(places, times[order][asked], hashes[order][asked], bits, LEAST, CANDIDATES)
    return [
        Candidate(int(place), int(score), chance, int(first), int(last))
        for place, score, first, last in zip(*found, strict=True)
    ]


def _affordable(shard: Shard, hashes: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Which hashes are asked, in order of hashes: the rarest, as far as MOST_BYTES go."""
    low = hashes.astype(np.int64) << shard.place_bits
    first = low >> shard.width
    last = (low | ((1 << shard.place_bits) - 1)) >> shard.width
    cost = shard.directory[last + 1].astype(np.int64) - shard.directory[first]
    rarest = np.argsort(cost, kind="stable")
    chosen = np.zeros(len(hashes), bool)
    chosen[rarest[np.cumsum(cost[rarest]) <= MOST_BYTES]] = True
    order = np.argsort(hashes, kind="stable")
    return order[chosen[order]]


def by_chance(mean: float, places: int) -> float:
    """How many votes the best of so many places gets by chance, where each has `mean` of them:
    the Poisson distribution's tail, which is CHANCE for all places together; between whole votes
    it is interpolated."""
    wanted = math.log(CHANCE / max(1, places))
    before, votes = 0.0, 0
    while votes < 10_000:
        votes += 1
        tail = -mean + votes * math.log(max(mean, 1e-12)) - math.lgamma(votes + 1)
        if votes > mean and tail <= wanted:
            step = before - tail
            return votes - 1 + ((before - wanted) / step if step > 0 else 1.0)
        before = min(tail, 0.0)
    return float(votes)


@compiled
def _gather(
    data: NDArray[np.uint8],
    directory: NDArray[np.uint32],
    width: int,
    place_bits: int,
    hashes: NDArray[np.uint32],
    times: NDArray[np.int32],
    room: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Where the question would begin by each posting of its hashes (which are sorted), and the
    number of the hash that said so."""
    buffer = np.empty(room, np.int64)
    places = np.empty(1024, np.int64)
    asked = np.empty(1024, np.int32)
    total = 0
    mask = (whole(1) << place_bits) - 1
    held, count = whole(-1), whole(0)
    for number in range(len(hashes)):
        low = whole(hashes[number]) << place_bits
        high = low | mask
        bucket, last = low >> width, high >> width
        while bucket <= last:
            if bucket != held:
                count = decode_bucket(data, directory, bucket, width, buffer)
                held = bucket
            at = 0
            while at < count and buffer[at] < low:
                at += 1
            while at < count and buffer[at] <= high:
                if total == len(places):
                    places = np.concatenate((places, np.empty(total, np.int64)))
                    asked = np.concatenate((asked, np.empty(total, np.int32)))
                places[total] = (buffer[at] & mask) - times[number]
                asked[total] = number
                total += 1
                at += 1
            bucket += 1
    return places[:total], asked[:total]


@compiled
def _crowded(places: NDArray[np.int64], bits: int, least: int) -> NDArray[np.int64]:
    """Which votes lie where, by a coarse count, enough of them may agree; sorted by place."""
    mask = (whole(1) << bits) - 1
    table = np.zeros(mask + 1, np.uint16)
    for place in places:
        cell = (place >> 2) & mask
        if table[cell] < 65535:
            table[cell] += 1
    kept = np.empty(len(places), np.int64)
    count = 0
    for at in range(len(places)):
        cell = places[at] >> 2
        here = whole(table[cell & mask])
        near = max(whole(table[(cell - 1) & mask]), whole(table[(cell + 1) & mask]))
        if here + near >= least:
            kept[count] = at
            count += 1
    kept = kept[:count]
    return kept[np.argsort(places[kept], kind="mergesort")]


@compiled
def _slot(
    places: NDArray[np.int64], scores: NDArray[np.int32], found: int, place: int, score: int
) -> int:
    """Which of `found` results a place takes, or the next free one; -1 where it is worse than what
    is there. One place is told once: of windows that overlap, the fullest."""
    for one in range(found):
        if abs(places[one] - place) < SLACK * 2:
            return one if scores[one] < score else -1
    if found < len(places):
        return found
    worst = int(np.argmin(scores))
    return worst if scores[worst] < score else -1


@compiled
def _vote(
    places: NDArray[np.int64],
    times: NDArray[np.int32],
    hashes: NDArray[np.uint32],
    bits: int,
    least: int,
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """The places with the most different hashes within SLACK frames, best first: place, hashes,
    first and last frame. A coarse count leaves few votes to be sorted."""
    order = _crowded(places, bits, least)
    out_place = np.zeros(most, np.int64)
    out_score = np.zeros(most, np.int32)
    out_first = np.zeros(most, np.int32)
    out_last = np.zeros(most, np.int32)
    found = 0
    end = 0
    for start in range(len(order)):
        place = int(places[order[start]])
        if start and places[order[start - 1]] == place:
            continue
        end = max(end, start)
        while end < len(order) and places[order[end]] < place + SLACK:
            end += 1
        if end - start < least:
            continue
        score = len(np.unique(hashes[order[start:end]]))
        if score < least:
            continue
        slot = _slot(out_place, out_score, found, place, score)
        if slot < 0:
            continue
        found = max(found, slot + 1)
        moments = times[order[start:end]]
        out_place[slot], out_score[slot] = place, score
        out_first[slot], out_last[slot] = moments.min(), moments.max()
    best = np.argsort(-out_score[:found])
    return out_place[best], out_score[best], out_first[best], out_last[best]
