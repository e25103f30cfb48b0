"""Lists of documents, term by term, in bands of documents.

A band is a range of document numbers; in it the lists lie in the order of the terms, so that those
of all terms with one beginning are one stretch. Lists of up to `TINY` documents are plain numbers.
Longer ones are blocks of 128 gaps, packed in as few bits as most of them need, with the high bits
of the others apart (Zukowski et al. 2006, "Super-Scalar RAM-CPU Cache Compression"; the width is
chosen to make each block smallest: Yan, Ding and Suel 2009).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, inlined, whole

Words = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.int64]
Fields = npt.NDArray[Any]

FIRST_BAND = 1 << 16
"""Documents of the first band: the most popular, in which most searches end."""

LARGEST_BAND = 1 << 23
"""Documents of a band at most: building one takes about 70 bytes a document."""

BLOCK = 128
"""Gaps of a block: few enough that one is decoded in 0.1 microseconds, many enough to share."""

TINY = 3
"""Documents of a list that is not worth a header."""

TINY_BIT = np.uint32(1 << 31)
LONG_BIT = np.uint32(1 << 31)


def bands(documents: int, first: int = FIRST_BAND, largest: int = LARGEST_BAND) -> Numbers:
    """Where each band begins, and the end: sizes double from `first` to `largest`."""
    edges = [0]
    size = first
    while edges[-1] < documents:
        edges.append(min(edges[-1] + size, documents))
        if len(edges) > 2:
            size = min(2 * size, largest)
    return np.array(edges, np.int64)


def ranges(edges: Numbers) -> Iterator[tuple[int, int]]:
    """The bands as pairs of first document and end."""
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


@inlined
def _packed(out: Words, at: int, place: int, bits: int, value: int) -> None:
    """Write the `place`th number of `bits` bits each, from word `at` on (zeroed before)."""
    bit = place * bits
    word, shift = at + (bit >> 5), bit & 31
    both = np.uint64(value) << np.uint64(shift)
    out[word] |= np.uint32(both & np.uint64(0xFFFFFFFF))
    if shift + bits > 32:
        out[word + 1] |= np.uint32(both >> np.uint64(32))


@compiled
def _encode_block(
    documents: Words, first: int, count: int, before: int, out: Words, at: int, widths: Numbers
) -> int:
    """Write one block of gaps; where it ends. `widths` is scratch for 33 numbers."""
    widths[:] = 0
    last = before
    for k in range(count):
        gap = whole(documents[first + k]) - last - 1
        last = whole(documents[first + k])
        width = 0
        while gap >> width:
            width += 1
        widths[width] += 1
    widest = 32
    while widest and not widths[widest]:
        widest -= 1
    best, bits, above = whole(1) << 40, 0, 0
    for width in range(widest, -1, -1):
        # `above` gaps need more than `width` bits
        size = count * width + above * (8 + widest - width)
        if size < best:
            best, bits = size, width
        above += widths[width]
    high = widest - bits
    others = 0
    for width in range(bits + 1, widest + 1):
        others += widths[width]
    low_at = at + 1
    place_at = low_at + ((count * bits + 31) >> 5)
    high_at = place_at + ((others + 3) >> 2)
    end = high_at + ((others * high + 31) >> 5)
    out[at:end] = 0
    out[at] = np.uint32(count - 1 | bits << 7 | high << 12 | others << 17)
    last, other = before, 0
    word, shift, mask = low_at, 0, (1 << bits) - 1
    for k in range(count):
        gap = whole(documents[first + k]) - last - 1
        last = whole(documents[first + k])
        # As `_packed`, which would cost more to call than it does.
        both = np.uint64(gap & mask) << np.uint64(shift)
        shift += bits
        if bits:
            out[word] |= np.uint32(both & np.uint64(0xFFFFFFFF))
        if shift > 32:
            out[word + 1] |= np.uint32(both >> np.uint64(32))
        word += shift >> 5
        shift &= 31
        if gap >> bits:
            _packed(out, place_at, other, 8, k)
            _packed(out, high_at, other, high, gap >> bits)
            other += 1
    return end


@compiled
def decode_block(words: Words, at: int, stop: int, before: int, size: int, out: Numbers) -> int:
    """Read the block at word `at` into `out`; how many documents, or -1 if it cannot be one: it
    would run past `stop`, or to documents from `size` on."""
    if at >= stop:
        return -1
    header = whole(words[at])
    count, bits = (header & 127) + 1, header >> 7 & 31
    high, others = header >> 12 & 31, header >> 17 & 255
    low_at = at + 1
    place_at = low_at + ((count * bits + 31) >> 5)
    high_at = place_at + ((others + 3) >> 2)
    if high_at + ((others * high + 31) >> 5) > stop:
        return -1
    if bits == 0:
        out[:count] = 0
    else:
        mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
        shift = np.uint64(32)
        for k in range(count):
            # Two words whether both are needed or not: something lies behind each list in the file.
            word, bit = low_at + (k * bits >> 5), np.uint64(k * bits & 31)
            both = np.uint64(words[word]) | np.uint64(words[word + 1]) << shift
            out[k] = whole(both >> bit & mask)
    high_mask = (np.uint64(1) << np.uint64(high)) - np.uint64(1)
    for k in range(others):
        place = whole(words[place_at + (k >> 2)] >> np.uint32(8 * (k & 3)) & np.uint32(255))
        if place >= count:
            return -1
        word, bit = high_at + (k * high >> 5), np.uint64(k * high & 31)
        both = np.uint64(words[word]) | np.uint64(words[word + 1]) << np.uint64(32)
        out[place] |= whole(both >> bit & high_mask) << bits
    last = before
    for k in range(count):
        last += out[k] + 1
        out[k] = last
    return count if last < size else -1


@compiled
def encode(
    documents: Words, ends: Numbers, terms: Words, starts: Words, out: Words
) -> tuple[int, int]:
    """Write the lists of one band: that of term t is `documents[ends[t - 1]:ends[t]]`.

    Fills `terms` and `starts` with the number of each term that has a list and the word where it
    begins (with `TINY_BIT`), and `out` with the words. Returns how many of both.
    """
    widths = np.zeros(33, np.int64)
    entries, at, begin = 0, 0, whole(0)
    for term in range(len(ends)):
        end = ends[term]
        count = end - begin
        if not count:
            continue
        terms[entries], starts[entries] = term, np.uint32(at)
        if count <= TINY:
            starts[entries] |= TINY_BIT
            for k in range(count):
                out[at + k] = documents[begin + k]
            at += count
        elif count <= BLOCK:
            at = _encode_block(documents, begin, count, -1, out, at, widths)
        else:
            at = _encode_long(documents, begin, count, out, at, widths)
        entries += 1
        begin = end
    return entries, at


@compiled
def _encode_long(
    documents: Words, begin: int, count: int, out: Words, at: int, widths: Numbers
) -> int:
    """A list of several blocks: its length, the last document of each block, the end of each."""
    blocks = (count + BLOCK - 1) // BLOCK
    out[at] = np.uint32(count) | LONG_BIT
    here, before = at + 1 + 2 * blocks, whole(-1)
    for block in range(blocks):
        first = begin + block * BLOCK
        size = min(BLOCK, begin + count - first)
        here = _encode_block(documents, first, size, before, out, here, widths)
        before = whole(documents[first + size - 1])
        out[at + 1 + block] = np.uint32(before)
        out[at + 1 + blocks + block] = np.uint32(here - at)
    return here


def room(documents: int) -> int:
    """Words that `encode` needs at most for the lists of this many documents."""
    return documents + documents // 8 + 1024


@compiled
def first_at_least(values: Words, begin: int, end: int, wanted: int) -> int:
    """The first place from `begin` to `end` whose value is not below `wanted`."""
    while begin < end:
        middle = (begin + end) >> 1
        if whole(values[middle]) < wanted:
            begin = middle + 1
        else:
            end = middle
    return begin


@compiled
def length(words: Words, at: int, stop: int, tiny: bool) -> int:
    """Documents of the list in words `at` to `stop`, or -1 if it cannot be one."""
    if tiny:
        return stop - at
    if stop <= at:
        return -1
    head = words[at]
    if not head & LONG_BIT:
        return whole(head & np.uint32(127)) + 1
    count = whole(head & ~LONG_BIT)
    return count if at + 1 + 2 * ((count + BLOCK - 1) // BLOCK) <= stop else -1


@compiled
def block_of(words: Words, at: int, stop: int, block: int) -> tuple[int, int, int]:
    """Of a long list's block: the word where it begins, that where it ends, and the document
    before it. The end is 0 if it cannot be one."""
    count = whole(words[at] & ~LONG_BIT)
    blocks = (count + BLOCK - 1) // BLOCK
    ends = at + 1 + blocks
    begin = at + (whole(words[ends + block - 1]) if block else 1 + 2 * blocks)
    end = at + whole(words[ends + block])
    before = whole(words[at + block]) if block else whole(-1)
    return (begin, end, before) if at < begin < end <= stop else (begin, 0, before)
