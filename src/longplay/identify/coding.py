"""Sorted numbers in few bits: buckets of the leading bits, and Rice codes of the steps inside them.

A bucket is its count (Elias gamma, plus one), then each number's distance from the one before, or
from where the bucket begins: the high part in unary, `k` low bits as they are, `k` following from
the bucket's width and count. Buckets begin at whole bytes.
Format: docs/formats/fingerprint-index.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from longplay.catalogue.compiled import compiled, whole

PADDING = 16
"""Bytes after the last bucket, so that reading 64 bits at once never leaves the array, which is a
whole number of 64 bits."""

CODE_BITS = 80
"""Bits that a number of 64 bits takes at most on average within its bucket, count included."""

END = 2**63 - 1
"""Above every key."""

DE_BRUIJN = 0x03F79D71B4CB0A89
"""Six bits in a row of this number are others at each of 64 places."""

_BIT_NUMBERS = np.zeros(64, np.int8)
_BIT_NUMBERS[[(DE_BRUIJN << bit) % 2**64 >> 58 for bit in range(64)]] = range(64)


@compiled
def low_bits(width: int, count: int) -> int:
    """Bits of each step that are written as they are: about the logarithm of the mean step."""
    bits = 0
    step = (whole(1) << width) // count
    while step > 1:
        step >>= 1
        bits += 1
    return max(0, bits - 1) if bits else 0


@compiled
def _put(data: NDArray[np.uint8], at: int, value: int, bits: int) -> int:
    byte, shift = at >> 3, at & 7
    left = bits
    while left > 0:
        data[byte] |= np.uint8((value << shift) & 255)
        value >>= 8 - shift
        left -= 8 - shift
        byte, shift = byte + 1, 0
    return at + bits


@compiled
def encode(
    keys: NDArray[np.int64], width: int, buckets: int, origin: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Sorted keys of `buckets` buckets from number `origin` on, as bytes, and the byte where each
    bucket begins; the last entry is where the next would. PADDING bytes follow."""
    starts = np.zeros(buckets + 1, np.int64)
    data = np.zeros(len(keys) * CODE_BITS // 8 + buckets + PADDING + 8, np.uint8)
    at = 0
    key = 0
    for bucket in range(buckets):
        starts[bucket] = at >> 3
        first = key
        while key < len(keys) and keys[key] >> width == bucket + origin:
            key += 1
        count = key - first
        if count == 0:
            continue
        bits = 0
        while count >> (bits + 1):
            bits += 1
        at = _put(data, at, 0, bits)
        at = _put(data, at, 1, 1)
        at = _put(data, at, count - (whole(1) << bits), bits)
        low = low_bits(width, count)
        before = whole(bucket + origin) << width
        for one in range(first, key):
            step = keys[one] - before
            before = keys[one]
            at += step >> low  # zeros, which are there already
            at = _put(data, at, 1, 1)
            at = _put(data, at, step & ((whole(1) << low) - 1), low)
        at = (at + 7) >> 3 << 3
    starts[buckets] = at >> 3
    return data[: ((at >> 3) + 7) // 8 * 8 + PADDING].copy(), starts


@compiled
def _bits_at(words: NDArray[np.uint64], at: int) -> np.uint64:
    """The next 64 bits from bit `at` on; the caller knows that they are there."""
    one, shift = at >> 6, np.uint64(at & 63)
    found = np.uint64(words[one]) >> shift
    if shift != 0:
        found |= np.uint64(words[one + 1]) << (np.uint64(64) - shift)
    return found


@compiled
def _lowest(seen: np.uint64) -> int:
    """The number of the lowest bit that is set (C. Leiserson, H. Prokop, K. Randall, "Using de
    Bruijn Sequences to Index a 1 in a Computer Word", 1998)."""
    alone = seen & (~seen + np.uint64(1))
    return whole(_BIT_NUMBERS[(alone * np.uint64(DE_BRUIJN)) >> np.uint64(58)])


@compiled
def _zeros(words: NDArray[np.uint64], at: int, end: int) -> int:
    """How many zero bits follow from bit `at`; -1 where none ends them before `end`."""
    count = 0
    while at + count < end:
        seen = _bits_at(words, at + count)
        if seen != 0:
            return count + _lowest(seen)
        count += 64
    return -1


@compiled
def begin_bucket(
    words: NDArray[np.uint64], starts: NDArray[np.uint32], bucket: int
) -> tuple[int, int, int]:
    """How many keys a bucket has, at which bit the first of them begins, and before which the last
    ends. -1 keys where the bytes are not what `encode` writes."""
    begin, end = whole(starts[bucket]), whole(starts[bucket + 1])
    if begin == end:
        return 0, 0, 0
    if begin > end or end > len(words) * 8 - PADDING:
        return -1, 0, 0
    at, last = begin << 3, end << 3
    bits = _zeros(words, at, last)
    if bits < 0 or bits > 32:
        return -1, 0, 0
    at += bits + 1
    count = (whole(1) << bits) + whole(_bits_at(words, at) & np.uint64((1 << bits) - 1))
    if count > last - begin * 8:
        return -1, 0, 0
    return count, at + bits, last


@compiled
def read_on(
    words: NDArray[np.uint64],
    at: int,
    last: int,
    low: int,
    key: int,
    until: int,
    out: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Write the keys that follow one from bit `at` on, steps of which have `low` low bits, into
    `out`, until it is full or one is above `until`: how many, at which bit the next begins, the
    last key. -1 where the bytes are not what `encode` writes."""
    mask = np.uint64((whole(1) << low) - 1)
    count = 0
    while count < len(out) and key <= until:
        seen = _bits_at(words, at)
        high = _lowest(seen)
        if seen != 0 and high + low < 63:  # both parts of a step are in sight, as nearly always
            step = (whole(high) << low) + whole((seen >> np.uint64(high + 1)) & mask)
            at += high + 1
        else:
            high = _zeros(words, at, last)
            if high < 0:
                return -1, at, key
            at += high + 1
            if at > last:
                return -1, at, key
            step = (whole(high) << low) + whole(_bits_at(words, at) & mask)
        at += low
        if at > last:
            return -1, at, key
        key += step
        out[count] = key
        count += 1
    return count, at, key


@compiled
def decode_bucket(
    words: NDArray[np.uint64],
    starts: NDArray[np.uint32],
    bucket: int,
    width: int,
    out: NDArray[np.int64],
) -> int:
    """Write the keys of a bucket into `out`; how many. -1 where they do not fit, or the bytes are
    not what `encode` writes."""
    count, at, last = begin_bucket(words, starts, bucket)
    if count <= 0:
        return count
    if count > len(out):
        return -1
    first = whole(bucket) << width
    low = low_bits(width, count)
    found, at, key = read_on(words, at, last, low, first, END, out[:count])
    return count if found == count and key >> width == bucket else -1


@compiled
def decode(
    words: NDArray[np.uint64],
    starts: NDArray[np.uint32],
    width: int,
    first: int,
    last: int,
    total: int,
) -> NDArray[np.int64]:
    """The keys of buckets from `first` to before `last`, `total` at most; fewer where the bytes
    are not what `encode` writes."""
    out = np.empty(total, np.int64)
    found = 0
    for bucket in range(first, last):
        count = decode_bucket(words, starts, bucket, width, out[found:])
        if count < 0:
            break
        found += count
    return out[:found]
