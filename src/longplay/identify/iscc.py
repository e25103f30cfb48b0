"""The ISCC Audio-Code of a Chromaprint fingerprint (ISO 24138:2024), by which others' registries
know a recording that is alike: version 0, 256 bits.

It is what `iscc-core` calls `gen_audio_code_v0`, and the tests hold it to that program's published
vectors.
"""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

HEADER = bytes([0x22, 0x07])
"""A unit's header, four bits each: main type CONTENT (2), subtype AUDIO (2), version 0, and length
in words of 32 bits less one (7: 256 bits)."""

QUARTERS, THIRDS = 4, 3


def audio_code(items: NDArray[np.uint32]) -> str:
    """The code of a whole fingerprint, its items as Chromaprint has them.

    Eight words: the similarity hash of all items, of each quarter in the order of time, and of each
    third in the order of their values as signed numbers.
    """
    ordered = np.sort(items.astype(np.uint32).view(np.int32)).view(np.uint32)
    parts = [items, *np.array_split(items, QUARTERS), *np.array_split(ordered, THIRDS)]
    digest = b"".join(_similarity(one).to_bytes(4, "big") for one in parts)
    return "ISCC:" + base64.b32encode(HEADER + digest).decode().rstrip("=")


def _similarity(items: NDArray[np.uint32]) -> int:
    """The word whose bits at least half of the items have; 0 of none."""
    if not len(items):
        return 0
    bits = (items[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    most = 2 * bits.sum(axis=0) >= len(items)
    return int(np.dot(most.astype(np.uint64), np.uint64(1) << np.arange(32, dtype=np.uint64)))
