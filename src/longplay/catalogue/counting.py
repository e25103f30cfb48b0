"""Exact counts over a whole snapshot, in bounded memory: what `catalogue stats` adds up.

At 256 million tracks a query that asks for distinct values holds more than a small machine has.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue import database, ids, keys, layout
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer
from longplay.catalogue.lookup import Lookup
from longplay.catalogue.numbering import Documents
from longplay.catalogue.parted import Parted
from longplay.catalogue.rows import Reader
from longplay.catalogue.search.rowstore import RowStore
from longplay.catalogue.snapshot import Snapshot

BATCH = 1 << 19
"""Rows that are read at once."""

MOST_ASKED = 1 << 22
"""ISRCs of smaller layers that the largest is asked for, one by one; beyond it, all are read."""

AT_ONCE = 200_000
"""Tracks whose identifiers are compared at once."""


def isrcs(snapshot: Snapshot) -> int:
    """How many distinct ISRCs there are: by their hashes, of which two of 200 million are the same
    with a chance of one in a thousand.

    A layer knows how many it has; of several layers, the largest is asked for what the others have.
    """
    layers = sorted(snapshot.manifest.layers.values(), key=lambda each: each.rows("tracks"))
    layers = [layer for layer in layers if layer.isrcs != 0 and layer.rows("tracks")]
    if not layers:
        return 0
    *others, largest = layers
    asked = sum(layer.isrcs or 0 for layer in others)
    known = all(layer.isrcs is not None for layer in layers)
    if not known or asked > MOST_ASKED:
        return _isrcs_of_all(snapshot)
    assert largest.isrcs is not None
    hashes = np.unique(np.concatenate([np.zeros(0, np.uint64), *_hashes(snapshot.folder, others)]))
    with database.opened() as connection:
        reader = Reader.open(connection, snapshot.folder, largest)
        return largest.isrcs + len(hashes) - _held(reader, hashes)


def _hashes(folder: Path, layers: Iterable[Layer]) -> Iterator[Hashes]:
    """The hashes of the layers' ISRCs."""
    for layer in layers:
        for batch in batches(folder, layer, "isrcs"):
            hashes = keys.text_hashes(batch["isrcs"].flatten())
            yield hashes[hashes != keys.NOTHING]


def _held(reader: Reader, hashes: Hashes) -> int:
    """How many of these distinct hashes of ISRCs a layer has."""
    places, documents = Lookup.open(index_of(reader.folder, reader.layer) / "isrc.lookup").find(
        hashes
    )
    found = np.zeros(len(hashes), np.bool_)
    for start in range(0, len(documents), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        right = reader.have("isrc", hashes[places[some]], documents[some])
        found[places[some][right]] = True
    return int(found.sum())


def _isrcs_of_all(snapshot: Snapshot) -> int:
    with tempfile.TemporaryDirectory(prefix="longplay-") as folder:
        parts = Parted(Path(folder), "isrcs", np.dtype("<u8"))
        for hashes in _hashes(snapshot.folder, snapshot.manifest.layers.values()):
            parts.add(hashes, hashes)
        return sum(len(np.unique(parts.part(part))) for part in range(len(parts)))


def recordings(snapshot: Snapshot) -> int:
    """How many recordings the layers' tracks are.

    Without joins each track that stands for others, or for itself, is one. The joins move tracks:
    a recording of a layer is no more when all its tracks were moved, and one that tracks were moved
    to counts once, whether it was there or not.
    """
    layers = [layer for layer in snapshot.manifest.layers.values() if layer.rows("tracks")]
    moved, to = moves(snapshot)
    targets = np.unique(to)
    known = np.zeros(len(targets), np.bool_)
    total = 0
    for layer in layers:
        total += layer.rows("tracks") - _standing_for_others(snapshot.folder, layer)
        if len(moved):
            gone = _emptied(snapshot.folder, layer, moved)
            total -= len(gone)
            known |= _present(snapshot.folder, layer, targets, gone)
    return total + int((~known).sum())


def moves(snapshot: Snapshot) -> tuple[Hashes, Hashes]:
    """The tracks whose recording the joins name, and the recording of each."""
    if not any(snapshot.manifest.joins["members"]):
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    with snapshot.connect("run_members") as connection:
        found = connection.sql("SELECT track, recording FROM run_members WHERE live")
        table = found.to_arrow_table()
    return table["track"].to_numpy(), table["recording"].to_numpy()


def _standing_for_others(folder: Path, layer: Layer) -> int:
    """How many tracks of a layer have another one that stands for their recording."""
    return sum(rows - nulls for rows, nulls in _nulls(folder, layer, "same_as"))


def _nulls(folder: Path, layer: Layer, name: str) -> Iterator[tuple[int, int]]:
    """By row group the rows, and how many have nothing in a column, as the files' metadata say."""
    for part in layer.tables["tracks"]:
        with pq.ParquetFile(folder / part.file) as file:
            column = file.schema_arrow.names.index(name) - len(file.schema_arrow)
            for group in range(file.num_row_groups):
                metadata = file.metadata.row_group(group)
                chunk = metadata.column(metadata.num_columns + column)
                yield metadata.num_rows, chunk.statistics.null_count


def _emptied(folder: Path, layer: Layer, moved: Hashes) -> Documents:
    """The documents, ascending, for whose recording no track is left when `moved` ones are gone."""
    store = RowStore.open(index_of(folder, layer))
    _, documents = located(folder, layer, store, moved)
    standing, counts = np.unique(store.stands_for(documents), return_counts=True)
    members = np.ones(len(standing), np.int64)
    for batch in batches(folder, layer, "same_as"):
        others = batch["same_as"].drop_null().to_numpy()
        places = np.minimum(np.searchsorted(standing, others), max(len(standing) - 1, 0))
        if len(standing):
            members += np.bincount(places[standing[places] == others], minlength=len(standing))
    emptied: Documents = standing[counts >= members]
    return emptied


def _present(folder: Path, layer: Layer, targets: Hashes, gone: Documents) -> npt.NDArray[np.bool_]:
    """Which recordings are one of the layer's own that still has tracks."""
    store = RowStore.open(index_of(folder, layer))
    places, documents = located(folder, layer, store, ids.minted(targets))
    there = (store.stands_for(documents) == documents) & ~np.isin(documents, gone)
    present = np.zeros(len(targets), np.bool_)
    present[places[there]] = True
    return present


def located(
    folder: Path, layer: Layer, store: RowStore, tracks: Hashes
) -> tuple[npt.NDArray[np.int64], Documents]:
    """The documents of tracks that a layer has: for each its place in `tracks`."""
    places, documents = Lookup.open(index_of(folder, layer) / "tr.lookup").find(tracks)
    right = store.tracks.keys[documents] == tracks[places]
    return places[right], documents[right]


def has_values(folder: Path, layer: Layer, column: str) -> bool:
    """Whether any track of a layer has something in a column that is no list."""
    return any(rows > nulls for rows, nulls in _nulls(folder, layer, column))


def index_of(folder: Path, layer: Layer) -> Path:
    """Where the look-up files of a layer that has tracks lie."""
    return (folder / layer.tables["tracks"][0].file).parent / layout.INDEX


def batches(folder: Path, layer: Layer, *columns: str) -> Iterator[pa.RecordBatch]:
    """Some columns of a layer's tracks, in order of their numbers."""
    for part in layer.tables.get("tracks", ()):
        with pq.ParquetFile(folder / part.file) as file:
            yield from file.iter_batches(BATCH, columns=list(columns))
