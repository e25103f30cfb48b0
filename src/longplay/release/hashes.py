"""Piece hashes of objects, brought from evidence (sorted by root) into the order of volumes.

Only the columns that a torrent needs are read, never the leaves. What is gathered at once is
bounded: a caller with more goes through the evidence once for each window of volumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longplay.errors import ReleaseError
from longplay.torrent import merkle, v1
from longplay.vault import evidence

COLUMNS = ["root", "size", "piece_length", "piece_layer", "v1_pieces", "v1_last_bare"]

WINDOW_BYTES = 2**30
"""Bytes of hashes gathered at once: enough for a million objects of 4 MB in one pass."""

Numbers = NDArray[np.int64]
Roots = NDArray[np.bytes_]
Units = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Objects in the order of their volumes: columns of equal length."""

    roots: Roots
    sizes: Numbers
    piece_lengths: Numbers

    @property
    def pieces(self) -> Numbers:
        """How many pieces each object has."""
        return v1.pieces_of(self.sizes, self.piece_lengths)

    @property
    def layered(self) -> Numbers:
        """How many hashes each object's piece layer has."""
        pieces = self.pieces
        return np.where(pieces > 1, pieces, 0)

    def part(self, start: int, stop: int) -> Wanted:
        """The objects from `start` up to `stop`."""
        return Wanted(
            self.roots[start:stop], self.sizes[start:stop], self.piece_lengths[start:stop]
        )


def weights(wanted: Wanted) -> Numbers:
    """Bytes of hashes that each object has."""
    digests = v1.DIGEST * (wanted.pieces + 1) + merkle.DIGEST * wanted.layered
    return np.asarray(digests, np.int64)


class Gathered:
    """The hashes of a window of objects, each object's at its place in order."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._pieces = wanted.pieces
        self._layered = wanted.layered
        self._pieces_at = _starts(self._pieces)
        self._layers_at = _starts(self._layered)
        self._v1 = np.zeros((int(self._pieces_at[-1]), v1.DIGEST), np.uint8)
        self._v2 = np.zeros((int(self._layers_at[-1]), merkle.DIGEST), np.uint8)
        self._bare = np.zeros((len(wanted.sizes), v1.DIGEST), np.uint8)
        self._missing = np.ones(len(wanted.sizes), bool)
        self._order = np.argsort(wanted.roots, kind="stable")
        self._sorted = wanted.roots[self._order]

    def v1_pieces(self, start: int, stop: int) -> memoryview:
        """The v1 pieces of the objects from `start` up to `stop`, one after the other."""
        return _flat(self._v1[self._pieces_at[start] : self._pieces_at[stop]])

    def piece_layers(self, start: int, stop: int) -> memoryview:
        """The piece layers of those of them that have one."""
        return _flat(self._v2[self._layers_at[start] : self._layers_at[stop]])

    def last_bare(self, index: int) -> bytes:
        """The last v1 piece of one object, without padding."""
        return self._bare[index].tobytes() if self._pieces[index] else b""

    def take(self, batch: pa.RecordBatch) -> None:
        """Copy what is wanted of a batch of evidence. Raises ReleaseError when hashes are not
        those of an object of that size."""
        here, there = self._match(batch)
        if not len(here):
            return
        _scatter(batch["v1_pieces"], here, self._v1, self._pieces_at[there], self._pieces[there])
        _scatter(batch["piece_layer"], here, self._v2, self._layers_at[there], self._layered[there])
        bare = np.minimum(self._pieces[there], 1)
        _scatter(batch["v1_last_bare"], here, self._bare, there, bare)
        self._missing[there] = False

    def complete(self) -> None:
        """Raise ReleaseError when the evidence lacked an object."""
        lacking = np.flatnonzero(self._missing)
        if len(lacking):
            root = self._wanted.roots[lacking[:1]].view("V32").tobytes().hex()
            raise ReleaseError(
                f"has no hashes in the evidence (of {len(lacking):,} such objects the first)",
                where=root,
                hint="run `longplay verify`",
            )

    def _match(self, batch: pa.RecordBatch) -> tuple[Numbers, Numbers]:
        """Rows of a batch, and the places of these objects."""
        roots = roots_of(batch["root"])
        at = np.searchsorted(self._sorted, roots).clip(0, max(len(self._sorted) - 1, 0))
        there = self._order[at]
        found = (
            (self._sorted[at] == roots)
            & (self._wanted.sizes[there] == batch["size"].to_numpy())
            & (self._wanted.piece_lengths[there] == batch["piece_length"].to_numpy())
        )
        here = np.flatnonzero(found)
        return here, there[here]


def gather(wanted: Wanted, files: Sequence[Path]) -> Gathered:
    """The hashes of these objects from files of evidence. Raises ReleaseError when some lack
    theirs, StoreError when a file cannot be read."""
    found = Gathered(wanted)
    for batch in evidence.read(files, COLUMNS):
        found.take(batch)
    found.complete()
    return found


def roots_of(column: pa.Array | pa.ChunkedArray) -> Roots:
    """A column of 32-byte roots as an array that sorts and compares as the bytes do.

    Its items lose trailing zero bytes when taken out one by one: take their `V32` view instead.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    try:
        fixed = column.cast(pa.binary(merkle.DIGEST))
    except pa.ArrowInvalid as error:
        raise ReleaseError(f"has a root that is none: {error}") from error
    if not len(fixed):
        return np.empty(0, f"S{merkle.DIGEST}")
    data = fixed.buffers()[1]
    start = fixed.offset * merkle.DIGEST
    count = len(fixed) * merkle.DIGEST
    return np.frombuffer(data, np.uint8, count, start).view(f"S{merkle.DIGEST}")


def _starts(counts: Numbers) -> Numbers:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _flat(rows: NDArray[np.uint8]) -> memoryview:
    return rows.reshape(-1).data if rows.size else memoryview(b"")


def _scatter(
    column: pa.Array, here: Numbers, target: NDArray[np.uint8], at: Numbers, counts: Numbers
) -> None:
    """Copy the digests of the rows `here` of a binary column to `target`, from `at` on, `counts`
    of them for each row."""
    unit = target.shape[1]
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    lengths = np.diff(offsets)
    if (lengths % unit).any() or (lengths[here] != counts * unit).any():
        raise ReleaseError(
            "the evidence has hashes that do not fit their object's size",
            hint="run `longplay verify`",
        )
    data = column.buffers()[2]
    if data is None or not counts.any():
        return
    first, last = int(offsets[0]), int(offsets[-1])
    kind = f"V{unit}"
    source = np.frombuffer(data, np.uint8, last - first, first).view(kind)
    ends = np.cumsum(counts)
    within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
    taken = np.repeat((offsets[:-1][here] - first) // unit, counts) + within
    target.view(kind)[:, 0][np.repeat(at, counts) + within] = source[taken]
