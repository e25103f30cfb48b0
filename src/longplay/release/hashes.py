"""Piece hashes of objects, brought from evidence (sorted by root) into the order of volumes.

Only the columns that a torrent needs are read, never the leaves, and only where something wanted
is. What is gathered at once is bounded: where there is more, one pass through the evidence sorts it
into files, one for each window of volumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longplay.errors import ReleaseError
from longplay.torrent import merkle, v1
from longplay.vault import evidence

KEY = ["root"]
COLUMNS = [*KEY, "size", "piece_length", "piece_layer", "v1_pieces", "v1_last_bare"]

WINDOW_BYTES = 2**30
"""Bytes of hashes gathered at once: enough for a million objects of 4 MB in one pass."""

Numbers = NDArray[np.int64]
Roots = NDArray[np.bytes_]


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


def gather(windows: Sequence[Wanted], files: Sequence[Path], scratch: Path) -> Iterator[Gathered]:
    """The hashes of each window of objects in turn, from files of evidence; `scratch` is a folder
    for what has to wait. Raises ReleaseError when some lack theirs, StoreError when a file cannot
    be read."""
    if len(windows) == 1:
        yield _gathered(windows[0], _Sought(windows).read(files))
        return
    for window, path in zip(windows, _set_aside(windows, files, scratch), strict=True):
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as batches:
            found = _gathered(window, batches)
        path.unlink()
        yield found


def _gathered(window: Wanted, batches: Iterator[pa.RecordBatch]) -> Gathered:
    found = Gathered(window)
    for batch in batches:
        found.take(batch)
    found.complete()
    return found


class _Sought:
    """The roots of all windows, and which window each is for."""

    def __init__(self, windows: Sequence[Wanted]) -> None:
        roots = np.concatenate([window.roots for window in windows])
        order = np.argsort(roots, kind="stable")
        self._sorted = roots[order]
        counts = [len(window.roots) for window in windows]
        self._window = np.repeat(np.arange(len(windows)), counts)[order]

    def read(self, files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
        """The evidence, where something of it is sought."""

        def wanted(keys: pa.Table) -> bool:
            return bool((self.windows_of(keys["root"]) >= 0).any())

        return evidence.read_where(files, KEY, COLUMNS, wanted)

    def windows_of(self, column: pa.Array | pa.ChunkedArray) -> Numbers:
        """The window that each root is for, -1 where it is for none."""
        roots = roots_of(column)
        if not len(self._sorted):
            return np.full(len(roots), -1, np.int64)
        at = np.searchsorted(self._sorted, roots).clip(0, len(self._sorted) - 1)
        return np.where(self._sorted[at] == roots, self._window[at], -1)


def _set_aside(windows: Sequence[Wanted], files: Sequence[Path], scratch: Path) -> list[Path]:
    """Sort what is sought in the evidence into one file for each window."""
    if not windows:
        return []
    sought = _Sought(windows)
    paths = [scratch / f"window-{number:06}" for number in range(len(windows))]
    with ExitStack() as open_files:
        writers: list[pa.ipc.RecordBatchStreamWriter] = []
        for batch in sought.read(files):
            if not writers:
                writers = [
                    open_files.enter_context(pa.ipc.new_stream(str(path), batch.schema))
                    for path in paths
                ]
            numbers = sought.windows_of(batch["root"])
            for number in np.unique(numbers[numbers >= 0]).tolist():
                writers[number].write_batch(batch.filter(pa.array(numbers == number)))
        if not writers:
            Gathered(windows[0]).complete()
    return paths


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
