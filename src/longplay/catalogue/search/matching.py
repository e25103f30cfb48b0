"""Which documents have a word of every group: band after band, until as many as asked are found.

In each band the group whose lists are shortest gives candidates, and the others are asked about
those only, by the last document of each block (Long and Suel 2003 stop early in the same way).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.catalogue.search.postings import (
    BLOCK,
    LONG_BIT,
    TINY_BIT,
    Numbers,
    Words,
    block_of,
    decode_block,
    first_at_least,
    length,
)

Bits = npt.NDArray[np.uint64]

CHUNK = 64
"""Blocks of the shortest list that are tried at once: a search that stops early decodes no more."""


@compiled
def _set(bits: Bits, documents: Numbers, count: int) -> None:
    for k in range(count):
        document = documents[k]
        bits[document >> 6] |= np.uint64(1) << np.uint64(document & 63)


@compiled
def _mark(
    words: Words, at: int, stop: int, tiny: bool, size: int, wanted: Numbers, bits: Bits,
    block: Numbers,
) -> bool:  # fmt: skip
    """Set the bits of a list's documents: all, or if `wanted` are few, of the blocks that may have
    one of them. False if the list is damaged."""
    if tiny:
        for k in range(at, stop):
            document = np.int64(words[k])
            if document >= size:
                return False
            bits[document >> 6] |= np.uint64(1) << np.uint64(document & 63)
        return True
    total = length(words, at, stop, False)
    if total < 0:
        return False
    if not words[at] & LONG_BIT:
        count = decode_block(words, at, stop, -1, size, block)
        _set(bits, block, count)
        return count >= 0
    blocks = (total + BLOCK - 1) // BLOCK
    few = 0 < len(wanted) < blocks
    place, turn = 0, 0
    while place < blocks:
        if few:
            if turn == len(wanted):
                break
            place = first_at_least(words, at + 1 + place, at + 1 + blocks, wanted[turn]) - at - 1
            if place == blocks:
                break
            while turn < len(wanted) and wanted[turn] <= np.int64(words[at + 1 + place]):
                turn += 1
        begin, end, before = block_of(words, at, stop, place)
        count = decode_block(words, begin, end, before, size, block)
        if count < 0:
            return False
        _set(bits, block, count)
        place += 1
    return True


@compiled
def _keep(
    words: Words, at: int, stop: int, tiny: bool, size: int, wanted: Numbers, block: Numbers
) -> int:
    """Keep of `wanted` (ascending) what one list has, in place; how many, or -1 if damaged."""
    kept = 0
    if tiny:
        for k in range(len(wanted)):
            for j in range(at, stop):
                if np.int64(words[j]) == wanted[k]:
                    wanted[kept] = wanted[k]
                    kept += 1
        return kept
    total = length(words, at, stop, False)
    if total < 0:
        return -1
    long = bool(words[at] & LONG_BIT)
    blocks = (total + BLOCK - 1) // BLOCK if long else 1
    place, count, inside = -1, 0, 0
    for k in range(len(wanted)):
        document = wanted[k]
        if place < 0 or (count and block[count - 1] < document):
            fresh = place + 1
            if long:
                fresh = first_at_least(words, at + 1 + fresh, at + 1 + blocks, document) - at - 1
            if fresh >= blocks:
                break
            place, inside = fresh, 0
            begin, end, before = block_of(words, at, stop, place) if long else (at, stop, -1)
            count = decode_block(words, begin, end, before, size, block)
            if count < 0:
                return -1
        while inside < count and block[inside] < document:
            inside += 1
        if inside < count and block[inside] == document:
            wanted[kept] = document
            kept += 1
    return kept


@compiled
def _taken(bits: Bits, low: int, high: int) -> Numbers:
    """The documents from `low` to `high` whose bit is set."""
    found = 0
    for place in range(low >> 6, (high + 63) >> 6):
        value = bits[place]
        while value:
            value &= value - np.uint64(1)
            found += 1
    out = np.empty(found, np.int64)
    found = 0
    for place in range(low >> 6, (high + 63) >> 6):
        value = bits[place]
        document = place << 6
        while value:
            if value & np.uint64(1) and low <= document < high:
                out[found] = document
                found += 1
            # A jump over zeros, a byte at a time, then bit by bit.
            if not value & np.uint64(0xFF):
                value >>= np.uint64(8)
                document += 8
            else:
                value >>= np.uint64(1)
                document += 1
    return out[:found]


@compiled
def _decoded(
    words: Words, at: int, stop: int, tiny: bool, size: int, low: int, high: int, block: Numbers,
    first: int,
) -> tuple[Numbers, int]:  # fmt: skip
    """Of a list the documents from `low` to `high`, `CHUNK` blocks from block `first` on; and the
    block to go on with (-1: none, -2: damaged)."""
    if tiny:
        out = np.empty(stop - at, np.int64)
        found = 0
        for k in range(at, stop):
            if low <= np.int64(words[k]) < high:
                out[found] = np.int64(words[k])
                found += 1
        return out[:found], -1
    total = length(words, at, stop, False)
    long = total >= 0 and bool(words[at] & LONG_BIT)
    blocks = (total + BLOCK - 1) // BLOCK if long else 1
    if long and not first and low:
        first = first_at_least(words, at + 1, at + 1 + blocks, low) - at - 1
    last = min(first + CHUNK, blocks)
    out = np.empty(BLOCK * max(last - first, 0), np.int64)
    found = 0
    if total < 0:
        return out[:0], -2
    for place in range(first, last):
        begin, end, before = block_of(words, at, stop, place) if long else (at, stop, -1)
        count = decode_block(words, begin, end, before, size, block)
        if count < 0:
            return out[:0], -2
        for k in range(count):
            if low <= block[k] < high:
                out[found] = block[k]
                found += 1
        if block[count - 1] >= high:
            return out[:found], -1
    return out[:found], last if last < blocks else -1


@compiled
def _after(starts: Words, entry: int, last: int, size: int) -> int:
    """Where the list of an entry begins; that after the last is the end of the band."""
    return np.int64(starts[entry] & ~TINY_BIT) if entry < last else size


@compiled
def search(  # noqa: PLR0912, PLR0915 - one loop over bands, whose steps share all that it knows
    words: Words,
    terms: Words,
    starts: Words,
    edges: Numbers,
    term_edges: Numbers,
    word_edges: Numbers,
    ranges: Numbers,
    group_ends: Numbers,
    low: int,
    high: int,
    limit: int,
    given: Numbers,
    only_given: bool,
) -> tuple[Words, bool]:
    """The first `limit` documents from `low` to `high` (of `given`, if `only_given`) that have a
    term of every group; and whether all lists read were sound.

    Group g has the terms of `ranges[group_ends[g - 1]:group_ends[g]]`, pairs of first and end.
    """
    found, total = np.empty(min(limit, 1024), np.uint32), 0
    block = np.empty(BLOCK, np.int64)
    bits = np.zeros(1, np.uint64)
    stretches = np.empty((len(ranges), 2), np.int64)
    costs = np.empty(len(group_ends), np.int64)
    lists = np.empty(len(group_ends), np.int64)
    turn = 0
    for band in range(len(edges) - 1):
        base, size = edges[band], edges[band + 1] - edges[band]
        if base + size <= low or total >= limit:
            continue
        if base >= high:
            break
        from_, to = max(low - base, 0), min(high - base, size)
        given_from = turn
        while turn < len(given) and given[turn] < base + size:
            turn += 1
        if only_given and given_from == turn:
            continue
        first, last = term_edges[band], term_edges[band + 1]
        here = words[word_edges[band] : word_edges[band + 1]]
        possible = True
        for group in range(len(group_ends)):
            costs[group], lists[group] = 0, 0
            for k in range(group_ends[group - 1] if group else 0, group_ends[group]):
                begin = first_at_least(terms, first, last, ranges[k, 0])
                end = first_at_least(terms, begin, last, ranges[k, 1])
                stretches[k, 0], stretches[k, 1] = begin, end
                lists[group] += end - begin
                stop = _after(starts, end, last, len(here))
                costs[group] += stop - _after(starts, begin, last, len(here))
                if stop > len(here):
                    return found[:0], False
            possible = possible and lists[group] > 0
        if not possible:
            continue
        order = np.argsort(costs)
        driver = -1 if only_given else order[0]
        whole = True
        for group in range(len(group_ends)):
            whole = whole and (lists[group] == 1)
        next_block = 0
        while next_block >= 0 and total < limit:
            if only_given:
                wanted = given[given_from:turn] - base
                next_block = -1
            elif lists[driver] == 1 and whole:
                k = group_ends[driver - 1] if driver else 0
                while stretches[k, 0] == stretches[k, 1]:
                    k += 1
                entry = stretches[k, 0]
                wanted, next_block = _decoded(
                    here,
                    _after(starts, entry, last, len(here)),
                    _after(starts, entry + 1, last, len(here)),
                    bool(starts[entry] & TINY_BIT),
                    size, from_, to, block, next_block,
                )  # fmt: skip
                if next_block == -2:
                    return found[:0], False
            else:
                if len(bits) < (size + 63) >> 6:
                    bits = np.zeros((size + 63) >> 6, np.uint64)
                for k in range(group_ends[driver - 1] if driver else 0, group_ends[driver]):
                    for entry in range(stretches[k, 0], stretches[k, 1]):
                        at = _after(starts, entry, last, len(here))
                        stop = _after(starts, entry + 1, last, len(here))
                        tiny = bool(starts[entry] & TINY_BIT)
                        if stop > len(here) or not _mark(
                            here, at, stop, tiny, size, given[:0], bits, block
                        ):
                            return found[:0], False
                wanted, next_block = _taken(bits, from_, to), -1
                bits[: (size + 63) >> 6] = 0
            for group in order:
                if group == driver or not len(wanted):
                    continue
                if lists[group] > 1 and len(bits) < (size + 63) >> 6:
                    bits = np.zeros((size + 63) >> 6, np.uint64)
                for k in range(group_ends[group - 1] if group else 0, group_ends[group]):
                    for entry in range(stretches[k, 0], stretches[k, 1]):
                        at = _after(starts, entry, last, len(here))
                        stop = _after(starts, entry + 1, last, len(here))
                        tiny = bool(starts[entry] & TINY_BIT)
                        if stop > len(here):
                            return found[:0], False
                        if lists[group] == 1:
                            kept = _keep(here, at, stop, tiny, size, wanted, block)
                            if kept < 0:
                                return found[:0], False
                            wanted = wanted[:kept]
                        elif not _mark(here, at, stop, tiny, size, wanted, bits, block):
                            return found[:0], False
                if lists[group] > 1:
                    kept = 0
                    for k in range(len(wanted)):
                        document = wanted[k]
                        if bits[document >> 6] >> np.uint64(document & 63) & np.uint64(1):
                            wanted[kept] = document
                            kept += 1
                    wanted = wanted[:kept]
                    bits[: (size + 63) >> 6] = 0
            for k in range(len(wanted)):
                if total == limit or not from_ <= wanted[k] < to:
                    continue
                if total == len(found):
                    found = np.concatenate((found, np.empty(len(found), np.uint32)))
                found[total] = np.uint32(base + wanted[k])
                total += 1
    return found[:total], True
