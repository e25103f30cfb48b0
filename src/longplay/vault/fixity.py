"""Fixity: proof that stored objects are still the bits that came in, block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from longplay.errors import StoreError
from longplay.model import BLOCK, ObjectKey

READ_BYTES = 16 * BLOCK
"""Bytes read at once: large enough for the system, small enough to stay in the CPU's cache."""

WINDOW = 64
"""Objects taken ahead of the threads that check them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One object's check: the indexes of damaged 16 KiB blocks, or that it is `missing`.

    A file that is too short has its absent blocks damaged; one that is too long has a damaged
    block after its last.
    """

    key: ObjectKey
    blocks: tuple[int, ...]
    missing: bool

    @property
    def sound(self) -> bool:
        """Whether every bit is as it came in."""
        return not self.blocks and not self.missing


def damaged_blocks(source: BinaryIO, size: int, leaves: bytes) -> tuple[int, ...]:
    """Compare a file with its BEP 52 leaf hashes; the indexes of blocks that differ."""
    damaged, index = [], 0
    left = size
    while left > 0:
        data = memoryview(source.read(min(READ_BYTES, left)))
        if not data:
            break
        left -= len(data)
        for start in range(0, len(data), BLOCK):
            digest = hashlib.sha256(data[start : start + BLOCK]).digest()
            if digest != leaves[32 * index : 32 * index + 32]:
                damaged.append(index)
            index += 1
    count = len(leaves) // 32
    damaged += range(index, count)
    if left <= 0 and source.read(1):
        damaged.append(count)
    return tuple(sorted(set(damaged)))


def check(
    objects: Iterable[tuple[ObjectKey, str, bytes]],
    open_object: Callable[[ObjectKey, str], BinaryIO],
    *,
    threads: int,
) -> Iterator[Finding]:
    """Re-read objects, given as (key, suffix, leaves), in several threads; findings in order."""

    def one(row: tuple[ObjectKey, str, bytes]) -> Finding:
        key, suffix, leaves = row
        try:
            with open_object(key, suffix) as source:
                return Finding(key, damaged_blocks(source, key.size, leaves), False)
        except StoreError:
            return Finding(key, (), True)
        except OSError:
            return Finding(key, tuple(range(len(leaves) // 32)), False)

    waiting = iter(objects)
    with ThreadPoolExecutor(threads) as pool:
        while chunk := list(islice(waiting, WINDOW)):
            yield from pool.map(one, chunk)
