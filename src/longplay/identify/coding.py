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
"""Bytes after the last bucket, so that reading eight bytes at once never leaves the array."""

CODE_BITS = 80
"""Bits that a number of 64 bits takes at most on average within its bucket, count included."""


@compiled
def _low_bits(width: int, count: int) -> int:
    """Bits of each step that are written as they are: about the logarithm of the mean step."""
    bits = 0
    step = (whole(1) << width) // count
    while step > 1:
        step >>= 1
        bits += 1
    return max(0, bits - 1) if bits else 0


@compiled
def _put(data: NDArray[np.uint8], at: int, value: int, bits: int) -> int:
    for one in range(bits):
        if value >> one & 1:
            data[(at + one) >> 3] |= np.uint8(1 << ((at + one) & 7))
    return at + bits


@compiled
def encode(
    keys: NDArray[np.int64], width: int, buckets: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Sorted keys below `buckets << width` as bytes, and the byte where each bucket begins; the
    last entry is where the next would."""
    starts = np.zeros(buckets + 1, np.uint32)
    data = np.zeros(len(keys) * CODE_BITS // 8 + buckets + PADDING, np.uint8)
    at = 0
    key = 0
    for bucket in range(buckets):
        starts[bucket] = at >> 3
        first = key
        while key < len(keys) and keys[key] >> width == bucket:
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
        low = _low_bits(width, count)
        before = whole(bucket) << width
        for one in range(first, key):
            step = keys[one] - before
            before = keys[one]
            at += step >> low  # zeros, which are there already
            at = _put(data, at, 1, 1)
            at = _put(data, at, step & ((whole(1) << low) - 1), low)
        at = (at + 7) >> 3 << 3
    starts[buckets] = at >> 3
    return data[: (at >> 3) + PADDING].copy(), starts


@compiled
def _zeros(data: NDArray[np.uint8], at: int) -> int:
    """How many zero bits follow from bit `at`; at most what is left of the data."""
    count = 0
    byte, bit = at >> 3, at & 7
    value = data[byte] >> bit
    if value == 0:
        count = 8 - bit
        byte += 1
        while byte < len(data) and data[byte] == 0:
            count += 8
            byte += 1
        if byte >= len(data):
            return count
        value = data[byte]
    while not value & 1:
        value >>= 1
        count += 1
    return count


@compiled
def _get(data: NDArray[np.uint8], at: int, bits: int) -> int:
    value = whole(0)
    byte, shift = at >> 3, at & 7
    have = -shift
    while have < bits:
        if byte < len(data):
            if have < 0:
                value |= whole(data[byte]) >> shift
            else:
                value |= whole(data[byte]) << have
        byte += 1
        have += 8
    return value & ((whole(1) << bits) - 1)


@compiled
def decode_bucket(
    data: NDArray[np.uint8],
    starts: NDArray[np.uint32],
    bucket: int,
    width: int,
    out: NDArray[np.int64],
) -> int:
    """Write the keys of a bucket into `out`; how many. -1 where they do not fit, or the bytes are
    not what `encode` writes."""
    begin, end = whole(starts[bucket]), whole(starts[bucket + 1])
    if begin == end:
        return 0
    if begin > end or end > len(data) - PADDING:
        return -1
    at, last = begin << 3, end << 3
    bits = _zeros(data, at)
    if bits > 32:
        return -1
    at += bits + 1
    count = (whole(1) << bits) + _get(data, at, bits)
    at += bits
    if count > len(out) or count > last - begin * 8:
        return -1
    low = _low_bits(width, count)
    key = whole(bucket) << width
    for one in range(count):
        high = _zeros(data, at)
        at += high + 1
        key += (whole(high) << low) + _get(data, at, low)
        at += low
        if at > last:
            return -1
        out[one] = key
    return count


@compiled
def decode(
    data: NDArray[np.uint8], starts: NDArray[np.uint32], width: int, total: int
) -> NDArray[np.int64]:
    """All `total` keys; fewer where the bytes are not what `encode` writes."""
    out = np.empty(total, np.int64)
    found = 0
    for bucket in range(len(starts) - 1):
        count = decode_bucket(data, starts, bucket, width, out[found:])
        if count < 0:
            break
        found += count
    return out[:found]
