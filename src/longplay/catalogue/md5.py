"""MD5 (RFC 1321) of columns of short texts: what identity is derived from, hashed side by side.

One message leaves most of a processor idle, since each step waits for the one before. Texts that
fit one block are hashed many at a time, which takes a quarter of the time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

_SHIFTS = np.array([7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21], np.uint32)
_SINES = np.floor(np.abs(np.sin(np.arange(1, 65))) * 2**32).astype(np.uint32)
_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476], np.uint32)
_STEPS = np.arange(64)
_PLACES = np.concatenate([_STEPS, 5 * _STEPS + 1, 3 * _STEPS + 5, 7 * _STEPS]).reshape(4, 64)
_ORDER = (_PLACES[_STEPS >> 4, _STEPS] & 15).astype(np.int64)
"""Which word of the block each step takes."""

BLOCK = 64
ROOM = BLOCK - 9
"""Bytes of a message that fits one block: its end is marked by one, its length takes eight."""

WIDE = 128
"""Messages hashed side by side."""


def leading(head: bytes, offsets: Numbers, data: Bytes) -> npt.NDArray[np.uint64]:
    """The first 8 bytes, little-endian, of the MD5 of `head` and each text."""
    first = np.frombuffer(head, np.uint8)
    if len(head) + int(np.diff(offsets).max(initial=0)) <= ROOM:
        return _short(first, offsets, data, _ORDER, _SHIFTS, _SINES, _START)
    return _any(first, offsets, data, _ORDER, _SHIFTS, _SINES, _START)


@compiled
def _short(
    head: Bytes,
    offsets: Numbers,
    data: Bytes,
    order: Numbers,
    shifts: Words,
    sines: Words,
    start: Words,
) -> npt.NDArray[np.uint64]:
    """Of messages that fit one block each."""
    keys = np.empty(len(offsets) - 1, np.uint64)
    blocks = np.zeros((WIDE, BLOCK), np.uint8)
    blocks[:, : len(head)] = head
    lines = blocks.view(np.uint32)
    words = np.empty((16, WIDE), np.uint32)
    state = np.empty((4, WIDE), np.uint32)
    for row in range(0, len(keys), WIDE):
        count = min(WIDE, len(keys) - row)
        for lane in range(count):
            begin, size = offsets[row + lane], len(head)
            for at in range(begin, offsets[row + lane + 1]):
                blocks[lane, size] = data[at]
                size += 1
            blocks[lane, size] = 0x80
            for at in range(size + 1, BLOCK):
                blocks[lane, at] = 0
            lines[lane, 14] = np.uint32(8 * size)
        for place in range(16):
            for lane in range(WIDE):
                words[place, lane] = lines[lane, place]
        for part in range(4):
            state[part] = start[part]
        _steps(words, order, shifts, sines, state[0], state[1], state[2], state[3])
        for lane in range(count):
            low = np.uint32(state[0, lane] + start[0])
            high = np.uint32(state[1, lane] + start[1])
            keys[row + lane] = np.uint64(low) | np.uint64(high) << np.uint64(32)
    return keys


@compiled
def _steps(
    words: Words, order: Numbers, shifts: Words, sines: Words, a: Words, b: Words, c: Words,
    d: Words,
) -> None:  # fmt: skip
    """The 64 steps, each over all lanes at once: loops that compilers turn into vector code."""
    for i in range(64):
        turn = i >> 4
        word, sine = words[order[i]], sines[i]
        left = shifts[4 * turn + (i & 3)]
        right = np.uint32(32) - left
        for lane in range(len(a)):
            if turn == 0:
                picked = (b[lane] & c[lane]) | (~b[lane] & d[lane])
            elif turn == 1:
                picked = (d[lane] & b[lane]) | (~d[lane] & c[lane])
            elif turn == 2:
                picked = b[lane] ^ c[lane] ^ d[lane]
            else:
                picked = c[lane] ^ (b[lane] | ~d[lane])
            added = np.uint32(picked + a[lane] + sine + word[lane])
            a[lane] = np.uint32(b[lane] + ((added << left) | (added >> right)))
        a, b, c, d = d, a, b, c


@compiled
def _any(
    head: Bytes,
    offsets: Numbers,
    data: Bytes,
    order: Numbers,
    shifts: Words,
    sines: Words,
    start: Words,
) -> npt.NDArray[np.uint64]:
    """Of messages of any length, one after the other."""
    keys = np.empty(len(offsets) - 1, np.uint64)
    block = np.zeros(BLOCK, np.uint8)
    lines = block.view(np.uint32)
    words, state, before = np.empty((16, 1), np.uint32), np.empty((4, 1), np.uint32), start.copy()
    for row in range(len(keys)):
        first, total = offsets[row] - len(head), len(head) + offsets[row + 1] - offsets[row]
        before[:] = start
        for begin in range(0, total + 9, BLOCK):
            for at in range(begin, min(begin + BLOCK, len(head))):
                block[at - begin] = head[at]
            for at in range(max(begin, len(head)), min(begin + BLOCK, total)):
                block[at - begin] = data[first + at]
            for at in range(max(begin, total), begin + BLOCK):
                block[at - begin] = 0x80 if at == total else 0
            if begin + BLOCK >= total + 9:
                lines[14] = np.uint32(total * 8 & 0xFFFFFFFF)
                lines[15] = np.uint32(total * 8 >> 32)
            words[:, 0], state[:, 0] = lines, before
            _steps(words, order, shifts, sines, state[0], state[1], state[2], state[3])
            before += state[:, 0]
        keys[row] = np.uint64(before[0]) | np.uint64(before[1]) << np.uint64(32)
    return keys
