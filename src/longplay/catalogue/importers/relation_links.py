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
Narrow = npt.NDArray[np.signedinteger]
"""Whole numbers of as many bytes as they need: of links there are hundreds of millions."""


@dataclass(frozen=True, slots=True)
class Links:
    """Which artists each track or album has, in order of credit: by its key, ascending."""

    owners: Narrow
    artists: Narrow

    def of(self, keys: Numbers) -> pa.ListArray:
        """The artists of each key."""
        limits = np.iinfo(self.owners.dtype)
        inside = (keys >= limits.min) & (keys <= limits.max)
        # Of the same width: else all owners would be widened for each search.
        wanted = np.where(inside, keys, 0).astype(self.owners.dtype)
        starts = np.searchsorted(self.owners, wanted, side="left")
        counts = np.searchsorted(self.owners, wanted, side="right") - starts
        counts[~inside] = 0
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return pa.ListArray.from_arrays(
            pa.array(offsets.astype(np.int32)), pa.array(self.artists[places].astype(np.int64))
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

    def work(span: ranges.Span) -> list[Narrow]:
        batch = ranges.read(path, link.table, wanted, span)
        columns = [relation_cells.keys(column) for column in batch.columns]
        known = pc.and_(columns[0].is_valid(), columns[1].is_valid())
        if not pc.all(known).as_py():
            columns = [column.filter(known) for column in columns]
        return [_narrow(column.fill_null(0).to_numpy()) for column in columns]

    found: list[list[Narrow]] = [[np.zeros(0, np.int16)] for _ in wanted]
    for batch in ranges.each(ranges.spans(path, link.table), work):
        for parts, numbers in zip(found, batch, strict=True):
            parts.append(numbers)
    owners, artists, *order = (_joined(parts) for parts in found)
    if not _in_order(owners, order):
        places = np.lexsort([*order, owners])
        owners, artists = owners[places], artists[places]
    return Links(owners, artists)


def _narrow(numbers: Numbers) -> Narrow:
    """The numbers in two or four bytes each, if they fit these."""
    if not len(numbers):
        return numbers.astype(np.int16)
    low, high = int(numbers.min()), int(numbers.max())
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return numbers.astype(kind)
    return numbers


def _joined(parts: list[Narrow]) -> Narrow:
    """One array of all parts, which are given up."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _in_order(owners: Narrow, order: Sequence[Narrow]) -> bool:
    """Whether links come by owner, and those of one owner in their order, if they have one."""
    for start in range(0, len(owners), ranges.RANGE):
        some = slice(start, start + ranges.RANGE + 1)
        mine = owners[some]
        rising = mine[1:] > mine[:-1]
        same = mine[1:] == mine[:-1]
        for each in order:
            same &= each[some][1:] >= each[some][:-1]
        if not (rising | same).all():
            return False
    return True


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
