"""Short texts made shorter, each by itself: a frequent word becomes one or two bytes, and strings
of up to 8 bytes, of which other words are made, one byte.

The strings after Boncz, Neumann and Leis 2020, "FSST: Fast Random Access String Compression".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue.compiled import compiled, inlined, string_buffers, whole
from longplay.catalogue.search.vocabulary import Vocabulary
from longplay.catalogue.search.words import Cut

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint16]

SHORT_WORD, LONG_WORD, ESCAPE = 128, 191, 255
"""Codes below `SHORT_WORD` are strings, those from there words; from `LONG_WORD` on words with a
second byte; the last is before a byte that no string begins with."""

SHORT_WORDS = LONG_WORD - SHORT_WORD
MOST_WORDS = SHORT_WORDS + (ESCAPE - LONG_WORD) * 256

LONGEST = 8
LONGEST_WORD = 32
"""Bytes of a string and of a word at most."""

WORTH = 2.2
"""Bytes of a text that a code of one byte stands for on average, without words."""

ROUNDS = 5
SAMPLE_BYTES = 1 << 16
"""Bytes that strings are learned from: four times as many gain 1 %, and take four times as long."""

_SLOTS = 4096
_LITERALS = 256
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Symbols(NamedTuple):
    """A table. Code c stands for the first `lengths[c]` bytes, little-endian, of `values[c]`; word
    w is `words[word_ends[w - 1]:word_ends[w]]`, with a space before it unless it begins a text.

    `pairs` gives for each two bytes the code of the longest string of up to two bytes, and `slots`
    that of a longer one by a hash of its first three (256: none); `word_slots` words by their hash.
    """

    values: Words
    lengths: Bytes
    pairs: Codes
    slots: Codes
    word_ends: Offsets
    words: Bytes
    word_slots: npt.NDArray[np.uint32]


def table(values: Words, lengths: Bytes, word_ends: Offsets, words: Bytes) -> Symbols:
    """The table of these strings and words; of strings with one hash the first counts."""
    pairs, slots = _tables(values, lengths)
    return Symbols(values, lengths, pairs, slots, word_ends, words, _word_slots(word_ends, words))


def reading(values: Words, lengths: Bytes, word_ends: Offsets, words: Bytes) -> Symbols:
    """The table of these strings and words, for `restored` only."""
    none = np.empty(0, np.uint16)
    return Symbols(values, lengths, none, none, word_ends, words, np.empty(0, np.uint32))


def learn(texts: pa.Array) -> Symbols:
    """The table that makes texts like these shortest."""
    offsets, data = string_buffers(texts)
    ends, runs = _runs(offsets, data)
    word_ends, words = _frequent(ends, runs)
    symbols = table(np.empty(0, np.uint64), np.empty(0, np.uint8), word_ends, words)
    rest, others = _others(offsets, data, symbols)
    stride = max(1, len(others) // SAMPLE_BYTES)
    for _ in range(ROUNDS):
        symbols = _chosen(*_gains(rest, others, stride, symbols), symbols)
    return symbols


def _frequent(ends: Offsets, runs: Bytes) -> tuple[Offsets, Bytes]:
    """The words that gain most, those of one byte first."""
    vocabulary = Vocabulary()
    numbers = vocabulary.numbers(Cut(np.empty(0, np.uint8), ends, runs))
    words = vocabulary.words()
    counts = np.bincount(numbers, minlength=len(words))
    sizes = np.diff(string_buffers(words.cast(pa.large_string()))[0])
    # Each must pay for its place in the table, too.
    gains = counts * ((sizes + 1) / WORTH - 2) - sizes - 8
    order = np.lexsort((np.arange(len(words)), -gains))[:MOST_WORDS]
    chosen = order[(gains[order] > 0) & (sizes[order] <= LONGEST_WORD)]
    chosen = chosen[np.lexsort((chosen, -counts[chosen]))]
    offsets, data = string_buffers(words.take(pa.array(chosen)).cast(pa.large_string()))
    return offsets[1:] - offsets[0], data[offsets[0] : offsets[-1]].copy()


def _chosen(values: Words, lengths: Bytes, gains: Offsets, before: Symbols) -> Symbols:
    """The table of those that gain most, no two of three bytes and more with one hash."""
    order = np.lexsort((lengths, values, -gains))
    values, lengths, gains = values[order], lengths[order], gains[order]
    _, firsts = np.unique(np.stack([values, lengths.astype(np.uint64)]), axis=1, return_index=True)
    new = np.zeros(len(values), np.bool_)
    new[firsts] = True
    longer = np.flatnonzero((lengths >= 3) & new)
    _, firsts = np.unique(_hashes(values[longer]), return_index=True)
    kept = (lengths < 3) & new
    kept[longer[firsts]] = True
    chosen = np.flatnonzero(kept & (gains > 0))[:SHORT_WORD]
    return table(values[chosen], lengths[chosen], before.word_ends, before.words)


@compiled
def _hashes(values: Words) -> Offsets:
    found = np.empty(len(values), np.int64)
    for place in range(len(values)):
        found[place] = _slot(values[place])
    return found


@inlined
def _run(data: Bytes, begin: int, end: int) -> int:
    """Where the bytes without a space that begin here end."""
    while begin < end and data[begin] != 32:
        begin += 1
    return begin


@compiled
def _runs(offsets: Offsets, data: Bytes) -> tuple[Offsets, Bytes]:
    """The words of texts as they are written: where each ends, and all one after the other."""
    ends = np.empty(offsets[-1] - offsets[0] + 1, np.int64)
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    found, size = 0, 0
    for row in range(len(offsets) - 1):
        at = offsets[row]
        while at < offsets[row + 1]:
            end = _run(data, at, offsets[row + 1])
            for k in range(at, end):
                out[size + k - at] = data[k]
            if end > at:
                size += end - at
                ends[found] = size
                found += 1
            at = end + 1
    return ends[:found].copy(), out[:size].copy()


@inlined
def _word_hash(data: Bytes, begin: int, end: int) -> np.uint64:
    value = _FNV_START
    for at in range(begin, end):
        value = (value ^ np.uint64(data[at])) * _FNV_PRIME
    return value ^ (value >> np.uint64(32))


@compiled
def _word_slots(word_ends: Offsets, words: Bytes) -> npt.NDArray[np.uint32]:
    size = 4
    while size < 4 * len(word_ends):
        size *= 2
    slots = np.zeros(size, np.uint32)
    for word in range(len(word_ends)):
        begin = word_ends[word - 1] if word else 0
        place = whole(_word_hash(words, begin, word_ends[word]) & np.uint64(size - 1))
        while slots[place]:
            place = (place + 1) & (size - 1)
        slots[place] = word + 1
    return slots


@inlined
def _word(table: Symbols, data: Bytes, begin: int, end: int) -> int:
    """The number of a word, or -1."""
    size = end - begin
    if size == 0 or size > LONGEST_WORD:
        return -1
    mask = len(table.word_slots) - 1
    place = whole(_word_hash(data, begin, end) & np.uint64(mask))
    while table.word_slots[place]:
        word = whole(table.word_slots[place]) - 1
        first = table.word_ends[word - 1] if word else 0
        if table.word_ends[word] - first == size:
            k = 0
            while k < size and table.words[first + k] == data[begin + k]:
                k += 1
            if k == size:
                return word
        place = (place + 1) & mask
    return -1


@compiled
def _others(offsets: Offsets, data: Bytes, table: Symbols) -> tuple[Offsets, Bytes]:
    """The words that the table lacks, each with the space before it."""
    ends = np.zeros(offsets[-1] - offsets[0] + 2, np.int64)
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    found, size = 0, 0
    for row in range(len(offsets) - 1):
        at = offsets[row]
        while at < offsets[row + 1]:
            space = 1 if data[at] == 32 else 0
            end = _run(data, at + space, offsets[row + 1])
            if _word(table, data, at + space, end) < 0:
                for k in range(at, end):
                    out[size + k - at] = data[k]
                size += end - at
                found += 1
                ends[found] = size
            at = end
    return ends[: found + 1].copy(), out[:size].copy()


@inlined
def _slot(value: np.uint64) -> int:
    return whole(
        ((value & np.uint64(0xFFFFFF)) * np.uint64(2971215073) >> np.uint64(16))
        & np.uint64(_SLOTS - 1)
    )


@compiled
def _tables(values: Words, lengths: Bytes) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    pairs = np.full(65536, 256, np.uint16)
    slots = np.full(_SLOTS, 256, np.uint16)
    for code in range(len(values)):
        if lengths[code] == 1:
            for second in range(256):
                pairs[whole(values[code]) | second << 8] = code
    for code in range(len(values)):
        if lengths[code] == 2:
            pairs[whole(values[code])] = code
        elif lengths[code] > 2 and slots[_slot(values[code])] == 256:
            slots[_slot(values[code])] = code
    return pairs, slots


@inlined
def _mask(length: int) -> np.uint64:
    return ~np.uint64(0) >> np.uint64(64 - 8 * length)


@inlined
def _longest(head: np.uint64, left: int, table: Symbols) -> int:
    """The code of the longest string that these bytes begin with, or 256; `left` are real."""
    if left > 2:
        code = whole(table.slots[_slot(head)])
        fits = code < 256 and table.lengths[code] <= left
        if fits and head & _mask(whole(table.lengths[code])) == table.values[code]:
            return code
    code = whole(table.pairs[whole(head & np.uint64(0xFFFF))])
    return code if code < 256 and table.lengths[code] <= left else 256


@compiled
def _gains(
    offsets: Offsets,
    data: Bytes,
    stride: int,
    table: Symbols,
) -> tuple[Words, Bytes, Offsets]:
    """Candidates for symbols, with the bytes that each saves in every `stride`th text: what
    occurs, and what occurs side by side. Literal bytes count as symbols from 256 on."""
    single = np.zeros(512, np.int64)
    double = np.zeros((512, 512), np.int64)
    for row in range(0, len(offsets) - 1, stride):
        at, before = offsets[row], -1
        while at < offsets[row + 1]:
            left = offsets[row + 1] - at
            head = np.uint64(0)
            for k in range(min(left, LONGEST)):
                head |= np.uint64(data[at + k]) << np.uint64(8 * k)
            code = _longest(head, left, table)
            step = whole(table.lengths[code]) if code < 256 else 1
            if code == 256:
                code = _LITERALS + whole(data[at])
            single[code] += 1
            if step > 1:
                single[_LITERALS + whole(data[at])] += 1
            if before >= 0:
                double[before, code] += 1
            before = code
            at += step
    found = np.count_nonzero(single) + np.count_nonzero(double)
    out = np.zeros(found, np.uint64)
    sizes, gains = np.zeros(found, np.uint8), np.zeros(found, np.int64)
    count = 0
    for one in range(512):
        value = np.uint64(one - 256) if one >= 256 else np.uint64(0)
        size = 1
        if one < len(table.values):
            value, size = table.values[one], whole(table.lengths[one])
        if single[one]:
            # A byte alone saves its escape; it is worth more than it saves.
            gain = single[one] * (8 if size == 1 else size)
            out[count], sizes[count], gains[count] = value, size, gain
            count += 1
        for two in range(512):
            if double[one, two] and size < LONGEST:
                next_value = np.uint64(two - 256) if two >= 256 else table.values[two]
                next_size = 1 if two >= 256 else whole(table.lengths[two])
                taken = min(size + next_size, LONGEST)
                joined = (value | next_value << np.uint64(8 * size)) & _mask(taken)
                out[count], sizes[count] = joined, taken
                gains[count] = double[one, two] * taken
                count += 1
    return out[:count], sizes[:count], gains[:count]


@compiled
def shortened(  # noqa: PLR0912, PLR0915 - calls inside would cost more than what they do
    offsets: Offsets, data: Bytes, table: Symbols
) -> tuple[Offsets, Bytes]:
    """The codes of texts: where each text's end (after a 0), and all one after the other."""
    values, lengths, pairs, slots = table.values, table.lengths, table.pairs, table.slots
    word_ends, words, word_slots = table.word_ends, table.words, table.word_slots
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(2 * (offsets[-1] - offsets[0]), np.uint8)
    at, mask = 0, len(word_slots) - 1
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        while begin < end:
            # A word, after a space or where the text begins.
            space = 1 if data[begin] == 32 and begin > offsets[row] else 0
            stop = begin + space
            value = _FNV_START
            while stop < end and data[stop] != 32:
                value = (value ^ np.uint64(data[stop])) * _FNV_PRIME
                stop += 1
            place = whole((value ^ (value >> np.uint64(32))) & np.uint64(mask))
            size, word = stop - begin - space, -1
            if not space and begin > offsets[row]:
                size = 0  # after a space that begins the text
            while size and size <= LONGEST_WORD and word_slots[place]:
                number = whole(word_slots[place]) - 1
                first = word_ends[number - 1] if number else 0
                if word_ends[number] - first == size:
                    k = 0
                    while k < size and words[first + k] == data[begin + space + k]:
                        k += 1
                    if k == size:
                        word = number
                        break
                place = (place + 1) & mask
            if word >= SHORT_WORDS:
                out[at] = LONG_WORD + ((word - SHORT_WORDS) >> 8)
                out[at + 1] = (word - SHORT_WORDS) & 255
                at, begin = at + 2, stop
            elif word >= 0:
                out[at] = SHORT_WORD + word
                at, begin = at + 1, stop
            # Else strings, up to the next space.
            stop = max(stop, begin + 1) if word < 0 else begin
            head, filled = np.uint64(0), begin
            while begin < stop:
                while filled < stop and filled - begin < LONGEST:
                    head |= np.uint64(data[filled]) << np.uint64(8 * (filled - begin))
                    filled += 1
                left, step, code = stop - begin, 1, 256
                if left > 2:
                    code = whole(slots[_slot(head)])
                    if code < 256:
                        step = whole(lengths[code])
                        if step > left or head & _mask(step) != values[code]:
                            code = 256
                if code == 256:
                    code = whole(pairs[whole(head & np.uint64(0xFFFF))])
                    step = whole(lengths[code]) if code < 256 else 1
                if code < 256 and step <= left:
                    out[at] = code
                    at += 1
                else:
                    out[at], out[at + 1] = ESCAPE, data[begin]
                    at, step = at + 2, 1
                begin += step
                head = head >> np.uint64(8 * step) if step < LONGEST else np.uint64(0)
        ends[row + 1] = at
    return ends, out[:at].copy()


@compiled
def _restore(  # noqa: PLR0912 - three kinds of codes
    data: Bytes, at: int, end: int, out: Bytes, size: int, write: bool, table: Symbols
) -> int:
    """Where the text of codes ends that begins at `out[size]`; written only if `write`. Codes that
    the table lacks stand for nothing."""
    first = size
    while at < end:
        code = whole(data[at])
        at += 1
        if code < SHORT_WORD:
            if code < len(table.values):
                length = whole(table.lengths[code])
                if write:
                    value = table.values[code]
                    for k in range(length):
                        out[size + k] = np.uint8(value >> np.uint64(8 * k) & np.uint64(255))
                size += length
        elif code == ESCAPE:
            if at < end:
                if write:
                    out[size] = data[at]
                size += 1
                at += 1
        else:
            word = code - SHORT_WORD
            if code >= LONG_WORD:
                word = SHORT_WORDS + ((code - LONG_WORD) << 8) + (data[at] if at < end else 0)
                at += 1
            if word < len(table.word_ends):
                begin = table.word_ends[word - 1] if word else 0
                length = table.word_ends[word] - begin
                if size > first:
                    if write:
                        out[size] = 32
                    size += 1
                if write:
                    for k in range(length):
                        out[size + k] = table.words[begin + k]
                size += length
    return size


@compiled
def restored(data: Bytes, begins: Offsets, ends: Offsets, table: Symbols) -> tuple[Offsets, Bytes]:
    """The texts whose codes lie at these places: where each ends (after a 0), and their bytes."""
    offsets = np.zeros(len(begins) + 1, np.int64)
    out = np.empty(0, np.uint8)
    for row in range(len(begins)):
        offsets[row + 1] = _restore(data, begins[row], ends[row], out, offsets[row], False, table)
    # A word has a space before it unless its text begins with it, so sizes do not depend on place.
    out = np.empty(offsets[-1], np.uint8)
    for row in range(len(begins)):
        _restore(data, begins[row], ends[row], out, offsets[row], True, table)
    return offsets, out
