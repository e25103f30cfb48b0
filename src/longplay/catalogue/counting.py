"""Exact counts over a whole snapshot, in bounded memory: what `catalogue stats` adds up.

At 256 million tracks a query that asks for distinct values holds more than a small machine has.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue import ids, keys, layout
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer
from longplay.catalogue.lookup import Lookup
from longplay.catalogue.numbering import Documents
from longplay.catalogue.search.rowstore import RowStore
from longplay.catalogue.snapshot import Snapshot

PART_BITS = 6
"""64 parts of hashes on disk, each of which is sorted in memory."""

BATCH = 1 << 19
"""Rows that are read at once."""


def isrcs(snapshot: Snapshot) -> int:
    """How many distinct ISRCs there are: by their hashes, of which two of 200 million are the same
    with a chance of one in a thousand."""
    with tempfile.TemporaryDirectory(prefix="longplay-") as folder, ExitStack() as stack:
        paths = [Path(folder) / f"{part:02d}" for part in range(1 << PART_BITS)]
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for layer in snapshot.manifest.layers.values():
            for batch in _batches(snapshot.folder, layer, "isrcs"):
                hashes = np.sort(keys.text_hashes(batch["isrcs"].flatten()))
                hashes = hashes[hashes != keys.NOTHING]
                cuts = np.searchsorted(hashes >> np.uint64(64 - PART_BITS), range(len(paths) + 1))
                for file, begin, end in zip(files, cuts[:-1], cuts[1:], strict=True):
                    file.write(hashes[begin:end].data)
        stack.close()
        return sum(len(np.unique(np.fromfile(path, np.uint64))) for path in paths)


def recordings(snapshot: Snapshot) -> int:
    """How many recordings the layers' tracks are.

    Without joins each track that stands for others, or for itself, is one. The joins move tracks:
    a recording of a layer is no more when all its tracks were moved, and one that tracks were moved
    to counts once, whether it was there or not.
    """
    layers = [layer for layer in snapshot.manifest.layers.values() if layer.rows("tracks")]
    moved, targets = _moved(snapshot)
    known = np.zeros(len(targets), np.bool_)
    total = 0
    for layer in layers:
        total += layer.rows("tracks") - _standing_for_others(snapshot.folder, layer)
        if len(moved):
            gone = _emptied(snapshot.folder, layer, moved)
            total -= len(gone)
            known |= _present(snapshot.folder, layer, targets, gone)
    return total + int((~known).sum())


def _moved(snapshot: Snapshot) -> tuple[Hashes, Hashes]:
    """The tracks whose recording the joins name, and these recordings, each once."""
    if not any(snapshot.manifest.joins["members"]):
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    with snapshot.connect_joins() as connection:
        found = connection.sql("SELECT track, recording FROM run_members WHERE live")
        table = found.to_arrow_table()
    return table["track"].to_numpy(), np.unique(table["recording"].to_numpy())


def _standing_for_others(folder: Path, layer: Layer) -> int:
    """How many tracks of a layer have another one that stands for their recording."""
    total = 0
    for part in layer.tables["tracks"]:
        with pq.ParquetFile(folder / part.file) as file:
            column = file.schema_arrow.names.index("same_as") - len(file.schema_arrow)
            for group in range(file.num_row_groups):
                metadata = file.metadata.row_group(group)
                chunk = metadata.column(metadata.num_columns + column)
                total += metadata.num_rows - chunk.statistics.null_count
    return total


def _emptied(folder: Path, layer: Layer, moved: Hashes) -> Documents:
    """The documents, ascending, for whose recording no track is left when `moved` ones are gone."""
    store = RowStore.open(_index(folder, layer))
    _, documents = _found(folder, layer, store, moved)
    standing, counts = np.unique(store.stands_for(documents), return_counts=True)
    members = np.ones(len(standing), np.int64)
    for batch in _batches(folder, layer, "same_as"):
        others = batch["same_as"].drop_null().to_numpy()
        places = np.minimum(np.searchsorted(standing, others), max(len(standing) - 1, 0))
        if len(standing):
            members += np.bincount(places[standing[places] == others], minlength=len(standing))
    emptied: Documents = standing[counts >= members]
    return emptied


def _present(folder: Path, layer: Layer, targets: Hashes, gone: Documents) -> npt.NDArray[np.bool_]:
    """Which recordings are one of the layer's own that still has tracks."""
    store = RowStore.open(_index(folder, layer))
    places, documents = _found(folder, layer, store, ids.minted(targets))
    there = (store.stands_for(documents) == documents) & ~np.isin(documents, gone)
    present = np.zeros(len(targets), np.bool_)
    present[places[there]] = True
    return present


def _found(
    folder: Path, layer: Layer, store: RowStore, tracks: Hashes
) -> tuple[npt.NDArray[np.int64], Documents]:
    """The documents of tracks that a layer has: for each its place in `tracks`."""
    places, documents = Lookup.open(_index(folder, layer) / "tr.lookup").find(tracks)
    right = store.tracks.keys[documents] == tracks[places]
    return places[right], documents[right]


def _index(folder: Path, layer: Layer) -> Path:
    return (folder / layer.tables["tracks"][0].file).parent / layout.INDEX


def _batches(folder: Path, layer: Layer, column: str) -> Iterator[pa.RecordBatch]:
    for part in layer.tables.get("tracks", ()):
        with pq.ParquetFile(folder / part.file) as file:
            yield from file.iter_batches(BATCH, columns=[column])
