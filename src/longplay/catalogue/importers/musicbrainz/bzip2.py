"""bzip2 on all cores: blocks are found in the bit stream and decoded side by side, in their order.

A bzip2 stream is a chain of blocks that share nothing. Each begins with the 48 bits of π, the
stream ends with those of √π and a checksum over the blocks' checksums; neither is aligned to bytes
(format: https://en.wikipedia.org/wiki/Bzip2#File_format). Where these bits occur inside a block by
accident, or by somebody's wish, the part does not decode alone and is joined with the next.
"""

from __future__ import annotations

import bz2
import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled
from longplay.errors import InputError

MAGIC = b"BZh"

MAX_SEGMENT = 2 * 2**20
"""Bytes between two marks: a block of 900 kB that does not compress is some kilobytes longer."""

MAX_BLOCK = 64 * 2**20
"""Bytes that one block may hold: 900 kB of runs, five bytes for up to 259, are 47 MB."""

MAX_JOINED = 8
"""Segments that are joined to one block before the file counts as damaged."""

MAX_THREADS = 8
"""Beyond, the reader of the decoded bytes is slower than they come."""

_BLOCK, _END = 0x314159265359, 0x177245385090
_MARK_BITS, _CHECKSUM_BITS = 48, 32
_APART = 45
"""Bits from one mark to the next at least: the last three of a mark may begin another. So many
are made room for, and never more are noted: compiled code checks no bounds."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Segment:
    """From one mark to the next: `bits` bits of `data`, the first of them at bit `shift`."""

    is_block: bool
    data: Bytes
    shift: int
    bits: int

    def aligned(self) -> Bytes:
        """The bits from the first bit of the first byte on, zeros after them."""
        count = -(-self.bits // 8)
        padded = np.zeros(count + 1, np.uint8)
        padded[: len(self.data)] = self.data[: count + 1]
        moved: Bytes = padded[:-1] << np.uint8(self.shift)
        if self.shift:
            moved |= padded[1:] >> np.uint8(8 - self.shift)
        if self.bits % 8:
            moved[-1] &= np.uint8(0xFF << (8 - self.bits % 8) & 0xFF)
        return moved

    def checksum(self) -> int:
        """The 32 bits after the mark."""
        return int.from_bytes(self.aligned()[6:10].tobytes())

    def after_end(self) -> bytes:
        """What follows the end of a stream, from the next whole byte on."""
        return self.data[-(-(self.shift + _MARK_BITS + _CHECKSUM_BITS) // 8) :].tobytes()


def decompressed(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """The content of a bzip2 file, given as `chunks`, block by block.

    Holds some blocks a thread. Raises InputError (with `where`) for what is not bzip2, is damaged,
    or is cut short, and for what follows the end.
    """
    threads = min(os.cpu_count() or 1, MAX_THREADS)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="bzip2")
    try:
        waiting: deque[tuple[Segment, Future[bytes | None]]] = deque()
        source = segments(chunks, where)
        checksum = 0
        while True:
            for segment in itertools.islice(source, 2 * threads + 2 - len(waiting)):
                waiting.append((segment, pool.submit(_decoded, segment)))
            if not waiting:
                raise InputError("is cut short", where=where, hint="fetch it again")
            segment, future = waiting.popleft()
            if segment.is_block:
                found = future.result()
                if found is None:
                    found = _joined(segment, waiting, where)
                checksum = (checksum << 1 & 0xFFFFFFFF | checksum >> 31) ^ segment.checksum()
                yield found
                continue
            if segment.bits < _MARK_BITS + _CHECKSUM_BITS or segment.checksum() != checksum:
                raise _damaged(where)
            if not _goes_on(segment, more=bool(waiting), where=where):
                return
            checksum = 0
    finally:
        pool.shutdown(cancel_futures=True)


def segments(chunks: Iterable[bytes], where: str) -> Iterator[Segment]:
    """Cut a bzip2 file at its marks."""
    pending, base, window, seen = b"", 0, 0, 0
    start: tuple[int, bool] | None = None
    for chunk in chunks:
        if not seen and not (chunk[:3] == MAGIC and chunk[3:4] in b"123456789"):
            raise InputError("is not bzip2", where=where)
        positions, blocks, window = _marks(np.frombuffer(chunk, np.uint8), np.uint64(window), seen)
        pending += chunk
        seen += len(chunk)
        for position, is_block in zip(positions.tolist(), blocks.tolist(), strict=True):
            if start is not None:
                yield _segment(pending, base, start, position)
            elif position != 8 * (len(MAGIC) + 1):
                raise _damaged(where)
            start = position, is_block
        if start is not None:
            pending, base = pending[start[0] // 8 - base :], start[0] // 8
        if len(pending) > MAX_SEGMENT + len(chunk):
            raise _damaged(where)
    if start is not None:
        yield _segment(pending, base, start, 8 * seen)


def _segment(pending: bytes, base: int, start: tuple[int, bool], end: int) -> Segment:
    first, is_block = start
    data = np.frombuffer(pending[first // 8 - base : -(-end // 8) - base], np.uint8)
    return Segment(is_block, data, first % 8, end - first)


@compiled
def _marks(
    data: npt.NDArray[np.uint8], window: np.uint64, seen: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], int]:
    """Bit positions of the marks that end in `data`, which of them begin a block, and the last
    bytes as a number; `seen` bytes were before, `window` the last of them."""
    found = 0
    positions = np.empty(8 * data.size // _APART + 2, np.int64)
    blocks = np.empty(positions.size, np.bool_)
    mask, block, end = np.uint64(2**48 - 1), np.uint64(_BLOCK), np.uint64(_END)
    for index in range(data.size):
        window = (window << np.uint64(8)) | np.uint64(data[index])
        for shift in range(8):
            bits = (window >> np.uint64(shift)) & mask
            if bits in (block, end) and found < positions.size:
                positions[found] = 8 * (seen + index + 1) - shift - _MARK_BITS
                blocks[found] = bits == block
                found += 1
    order = np.argsort(positions[:found])
    return positions[order], blocks[order], window  # type: ignore[return-value]  # as Numba has it


def _decoded(segment: Segment) -> bytes | None:
    """One block's content, made a stream of its own; None when it is no whole block."""
    if not segment.is_block or segment.bits < _MARK_BITS + _CHECKSUM_BITS:
        return None
    data = segment.aligned()
    free = -segment.bits % 8
    tail = _END << _CHECKSUM_BITS | segment.checksum()
    rest = _MARK_BITS + _CHECKSUM_BITS - free
    data[-1] |= tail >> rest
    after = (tail & (1 << rest) - 1) << -rest % 8
    stream = b"".join((MAGIC, b"9", data.tobytes(), after.to_bytes(-(-rest // 8))))
    decoder = bz2.BZ2Decompressor()
    try:
        found = decoder.decompress(stream, MAX_BLOCK)
    except (OSError, ValueError):
        return None
    return found if decoder.eof else None


def _joined(
    segment: Segment, waiting: deque[tuple[Segment, Future[bytes | None]]], where: str
) -> bytes:
    """The content of a block that has marks inside: it and the segments after it, as one."""
    bits = np.unpackbits(segment.aligned())[: segment.bits]
    for _ in range(MAX_JOINED):
        if not waiting:
            raise InputError("is cut short or damaged", where=where, hint="fetch it again")
        following, _future = waiting.popleft()
        bits = np.concatenate((bits, np.unpackbits(following.aligned())[: following.bits]))
        found = _decoded(Segment(True, np.packbits(bits), 0, len(bits)))
        if found is not None:
            return found
    raise _damaged(where)


def _goes_on(segment: Segment, *, more: bool, where: str) -> bool:
    """Whether another stream follows the end of one; zeros may fill the file up."""
    rest = segment.after_end()
    if more and len(rest) == 4 and rest[:3] == MAGIC and rest[3:] in b"123456789":
        return True
    if more or rest.strip(b"\0"):
        raise InputError("has something else after its end", where=where, hint="fetch it again")
    return False


def _damaged(where: str) -> InputError:
    return InputError("is damaged", where=where, hint="fetch it again")
