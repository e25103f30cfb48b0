"""Facets: how many of the tracks found are of each year and genre, and how many are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue.search.candidates import (
    Asked,
    Keys,
    Layer,
    among,
    candidates,
    documents_of,
)
from longplay.catalogue.search.finding import readings
from longplay.catalogue.search.query import Query

MOST_COUNTED = 10_000
"""Tracks that are counted, the most popular first: a tenth of a second."""

MOST_GENRES = 50
"""Genres that are listed, those with the most recordings first."""

Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts of recordings. `years` in order, `genres` by count; `held` is None where it is not
    known what is held. `of` recordings were counted: all that match if `exact`, else the most
    popular of them."""

    years: Counts
    genres: Counts
    held: Counts | None
    of: int
    exact: bool


def count(layers: Sequence[Layer], query: Query, *, held: Keys | None = None) -> Facets:
    """The facets of what `finding.find` finds for the query."""
    for asked in readings(layers, query, held):
        tables = [_rows(asked, number) for number in range(len(layers))]
        table = pa.concat_tables(tables) if tables else _NOTHING
        if len(table):
            return _facets(table, held)
    return _facets(_NOTHING, held)


_NOTHING = pa.schema(
    {
        "year": pa.int32(),
        "genres": pa.list_(pa.string()),
        "popularity": pa.float32(),
        "recording": pa.uint64(),
    }
).empty_table()


def _rows(asked: Asked, number: int) -> pa.Table:
    """What is counted of one layer: one track more than `MOST_COUNTED` says that there are more."""
    index, query = asked.layers[number].index, asked.query
    documents, _ = documents_of(asked, number, 0, MOST_COUNTED + 1)
    if not len(documents):
        return _NOTHING
    if query.phrases or query.popularity or query.held is not None:
        kept = sorted(place.document for place in candidates(asked, number, documents))
        documents = np.array(kept, np.uint32)
    return index.rows(documents).select(_NOTHING.schema.names).cast(_NOTHING.schema)


def _facets(table: pa.Table, held: Keys | None) -> Facets:
    exact = len(table) <= MOST_COUNTED
    if not exact:
        table = table.sort_by([("popularity", "descending")]).slice(0, MOST_COUNTED)
    recordings = table["recording"].to_numpy()
    _, firsts = np.unique(recordings, return_index=True)
    known = None
    if held is not None:
        yes = int(among(recordings[firsts], held).sum())
        known = (("yes", yes), ("no", len(firsts) - yes))
    once = table.take(pa.array(firsts))
    years = sorted(_counts(once["year"].drop_null().cast(pa.string())))
    genres = _counts(pc.list_flatten(once["genres"]))
    return Facets(tuple(years), tuple(genres[:MOST_GENRES]), known, len(firsts), exact)


def _counts(values: pa.ChunkedArray) -> list[tuple[str, int]]:
    """Each value with how often it stands there, the most frequent first."""
    counted = pc.value_counts(values.combine_chunks())
    pairs = [(each["values"], each["counts"]) for each in counted.to_pylist()]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
