"""Which documents have a word of every group: band after band, until as many as asked are found.

In each band the group whose lists are shortest gives candidates, and the others are asked about
those only, by the last document of each block (Long and Suel 2003 stop early in the same way).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, inlined, whole
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


_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_PLACES = np.zeros(64, np.int64)
_PLACES[[0x03F79D71B4CB0A89 << place >> 58 & 63 for place in range(64)]] = np.arange(64)
"""Where the one bit of a number stands, by the upper six bits of its product with the constant."""


@inlined
def _set(bits: Bits, documents: Numbers, count: int) -> None:
    for k in range(count):
        document = documents[k]
        bits[document >> 6] |= np.uint64(1) << np.uint64(document & 63)


@compiled
def _mark_long(
    words: Words, at: int, stop: int, size: int, wanted: Numbers, bits: Bits, block: Numbers
) -> bool:
    """Set the bits of a long list's documents: all, or if `wanted` are few, of the blocks that may
    have one of them. False if the list is damaged."""
    total = length(words, at, stop, False)
    if total < 0:
        return False
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
            while turn < len(wanted) and wanted[turn] <= whole(words[at + 1 + place]):
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
                if whole(words[j]) == wanted[k]:
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
def _taken(bits: Bits, low: int, high: int, places: Numbers) -> Numbers:
    """The documents from `low` to `high` whose bit is set. `places` is `_PLACES`."""
    found = 0
    for word in range(low >> 6, (high + 63) >> 6):
        value = bits[word]
        while value:
            value &= value - np.uint64(1)
            found += 1
    out = np.empty(found, np.int64)
    found = 0
    for word in range(low >> 6, (high + 63) >> 6):
        value = bits[word]
        while value:
            lowest = value & (~value + np.uint64(1))
            value ^= lowest
            document = (word << 6) + places[whole(lowest * _DE_BRUIJN >> np.uint64(58))]
            if low <= document < high:
                out[found] = document
                found += 1
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
            if low <= whole(words[k]) < high:
                out[found] = whole(words[k])
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


class Lists(NamedTuple):
    """The lists of a layer (see `postings`). Band b has the documents from `edges[b]` on, the
    entries (a term, and where its list begins) from `term_edges[b]` and the words from
    `word_edges[b]`."""

    words: Words
    terms: Words
    starts: Words
    edges: Numbers
    term_edges: Numbers
    word_edges: Numbers


@compiled
def _after(starts: Words, entry: int, last: int, size: int) -> int:
    """Where the list of an entry begins; that after the last is the end of the band."""
    return whole(starts[entry] & ~TINY_BIT) if entry < last else size


@compiled
def _stretches(
    lists: Lists, band: int, ranges: Numbers, ends: Numbers, found: Numbers, sizes: Numbers
) -> bool:
    """Fill `found` with the first entry and the end of each range of terms in a band, and `sizes`
    with how many lists and words each group has there. False if a list cannot be."""
    first, last = lists.term_edges[band], lists.term_edges[band + 1]
    room = lists.word_edges[band + 1] - lists.word_edges[band]
    sizes[:] = 0
    for group in range(len(ends)):
        for k in range(ends[group - 1] if group else 0, ends[group]):
            begin = first_at_least(lists.terms, first, last, ranges[k, 0])
            end = first_at_least(lists.terms, begin, last, ranges[k, 1])
            stop = _after(lists.starts, end, last, room)
            if stop > room:
                return False
            found[k, 0], found[k, 1] = begin, end
            sizes[group, 0] += end - begin
            sizes[group, 1] += stop - _after(lists.starts, begin, last, room)
    return True


@compiled
def _mark_all(
    lists: Lists, band: int, stretches: Numbers, begin: int, end: int, wanted: Numbers, bits: Bits
) -> bool:
    """Set the bits of the documents of all lists of a group: see `_mark_long`."""
    here = lists.words[lists.word_edges[band] : lists.word_edges[band + 1]]
    size = lists.edges[band + 1] - lists.edges[band]
    last, room = lists.term_edges[band + 1], len(here)
    starts, block = lists.starts, np.empty(BLOCK, np.int64)
    for k in range(begin, end):
        for entry in range(stretches[k, 0], stretches[k, 1]):
            at = whole(starts[entry] & ~TINY_BIT)
            stop = whole(starts[entry + 1] & ~TINY_BIT) if entry + 1 < last else room
            if stop > room:
                return False
            if starts[entry] & TINY_BIT:
                for place in range(at, stop):
                    document = whole(here[place])
                    if document >= size:
                        return False
                    bits[document >> 6] |= np.uint64(1) << np.uint64(document & 63)
            elif at < stop and here[at] & LONG_BIT:
                if not _mark_long(here, at, stop, size, wanted, bits, block):
                    return False
            else:
                count = decode_block(here, at, stop, -1, size, block)
                if count < 0:
                    return False
                _set(bits, block, count)
    return True


@compiled
def _only(
    lists: Lists, band: int, stretches: Numbers, begin: int, end: int
) -> tuple[int, int, bool]:
    """The one list of a group: where it begins and ends, and whether it is tiny."""
    entry, last = 0, lists.term_edges[band + 1]
    room = lists.word_edges[band + 1] - lists.word_edges[band]
    for k in range(begin, end):
        if stretches[k, 0] < stretches[k, 1]:
            entry = stretches[k, 0]
    at = _after(lists.starts, entry, last, room)
    stop = _after(lists.starts, entry + 1, last, room)
    return at, stop if stop <= room else -1, bool(lists.starts[entry] & TINY_BIT)


@compiled
def _narrowed(
    lists: Lists, band: int, stretches: Numbers, ends: Numbers, sizes: Numbers, driver: int,
    wanted: Numbers, bits: Bits,
) -> tuple[Numbers, bool]:  # fmt: skip
    """Those of `wanted` that every group but `driver` has, groups with short lists first."""
    here = lists.words[lists.word_edges[band] : lists.word_edges[band + 1]]
    size = lists.edges[band + 1] - lists.edges[band]
    block = np.empty(BLOCK, np.int64)
    for group in np.argsort(sizes[:, 1]):
        if group == driver or not len(wanted):
            continue
        begin, end = (ends[group - 1] if group else 0), ends[group]
        kept = 0
        if sizes[group, 0] == 1:
            at, stop, tiny = _only(lists, band, stretches, begin, end)
            kept = _keep(here, at, stop, tiny, size, wanted, block) if stop >= 0 else -1
            if kept < 0:
                return wanted, False
        else:
            sound = _mark_all(lists, band, stretches, begin, end, wanted, bits)
            for k in range(len(wanted)):
                document = wanted[k]
                if bits[document >> 6] >> np.uint64(document & 63) & np.uint64(1):
                    wanted[kept] = document
                    kept += 1
            bits[: (size + 63) >> 6] = 0
            if not sound:
                return wanted, False
        wanted = wanted[:kept]
    return wanted, True


@compiled
def _in_band(
    lists: Lists, band: int, stretches: Numbers, ends: Numbers, sizes: Numbers, low: int,
    high: int, limit: int, given: Numbers, only_given: bool, bits: Bits,
) -> tuple[Numbers, bool]:  # fmt: skip
    """The first `limit` documents of a band, from `low` to `high`, that every group has."""
    size = lists.edges[band + 1] - lists.edges[band]
    if only_given:
        return _narrowed(lists, band, stretches, ends, sizes, -1, given, bits)
    driver = whole(np.argmin(sizes[:, 1]))
    begin, end = (ends[driver - 1] if driver else 0), ends[driver]
    if sizes[:, 0].max() > 1:
        # Lists that are joined are read once, so all candidates are tried at once.
        sound = _mark_all(lists, band, stretches, begin, end, given[:0], bits)
        wanted = _taken(bits, low, high, _PLACES)
        bits[: (size + 63) >> 6] = 0
        if not sound:
            return wanted, False
        return _narrowed(lists, band, stretches, ends, sizes, driver, wanted, bits)
    here = lists.words[lists.word_edges[band] : lists.word_edges[band + 1]]
    at, stop, tiny = _only(lists, band, stretches, begin, end)
    found, block, place = np.empty(0, np.int64), np.empty(BLOCK, np.int64), 0
    while place >= 0 and len(found) < limit:
        if stop < 0:
            return found, False
        wanted, place = _decoded(here, at, stop, tiny, size, low, high, block, place)
        if place == -2:
            return found, False
        wanted, sound = _narrowed(lists, band, stretches, ends, sizes, driver, wanted, bits)
        found = np.concatenate((found, wanted))
        if not sound:
            return found, False
    return found, True


@compiled
def search(
    lists: Lists,
    ranges: Numbers,
    ends: Numbers,
    low: int,
    high: int,
    limit: int,
    given: Numbers,
    only_given: bool,
) -> tuple[Words, bool]:
    """The first `limit` documents from `low` to `high` (of `given`, if `only_given`) that have a
    term of every group; and whether all lists read were sound.

    Group g has the terms of `ranges[ends[g - 1]:ends[g]]`, pairs of first and end.
    """
    found, turn = np.empty(0, np.uint32), 0
    largest = np.max(np.diff(lists.edges)) if len(lists.edges) > 1 else 0
    bits = np.zeros((largest + 63) >> 6, np.uint64)
    stretches, sizes = np.empty((len(ranges), 2), np.int64), np.empty((len(ends), 2), np.int64)
    for band in range(len(lists.edges) - 1):
        base, after = lists.edges[band], lists.edges[band + 1]
        first = turn
        while turn < len(given) and given[turn] < after:
            turn += 1
        if after <= low or base >= high or len(found) >= limit or (only_given and first == turn):
            continue
        if not _stretches(lists, band, ranges, ends, stretches, sizes):
            return found, False
        if sizes[:, 0].min() == 0:
            continue
        documents, sound = _in_band(
            lists, band, stretches, ends, sizes, max(low - base, 0), min(high, after) - base,
            limit - len(found), given[first:turn] - base, only_given, bits,
        )  # fmt: skip
        if not sound:
            return found, False
        documents = documents[: limit - len(found)] + base
        found = np.concatenate((found, documents.astype(np.uint32)))
    return found, True
