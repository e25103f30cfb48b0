"""Links of a database in many tables: who made a track or an album, and in which genres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue.importers import ranges, relation_cells
from longplay.catalogue.importers.relation_map import Link

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Links:
    """Which artists each track or album has, in order of credit: by its key, ascending."""

    owners: Numbers
    artists: Numbers

    def of(self, keys: Numbers) -> pa.ListArray:
        """The artists of each key."""
        starts = np.searchsorted(self.owners, keys, side="left")
        counts = np.searchsorted(self.owners, keys, side="right") - starts
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), pa.array(self.artists[places])
        )


@dataclass(frozen=True, slots=True)
class Genres:
    """The genres of artists: by artist, ascending."""

    artists: Numbers
    lists: pa.ListArray

    def of_first(self, credited: pa.ListArray) -> pa.Array:
        """The genres of each track's first artist; null where none are known."""
        offsets = credited.offsets.to_numpy()
        has = offsets[1:] > offsets[:-1]
        firsts = np.full(len(credited), -1, np.int64)
        firsts[has] = credited.values.to_numpy()[offsets[:-1][has]]
        if not len(self.artists):
            return pa.nulls(len(credited), pa.list_(pa.string()))
        places = np.minimum(np.searchsorted(self.artists, firsts), len(self.artists) - 1)
        return self.lists.take(pa.array(places, mask=self.artists[places] != firsts))


def read(path: Path, link: Link) -> Links:
    """All links of a file. Raises InputError."""
    owner = link.track or link.album
    assert owner
    wanted = [owner, link.artist, *([link.order] if link.order else [])]

    def work(span: ranges.Span) -> tuple[Numbers, ...]:
        batch = ranges.read(path, link.table, wanted, span)
        columns = [relation_cells.keys(column) for column in batch.columns]
        known = pc.and_(columns[0].is_valid(), columns[1].is_valid())
        if not pc.all(known).as_py():
            columns = [column.filter(known) for column in columns]
        return tuple(column.fill_null(0).to_numpy() for column in columns)

    found = list(ranges.each(ranges.spans(path, link.table), work))
    empty = np.zeros(0, np.int64)
    owners, artists, *order = (
        np.concatenate([empty, *(batch[i] for batch in found)]) for i in range(len(wanted))
    )
    keys = [order[0], owners] if order else [owners]
    ordered = owners[1:] > owners[:-1]
    same = owners[1:] == owners[:-1]
    if not (ordered | (same & (order[0][1:] >= order[0][:-1] if order else True))).all():
        places = np.lexsort(keys)
        owners, artists = owners[places], artists[places]
    return Links(owners, artists)


def genres(paths: Sequence[Path], link: Link | None) -> Genres:
    """The genres of all artists of all files. Raises InputError."""
    artists = [np.zeros(0, np.int64)]
    found: list[pa.Array] = [pa.array([], pa.string())]
    for path in paths if link else ():
        assert link
        assert link.genre
        wanted = [link.artist, link.genre]
        for span in ranges.spans(path, link.table):
            batch = ranges.read(path, link.table, wanted, span)
            keys = relation_cells.keys(batch.column(0))
            names = relation_cells.texts(batch.column(1))
            known = pc.and_(keys.is_valid(), names.is_valid())
            artists.append(keys.filter(known).to_numpy())
            found.append(names.filter(known))
    owners = np.concatenate(artists)
    order = np.argsort(owners, kind="stable")
    owners = owners[order]
    names = pa.concat_arrays(found).take(pa.array(order))
    once, starts = np.unique(owners, return_index=True)
    offsets = np.concatenate([starts, [len(owners)]]).astype(np.int32)
    return Genres(once, pa.ListArray.from_arrays(pa.array(offsets), names))
