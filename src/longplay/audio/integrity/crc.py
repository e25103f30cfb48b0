"""Cyclic redundancy checks that the standard library has not, at the speed of what it has."""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

MIRROR = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
"""Each byte with its bits in reverse order."""

_NONE = 0xFFFFFFFF
_POLYNOMIAL = 0x8005


def ogg_page_holds(page: bytes) -> bool:
    """Whether an Ogg page's bytes agree with the CRC-32 in its header (RFC 3533, section 6).

    Ogg's CRC is the usual polynomial run from the high bit, with nothing inverted; zlib's runs from
    the low bit, inverted. Mirroring every byte of the page turns one into the other.
    """
    mirrored = page.translate(MIRROR)
    crc = zlib.crc32(mirrored[:22], _NONE)
    crc = zlib.crc32(bytes(4), crc)
    crc = zlib.crc32(memoryview(mirrored)[26:], crc)
    return crc ^ _NONE == int.from_bytes(mirrored[22:26], "big")


def crc16(data: bytes | memoryview, crc: int = 0) -> int:
    """CRC-16 of polynomial 0x8005 from the high bit, started at `crc`: FLAC's (RFC 9639, 9.3).

    The remainder of a long message is folded: a word `w` followed by `k` words counts as
    `w * x^(16k)`, so neighbours merge pairwise through a table per level, all pairs at once.
    """
    if not len(data):
        return crc
    if len(data) % 2:
        # Leading zeros leave a remainder alone; the register then enters one byte later.
        words = np.frombuffer(b"\0" + bytes(data), dtype=">u2").astype(np.uint16)
        words[0] ^= crc >> 8
        low = (crc & 0xFF) << 8
        if len(words) == 1:
            return int(_power(0)[words[0]]) ^ low
        words[1] ^= low
    else:
        words = np.frombuffer(data, dtype=">u2").astype(np.uint16)
        words[0] ^= crc
    level = 0
    while len(words) > 1:
        if len(words) % 2:
            words = np.concatenate((_ZERO, words))
        words = _power(level)[words[0::2]] ^ words[1::2]
        level += 1
    return int(_power(0)[words[0]])


def crc16_mirrored(data: bytes, crc: int = 0) -> int:
    """CRC-16 of the same polynomial from the low bit, as the LAME tag has it, started at `crc`."""
    return _mirror16(crc16(data.translate(MIRROR), _mirror16(crc)))


def crc8(data: bytes) -> int:
    """CRC-8 of polynomial 0x07 from the high bit: FLAC's frame header (RFC 9639, section 9.1.8)."""
    crc = 0
    for byte in data:
        crc = _CRC8_TABLE[crc ^ byte]
    return crc


def _mirror16(value: int) -> int:
    return MIRROR[value & 0xFF] << 8 | MIRROR[value >> 8]


@cache
def _power(level: int) -> NDArray[np.uint16]:
    """What each 16-bit word leaves when 2**level words follow it."""
    if level:
        below = _power(level - 1)
        return below[below]
    values = np.arange(1 << 16, dtype=np.int64)
    for _ in range(16):
        values = np.where(values & 0x8000, values << 1 ^ _POLYNOMIAL, values << 1) & 0xFFFF
    return values.astype(np.uint16)


def _crc8_table() -> bytes:
    table = bytearray()
    for value in range(256):
        for _ in range(8):
            value = (value << 1) ^ (0x107 if value & 0x80 else 0)  # noqa: PLW2901 - the register
        table.append(value)
    return bytes(table)


_ZERO = np.zeros(1, dtype=np.uint16)
_CRC8_TABLE = _crc8_table()
