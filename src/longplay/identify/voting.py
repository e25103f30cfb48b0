"""Asking one shard: where on its line do many hashes of a question agree?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from longplay.catalogue.compiled import compiled, whole
from longplay.identify.coding import begin_bucket, low_bits, read_on
from longplay.identify.shard import UNIT, Shard

SLACK = 2
"""Places of the line that count as one: two moments a fixed time apart fall now into one place
more, now into one less."""

LEAST = 3
"""Hashes that must agree before a place is looked at."""


def ask(
    shard: Shard,
    hashes: NDArray[np.uint32],
    times: NDArray[np.int32],
    candidates: int,
    most_bytes: int,
    least: int = LEAST,
) -> NDArray[np.int64]:
    """The likeliest places at which a question of these hashes at these frames begins, so many at
    most: where `least` different hashes or more say so, the most first. Of the shard's postings
    `most_bytes` are read: the rarest hashes come first, which say most, and what half of all music
    has goes unasked in a full shard."""
    if not len(hashes) or not shard.postings:
        return np.empty(0, np.int64)
    hashes, times = _sorted(hashes, times)
    cost = _costs(shard.directory, shard.width, shard.place_bits, hashes)
    if cost.sum() > most_bytes:
        rarest = np.argsort(cost, kind="stable")
        chosen = np.sort(rarest[: int(np.searchsorted(np.cumsum(cost[rarest]), most_bytes))])
        hashes, times, cost = hashes[chosen], times[chosen], cost[chosen]
    room = 8 * int(cost.max(initial=0)) + 8
    places, asked = _gather(
        *(shard.words, shard.directory, shard.width, shard.place_bits, hashes, times, room)
    )
    bits = max(12, min(24, len(places).bit_length() + 2))
    return _vote(places, hashes, asked, bits, least, candidates)


def _sorted(
    hashes: NDArray[np.uint32], times: NDArray[np.int32]
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Both in order of hashes, then of times: as one number each they are sorted much faster."""
    both = np.sort(hashes.astype(np.uint64) << np.uint64(32) | times.astype(np.uint64))
    return (both >> np.uint64(32)).astype(np.uint32), both.astype(np.uint32).astype(np.int32)


@compiled
def _costs(
    directory: NDArray[np.uint32], width: int, place_bits: int, hashes: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """Bytes of the buckets that each hash is in."""
    out = np.empty(len(hashes), np.int64)
    for number in range(len(hashes)):
        low = whole(hashes[number]) << place_bits
        last = (low | ((whole(1) << place_bits) - 1)) >> width
        cost = whole(directory[last + 1]) - whole(directory[low >> width])
        out[number] = max(whole(0), cost)  # a directory that has rotted may fall
    return out


@compiled
def _gather(
    words: NDArray[np.uint64],
    directory: NDArray[np.uint32],
    width: int,
    place_bits: int,
    hashes: NDArray[np.uint32],
    times: NDArray[np.int32],
    room: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Where the question would begin by each posting of its hashes (which are sorted), and the
    number of the hash that said so."""
    keys = np.empty(room, np.int64)  # of the bucket that is open, read as far as was needed
    opened, count, at, last = whole(-1), whole(0), whole(0), whole(0)
    first, end, key = whole(0), whole(0), whole(0)
    places = np.empty(4096, np.int64)
    asked = np.empty(4096, np.int32)
    total = 0
    mask = (whole(1) << place_bits) - 1
    for number in range(len(hashes)):
        low = whole(hashes[number]) << place_bits
        high = low | mask
        for bucket in range(low >> width, (high >> width) + 1):
            if bucket != opened:
                count, at, last = begin_bucket(words, directory, bucket)
                if count > room:  # it has rotted, or the directory has
                    count = whole(-1)
                opened, first, end, key = bucket, whole(0), whole(0), bucket << width
            if end < count and key <= high:
                deep = low_bits(width, count)
                more, at, key = read_on(words, at, last, deep, key, high, keys[end:count])
                if more < 0:  # it has rotted: what was read of it before counts
                    count, more = end, whole(0)
                end += more
            while first < end and keys[first] < low:
                first += 1
            one = first
            while one < end and keys[one] <= high:
                if total == len(places):
                    places = np.concatenate((places, np.empty(total, np.int64)))
                    asked = np.concatenate((asked, np.empty(total, np.int32)))
                places[total] = ((keys[one] & mask) * UNIT - times[number]) // UNIT
                asked[total] = number
                total += 1
                one += 1
    return places[:total], asked[:total]


@compiled
def _crowded(places: NDArray[np.int64], bits: int, least: int) -> NDArray[np.int64]:
    """Which votes lie where, by a coarse count, enough of them may agree; sorted by place."""
    mask = (whole(1) << bits) - 1
    table = np.zeros(mask + 1, np.uint16)
    for place in places:
        cell = (place >> 1) & mask
        if table[cell] < 65535:
            table[cell] += 1
    kept = np.empty(len(places), np.int64)
    count = 0
    for at in range(len(places)):
        cell = places[at] >> 1
        here = whole(table[cell & mask])
        near = max(whole(table[(cell - 1) & mask]), whole(table[(cell + 1) & mask]))
        if here + near >= least:
            kept[count] = at
            count += 1
    kept = kept[:count]
    return kept[np.argsort(places[kept], kind="mergesort")]


@compiled
def _vote(
    places: NDArray[np.int64],
    hashes: NDArray[np.uint32],
    asked: NDArray[np.int32],
    bits: int,
    least: int,
    most: int,
) -> NDArray[np.int64]:
    """The places with the most different hashes within SLACK, best first. A coarse count leaves few
    votes to be sorted."""
    order = _crowded(places, bits, least)
    out_place = np.empty(len(order), np.int64)
    out_score = np.empty(len(order), np.int32)
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
        score = len(np.unique(hashes[asked[order[start:end]]]))
        if score < least:
            continue
        # One place is told once: of windows that overlap, the fullest.
        if not found or place - out_place[found - 1] >= SLACK * 2:
            found += 1
        elif out_score[found - 1] >= score:
            continue
        out_place[found - 1], out_score[found - 1] = place, score
    best = np.argsort(-out_score[:found], kind="mergesort")[:most]
    return out_place[best]
