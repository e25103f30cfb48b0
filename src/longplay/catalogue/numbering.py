"""Row numbers: which row of a layer each staged artist, album and track becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue.compiled import compiled
from longplay.catalogue.keys import Hashes
from longplay.catalogue.staging import STANDINGS, Spooled

Rows = npt.NDArray[np.int64]
Documents = npt.NDArray[np.uint32]

NOWHERE = np.uint32(2**32 - 1)
"""The number of a row that the layer does not have."""

DIRECT_SPARE = 8
"""How many times as large as their count references may be, to be looked up by position."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The rows that references became: by position where these are dense, else by search."""

    refs: npt.NDArray[np.int64]
    rows: npt.NDArray[np.uint32]
    direct: bool

    def of(self, refs: pa.Array) -> npt.NDArray[np.uint32]:
        """The row of each reference of a column, `NOWHERE` for nulls and where there is none."""
        rows = self.find(refs.fill_null(0).to_numpy())
        if refs.null_count:
            rows[refs.is_null().to_numpy(zero_copy_only=False)] = NOWHERE
        return rows

    def find(self, refs: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """The row of each reference, `NOWHERE` where there is none."""
        if not len(self.rows):
            return np.full(len(refs), NOWHERE)
        if self.direct:
            inside = (refs >= 0) & (refs < len(self.rows))
            return np.where(inside, self.rows[np.where(inside, refs, 0)], NOWHERE)
        places = np.minimum(np.searchsorted(self.refs, refs), len(self.refs) - 1)
        return np.where(self.refs[places] == refs, self.rows[places], NOWHERE)


def number(refs: npt.NDArray[np.int64], keys: Hashes) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Number rows in their order; a row whose reference or key came before is that row.

    Returns the numbers, and which rows are kept.
    """
    first = np.minimum(_firsts(keys), _firsts(refs.view(np.uint64)))
    while not np.array_equal(again := first[first], first):
        first = again
    kept = first == np.arange(len(first))
    rows = (np.cumsum(kept) - 1).astype(np.uint32)[first]
    if len(refs) and refs.min() >= 0 and refs.max() < DIRECT_SPARE * len(refs) + 2**20:
        table = np.full(int(refs.max()) + 1, NOWHERE)
        table[refs[::-1]] = rows[::-1]
        return Numbers(refs[:0], table, True), kept
    order = np.argsort(refs, kind="stable")
    return Numbers(refs[order], rows[order], False), kept


def _firsts(values: Hashes) -> Rows:
    """For each value, where the first one equal to it stands."""
    places = np.arange(len(values))
    if len(values) < 2 or bool((values[1:] > values[:-1]).all()):
        return places
    order = np.argsort(values)
    ordered = values[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    if new.all():
        return places
    group = np.cumsum(new) - 1
    smallest = np.minimum.reduceat(order, np.flatnonzero(new))
    first = np.empty(len(values), np.int64)
    first[order] = smallest[group]
    return first


@dataclass(frozen=True, slots=True)
class Segment:
    """Tracks of one standing of one batch: record batch `index` of `spooled`, whose first track is
    document `first` as long as no track is dropped."""

    spooled: Spooled
    index: int
    first: int
    count: int


def segments(spooled: Sequence[Spooled]) -> list[Segment]:
    """All staged tracks in the layer's order: by standing, then in the source's order."""
    found = []
    first = 0
    by_standing: list[list[tuple[Spooled, int, int]]] = [[] for _ in range(STANDINGS)]
    for each in spooled:
        for index, (standing, count) in enumerate(zip(each.standings, each.counts, strict=True)):
            by_standing[standing].append((each, index, count))
    for group in by_standing:
        for each, index, count in group:
            found.append(Segment(each, index, first, count))
            first += count
    return found


@compiled
def root(parents: Documents, document: np.uint32) -> np.uint32:
    """The root of a document's tree, with the way to it halved."""
    while parents[document] != document:
        parents[document] = parents[parents[document]]
        document = parents[document]
    return document


@compiled
def union(parents: Documents, one: np.uint32, other: np.uint32) -> None:
    """Join the trees of two documents; the smaller root stays."""
    one, other = root(parents, one), root(parents, other)
    if one < other:
        parents[other] = one
    elif other < one:
        parents[one] = other
