"""Short texts made shorter, each by itself: frequent strings of up to 8 bytes become one byte.

After Boncz, Neumann and Leis 2020, "FSST: Fast Random Access String Compression"; tables are
learned from a sample in some rounds of taking the strings that gain most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

ESCAPE = 255
"""The code before a byte that no symbol begins with."""

LONGEST = 8
ROUNDS = 5
SAMPLE_BYTES = 1 << 16
"""Bytes that symbols are learned from: four times as many gain 1 %, and take four times as long."""

_SLOTS = 4096
_LITERALS = 256


@dataclass(frozen=True, slots=True)
class Symbols:
    """A table: code c stands for the first `lengths[c]` bytes, little-endian, of `values[c]`.

    `pairs` gives for each two bytes the code of the longest symbol of up to two bytes, and `slots`
    the code of a longer one by a hash of its first three; 256 is none.
    """

    values: Words
    lengths: Bytes
    pairs: npt.NDArray[np.uint16]
    slots: npt.NDArray[np.uint16]


def table(values: Words, lengths: Bytes) -> Symbols:
    """The table of these symbols, of which the first of those with one hash counts."""
    pairs, slots = _tables(values, lengths)
    return Symbols(values, lengths, pairs, slots)


def learn(offsets: Offsets, data: Bytes) -> Symbols:
    """The symbols that make texts like these shortest."""
    stride = max(1, int(offsets[-1] - offsets[0]) // SAMPLE_BYTES)
    symbols = table(np.empty(0, np.uint64), np.empty(0, np.uint8))
    for _ in range(ROUNDS):
        candidates = _gains(
            offsets, data, stride, symbols.values, symbols.lengths, symbols.pairs, symbols.slots
        )
        symbols = _chosen(*candidates)
    return symbols


def _chosen(values: Words, lengths: Bytes, gains: Offsets) -> Symbols:
    """The table of those that gain most, no two of three bytes and more with one hash."""
    order = np.lexsort((lengths, values, -gains))
    values, lengths, gains = values[order], lengths[order], gains[order]
    new = np.ones(len(values), np.bool_)
    new[1:] = (values[1:] != values[:-1]) | (lengths[1:] != lengths[:-1])
    longer = lengths >= 3
    hashes = _hash(values)
    _, firsts = np.unique(hashes[longer], return_index=True)
    kept = ~longer
    kept[np.flatnonzero(longer)[firsts]] = True
    chosen = np.flatnonzero(kept & new)[:ESCAPE]
    return table(values[chosen], lengths[chosen])


def _hash(values: Words) -> Words:
    return (values & np.uint64(0xFFFFFF)) * np.uint64(2971215073) >> np.uint64(16) & np.uint64(
        _SLOTS - 1
    )


@compiled
def _slot(value: np.uint64) -> np.int64:
    return np.int64(
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
                pairs[np.int64(values[code]) | second << 8] = code
    for code in range(len(values)):
        if lengths[code] == 2:
            pairs[np.int64(values[code])] = code
        elif lengths[code] > 2 and slots[_slot(values[code])] == 256:
            slots[_slot(values[code])] = code
    return pairs, slots


@compiled
def _mask(length: int) -> np.uint64:
    return ~np.uint64(0) >> np.uint64(64 - 8 * length)


@compiled
def _longest(
    head: np.uint64,
    left: int,
    values: Words,
    lengths: Bytes,
    pairs: npt.NDArray[np.uint16],
    slots: npt.NDArray[np.uint16],
) -> int:
    """The code of the longest symbol that these bytes begin with, or 256; `left` are real."""
    if left > 2:
        code = np.int64(slots[_slot(head)])
        if code < 256 and lengths[code] <= left:
            if head & _mask(np.int64(lengths[code])) == values[code]:
                return code
    code = np.int64(pairs[np.int64(head & np.uint64(0xFFFF))])
    return code if code < 256 and lengths[code] <= left else 256


@compiled
def _gains(
    offsets: Offsets,
    data: Bytes,
    stride: int,
    values: Words,
    lengths: Bytes,
    pairs: npt.NDArray[np.uint16],
    slots: npt.NDArray[np.uint16],
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
            code = _longest(head, left, values, lengths, pairs, slots)
            step = np.int64(lengths[code]) if code < 256 else 1
            if code == 256:
                code = _LITERALS + np.int64(data[at])
            single[code] += 1
            if step > 1:
                single[_LITERALS + np.int64(data[at])] += 1
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
        if one < len(values):
            value, size = values[one], np.int64(lengths[one])
        if single[one]:
            # A byte alone saves its escape; it is worth more than it saves.
            gain = single[one] * (8 if size == 1 else size)
            out[count], sizes[count], gains[count] = value, size, gain
            count += 1
        for two in range(512):
            if double[one, two] and size < LONGEST:
                next_value = np.uint64(two - 256) if two >= 256 else values[two]
                next_size = 1 if two >= 256 else np.int64(lengths[two])
                taken = min(size + next_size, LONGEST)
                joined = (value | next_value << np.uint64(8 * size)) & _mask(taken)
                out[count], sizes[count] = joined, taken
                gains[count] = double[one, two] * taken
                count += 1
    return out[:count], sizes[:count], gains[:count]


@compiled
def shorten(
    data: Bytes,
    begin: int,
    end: int,
    out: Bytes,
    at: int,
    values: Words,
    lengths: Bytes,
    pairs: npt.NDArray[np.uint16],
    slots: npt.NDArray[np.uint16],
) -> int:
    """Write a text in codes from `out[at]` on, at most twice its bytes; where they end."""
    head, filled = np.uint64(0), begin
    while begin < end:
        while filled < end and filled - begin < LONGEST:
            head |= np.uint64(data[filled]) << np.uint64(8 * (filled - begin))
            filled += 1
        left, step, code = end - begin, 1, 256
        # As in `_longest`, which would cost more to call than it does.
        if left > 2:
            code = np.int64(slots[_slot(head)])
            if code < 256:
                step = np.int64(lengths[code])
                if step > left or head & _mask(step) != values[code]:
                    code = 256
        if code == 256:
            code = np.int64(pairs[np.int64(head & np.uint64(0xFFFF))])
            step = np.int64(lengths[code]) if code < 256 else 1
        if code < 256 and step <= left:
            out[at] = code
            at += 1
        else:
            out[at], out[at + 1] = ESCAPE, data[begin]
            at, step = at + 2, 1
        begin += step
        head = head >> np.uint64(8 * step) if step < LONGEST else np.uint64(0)
    return at


@compiled
def restored(
    data: Bytes, begins: Offsets, ends: Offsets, values: Words, lengths: Bytes
) -> tuple[Offsets, Bytes]:
    """The texts whose codes lie at these places: where each ends (after a 0), and their bytes."""
    offsets = np.zeros(len(begins) + 1, np.int64)
    out = np.empty(64 * len(begins) + 64, np.uint8)
    size = 0
    for row in range(len(begins)):
        at = begins[row]
        if size + LONGEST * (ends[row] - at) > len(out):
            wider = np.empty(2 * len(out) + LONGEST * (ends[row] - at), np.uint8)
            wider[:size] = out[:size]
            out = wider
        while at < ends[row]:
            code = np.int64(data[at])
            at += 1
            if code == ESCAPE:
                if at < ends[row]:
                    out[size] = data[at]
                    size += 1
                at += 1
            elif code < len(values):
                value = values[code]
                for k in range(np.int64(lengths[code])):
                    out[size + k] = np.uint8(value >> np.uint64(8 * k) & np.uint64(255))
                size += np.int64(lengths[code])
        offsets[row + 1] = size
    return offsets, out[:size]
