"""Popularity and listens of every recording, as the sources of its tracks say, in bounded memory.

A query that groups all tracks by recording holds more than a small machine has. Most recordings are
tracks that stand together in one layer: these are added up by number, in thirteen bytes a track at
most; only those that the joins name are added up by id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue import counting, ids
from longplay.catalogue.compiled import compiled
from longplay.catalogue.keys import Hashes
from longplay.catalogue.layout import Layer
from longplay.catalogue.numbering import Documents
from longplay.catalogue.search.rowstore import RowStore
from longplay.catalogue.snapshot import Snapshot

Popularity = npt.NDArray[np.float32]
Listens = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """Some recordings, in no order: the highest popularity and the sum of the listens of their
    tracks, NaN where no source says. No `listens` at all where no source has any."""

    recordings: Hashes
    popularity: Popularity
    listens: Listens


@dataclass(frozen=True, slots=True)
class _Sums:
    """What tracks are added to, by number: which numbers have any, the highest popularity, and the
    listens (as many as there are numbers, or none)."""

    present: npt.NDArray[np.bool_]
    popularity: Popularity
    listens: Listens

    @classmethod
    def of(cls, count: int, *, listens: bool) -> _Sums:
        return cls(
            np.zeros(count, np.bool_),
            np.full(count, np.nan, np.float32),
            np.full(count if listens else 0, np.nan),
        )

    def add(self, places: Documents, popularity: Popularity, listens: Listens) -> None:
        _add(places, popularity, listens, self.present, self.popularity, self.listens)


def weigh(snapshot: Snapshot) -> Weights:
    """Every recording that has a track."""
    layers = [layer for layer in snapshot.manifest.layers.values() if layer.rows("tracks")]
    listens = any(counting.has_values(snapshot.folder, layer, "listens") for layer in layers)
    moved, to = counting.moves(snapshot)
    targets, which = np.unique(to, return_inverse=True)
    joined = _Sums.of(len(targets), listens=listens)
    found = [
        _of_layer(
            snapshot,
            layer,
            (moved, which.astype(np.uint32)),
            (targets, joined),
            listens_known=listens,
        )
        for layer in layers
    ]
    kept = joined.present
    found.append(_weights(targets[kept], joined, np.flatnonzero(kept)))
    return Weights(
        np.concatenate([each.recordings for each in found]),
        np.concatenate([each.popularity for each in found]),
        np.concatenate([each.listens for each in found]),
    )


def _of_layer(
    snapshot: Snapshot,
    layer: Layer,
    moved: tuple[Hashes, Documents],
    joined: tuple[Hashes, _Sums],
    *,
    listens_known: bool,
) -> Weights:
    """The recordings that are a layer's own. Of those that the joins name, which may be its own as
    well, its tracks are added to `joined`. `moved` are tracks with the place of their recording
    there."""
    targets, sums = joined
    store = RowStore.open(counting.index_of(snapshot.folder, layer))
    places, gone = counting.located(snapshot.folder, layer, store, moved[0])
    order = np.argsort(gone, kind="stable")
    gone, whither = gone[order], moved[1][places[order]]
    own = _Sums.of(layer.rows("tracks"), listens=listens_known)
    first = 0
    columns = ("same_as", "popularity", "listens")
    for batch in counting.batches(snapshot.folder, layer, *columns):
        popularity, listens = (
            batch[name].to_numpy(zero_copy_only=False) for name in ("popularity", "listens")
        )
        here = np.arange(first, first + batch.num_rows, dtype=np.uint32)
        standing = _or(batch["same_as"], here)
        low, high = np.searchsorted(gone, [first, first + batch.num_rows])
        away = (gone[low:high] - first).astype(np.int64)
        sums.add(whither[low:high], popularity[away], listens[away])
        stays = np.ones(batch.num_rows, np.bool_)
        stays[away] = False
        own.add(standing[stays], popularity[stays], listens[stays])
        first += batch.num_rows
    at, documents = counting.located(snapshot.folder, layer, store, ids.minted(targets))
    both = own.present[documents]
    at, documents = at[both], documents[both]
    some = _weights(targets[at], own, documents)
    empty = np.full(len(at), np.nan)
    sums.add(at.astype(np.uint32), some.popularity, some.listens if len(some.listens) else empty)
    own.present[documents] = False
    mine = np.flatnonzero(own.present)
    return _weights(ids.minted(store.tracks.keys[mine]), own, mine)


def _weights(recordings: Hashes, sums: _Sums, places: npt.NDArray[np.integer]) -> Weights:
    listens = sums.listens[places] if len(sums.listens) else sums.listens
    return Weights(recordings, sums.popularity[places], listens)


def _or(column: pa.Array, otherwise: Documents) -> Documents:
    """A column of numbers, with others where it has none."""
    if not column.null_count:
        return np.asarray(column.to_numpy(), np.uint32)
    known = column.is_valid().to_numpy(zero_copy_only=False)
    return np.where(known, column.fill_null(0).to_numpy(), otherwise).astype(np.uint32)


@compiled
def _add(
    places: Documents,
    popularity: Popularity,
    listens: Listens,
    present: npt.NDArray[np.bool_],
    best: Popularity,
    total: Listens,
) -> None:
    for row in range(len(places)):
        place = places[row]
        present[place] = True
        if not (popularity[row] <= best[place]) and not np.isnan(popularity[row]):
            best[place] = popularity[row]
        if len(total) and not np.isnan(listens[row]):
            total[place] = listens[row] + (0.0 if np.isnan(total[place]) else total[place])
