"""Numbers that stand for texts, by columns: the keys of ids, and what recordings are matched by.

A column of 16 million texts takes some seconds. `row_keys` are identities and never change;
the other numbers only live in scratch files and in indexes that can be rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue import md5, names
from longplay.catalogue.compiled import compiled, string_buffers
from longplay.catalogue.ids import RowPrefix

Hashes = npt.NDArray[np.uint64]

NOTHING = np.uint64(0)
"""What stands for a text that identifies nothing."""


def row_keys(prefix: RowPrefix, source: str, own_ids: pa.Array) -> Hashes:
    """`ids.row_key` for a whole column."""
    offsets, data = string_buffers(own_ids)
    return md5.leading(f"{prefix}\0{source}\0".encode(), offsets, data)


def text_hashes(texts: pa.Array) -> Hashes:
    """A number for each text as it is; `NOTHING` for nulls and empty texts."""
    offsets, data = string_buffers(texts)
    return _exact(offsets, data)


def name_hashes(texts: pa.Array, plain: Callable[[pa.Array], pa.Array]) -> Hashes:
    """A number for each name as `names.plain_title` has it: what compares equal has one number.

    `plain` makes a column plain, for the few texts that the table of signs does not suffice for.
    `NOTHING` for nulls and placeholders.
    """
    offsets, data = string_buffers(texts)
    hashes, hard = _plain(offsets, data, *names.signs(), names.PLACEHOLDER_HEADS)
    rows = np.flatnonzero(hard)
    if len(rows):
        hashes[rows] = text_hashes(plain(texts.take(pa.array(rows))))
    return hashes


def find(ordered: Hashes, wanted: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Where each of `wanted` is in `ordered`, and whether it is there at all."""
    if not len(ordered):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return places, ordered[places] == wanted


_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@compiled
def mixed(value: np.uint64) -> np.uint64:
    """A number whose bits all depend on all bits of `value` (the finaliser of SplitMix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def paired(one: Hashes, other: Hashes) -> Hashes:
    """A number for each pair of numbers; `NOTHING` where either is."""
    return _paired(one, other)


@compiled
def _paired(one: Hashes, other: Hashes) -> Hashes:
    hashes = np.zeros(len(one), np.uint64)
    for row in range(len(one)):
        if one[row] and other[row]:
            hashes[row] = mixed(one[row] * np.uint64(0x9E3779B97F4A7C15) + other[row])
    return hashes


@compiled
def _exact(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> Hashes:
    """FNV-1a of 64 bits, then mixed."""
    hashes = np.zeros(len(offsets) - 1, np.uint64)
    for row in range(len(hashes)):
        if offsets[row] == offsets[row + 1]:
            continue
        value = _FNV_START
        for at in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[at])) * _FNV_PRIME
        hashes[row] = mixed(value)
    return hashes


_FT, _FEAT, _EATURING = np.uint64(0x6674), np.uint64(0x66656174), np.uint64(0x65617475_72696E67)
"""How the words for guests begin, and the end of the longest."""


@compiled
def _sign(data: npt.NDArray[np.uint8], at: int, end: int) -> tuple[np.int64, int]:
    """The sign that begins at a byte of UTF-8, and where the next begins; -1 where none does."""
    byte = np.int64(data[at])
    if byte < 0x80:
        return byte, at + 1
    length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    if byte < 0xC2 or at + length > end:
        return np.int64(-1), at + 1
    sign = byte & (0x7F >> length)
    for i in range(1, length):
        sign = sign << 6 | (np.int64(data[at + i]) & 0x3F)
    return sign, at + length


@compiled
def _after_guests(data: npt.NDArray[np.uint8], at: int, end: int) -> int:
    """Where a bracket that opens before `at` is closed, if guests stand in it; else -1."""
    while at < end and data[at] in (32, 9, 10, 12, 13):
        at += 1
    word, first = np.uint64(0), at
    while at < end and 97 <= data[at] | 32 <= 122 and at < first + 9:
        word = word << np.uint64(8) | np.uint64(data[at] | 32)
        at += 1
    if word not in (_FT, _FEAT) and not (word == _EATURING and data[at - 9] | 32 == 102):
        return -1
    if at < end and data[at] == 46 and word != _EATURING:
        at += 1
    if at >= end or data[at] not in (32, 9, 10, 12, 13):
        return -1
    while at < end and data[at] not in (41, 93, 125):
        at += 1
    return at + 1 if at < end else -1


@compiled
def _plain(  # noqa: PLR0912 - one loop over signs; calls within it would hide its rules
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    letters: npt.NDArray[np.uint8],
    heads: npt.NDArray[np.uint32],
) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """The hash of each text made plain sign by sign (`names.signs`); and for which texts that does
    not do: those with guests, placeholders, and signs that depend on their neighbours."""
    hashes = np.zeros(len(offsets) - 1, np.uint64)
    hard = np.zeros(len(hashes), np.bool_)
    for row in range(len(hashes)):
        value, length, gap = _FNV_START, 0, False
        head, word = np.uint32(0), np.uint32(0)
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            start = at
            sign, at = _sign(data, at, end)
            kind = kinds[sign] if 0 <= sign < len(kinds) else names.HARD
            if kind == names.HARD:
                hard[row] = True
                break
            if kind == names.APART:
                gap, word = True, np.uint32(0)
                if sign in (40, 91, 123):
                    after = _after_guests(data, at, end)
                    at = after if after > 0 else at
                continue
            if kind == names.NOTHING:
                continue
            if kind == names.AND:
                gap, word = True, np.uint32(0)
            if gap and length:
                value = (value ^ np.uint64(32)) * _FNV_PRIME
            gap = kind == names.AND
            size = at - start if kind == names.ITSELF else np.int64(letters[4 * sign + 3])
            for i in range(size):
                byte = data[start + i] if kind == names.ITSELF else letters[4 * sign + i]
                value = (value ^ np.uint64(byte)) * _FNV_PRIME
                word = word << np.uint32(8) | np.uint32(byte)
                if length < 4:
                    head = head << np.uint32(8) | np.uint32(byte)
                length += 1
            if np.uint64(word) in (_FT, _FEAT):
                hard[row] = True
                break
        if length == 0 and offsets[row] != offsets[row + 1]:
            hard[row] = True
        for each in heads:
            if head == each:
                hard[row] = True
        if length and not hard[row]:
            hashes[row] = mixed(value)
    return hashes, hard
