"""Which tracks of a layer may be meant: asked of its index, checked on its rows, and scored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay.catalogue.search import forgiving, ranking, words
from longplay.catalogue.search.forgiving import Reading
from longplay.catalogue.search.query import FIRST_YEAR, LAST_YEAR, IdentifierKind, Query, Range

MOST_LOOKED_AT = 10_000
"""Tracks of a layer that are looked at in all, for a page far down or for what only rows can tell
(words in quotes, `held:`)."""

Documents = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]


class Group(NamedTuple):
    """A track must have one of these terms, or one with one of these beginnings, or one that
    stands between two (both included) in the order of terms."""

    terms: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()
    between: tuple[str, str] | None = None


class Index(forgiving.Terms, Protocol):
    """A layer's index, as search asks it. Documents are numbered by descending popularity."""

    def matches(
        self, groups: Sequence[Group], limit: int, *, popularity: Range | None = None
    ) -> Documents:
        """The first documents that every group has, ascending."""

    def risen(self, groups: Sequence[Group]) -> Documents:
        """The documents that every group has, of those that listening histories made popular: they
        may stand far down."""

    def within(self, groups: Sequence[Group], documents: Documents) -> Documents:
        """Those of the documents (ascending) that every group has."""

    def rows(self, documents: Documents) -> pa.Table:
        """What is shown and ranked: `key`, `recording`, `title`, `artists`, `album`, `year`,
        `duration_ms`, `isrcs`, `popularity`, `genres`."""

    def identified(self, kind: IdentifierKind, value: str) -> Documents:
        """The documents that have an ISRC, UPC or MBID."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One source's index, open."""

    source: str
    index: Index


VOCABULARY = ranking.Vocabulary()
"""Shared by all searches: what it knows depends on nothing but the names."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What every window is searched for."""

    layers: Sequence[Layer]
    query: Query
    readings: Sequence[Reading]
    held: Keys | None
    vocabulary: ranking.Vocabulary


class Place(NamedTuple):
    """A candidate, in the order of the hits: ties go to the layer's more popular."""

    worse: float
    layer: int
    document: int
    row: int
    recording: int
    columns: dict[str, list[Any]]


def documents_of(asked: Asked, number: int, start: int, stop: int) -> tuple[Documents, bool]:
    """The documents of one layer that may be meant, from the `start`-th most popular to before the
    `stop`-th, with those that have risen; and whether there may be more after them."""
    index, query = asked.layers[number].index, asked.query
    parts, more = [], False
    for reading in asked.readings:
        groups = [*_word_groups(reading), *_filter_groups(query)]
        if query.identifiers:
            found = index.within(groups, _identified(index, query))[:stop]
        else:
            found = index.matches(groups, stop, popularity=query.popularity)
            if not start:
                parts.append(index.risen(groups))
        more |= len(found) == stop
        parts.append(found[start:])
    return np.unique(np.concatenate(parts)), more


def _identified(index: Index, query: Query) -> Documents:
    """The documents that have all identifiers that are asked for."""
    each = [index.identified(kind, value) for kind, value in query.identifiers]
    return reduce(np.intersect1d, each)


def _word_groups(reading: Reading) -> Iterator[Group]:
    for word in reading.words:
        if word is not None:
            yield Group(tuple(word.terms), word.beginnings)


def _filter_groups(query: Query) -> Iterator[Group]:
    if query.years:
        low, high = max(query.years.low, FIRST_YEAR), min(query.years.high, LAST_YEAR)
        first = math.floor(low) + 1 if query.years.without_low else math.ceil(low)
        last = math.ceil(high) - 1 if query.years.without_high else math.floor(high)
        if first <= last:
            yield Group(between=(words.year_word(first), words.year_word(last)))
        else:
            yield Group()
    for genre in query.genres:
        yield Group((words.genre_words(genre)[0],))
    if query.explicit is not None:
        yield Group((words.explicit_word(query.explicit),))


def candidates(asked: Asked, number: int, documents: Documents) -> Iterator[Place]:
    """Documents of one layer with their scores, without those that their rows rule out."""
    query = asked.query
    rows = asked.layers[number].index.rows(documents)
    if query.held is not None and asked.held is not None:
        kept = among(rows["recording"].to_numpy(), asked.held) == query.held
        documents, rows = documents[kept], rows.filter(pa.array(kept))
    columns = rows.to_pydict()
    for row, track in enumerate(asked.vocabulary.tracks(names_of(columns))):
        popularity = columns["popularity"][row]
        if query.popularity and (popularity is None or not query.popularity.holds(popularity)):
            continue
        best = _best(asked, track, popularity or 0.0)
        if best is not None:
            recording = columns["recording"][row]
            yield Place(-best, number, int(documents[row]), row, recording, columns)


def names_of(columns: dict[str, list[Any]]) -> list[ranking.Names]:
    """What the tracks of some rows are called."""
    names = zip(columns["title"], columns["artists"], columns["album"], strict=True)
    return [ranking.Names(title, artists or (), album) for title, artists, album in names]


def _best(asked: Asked, track: ranking.Track, popularity: float) -> float | None:
    """The best score over the readings that a track answers; None if its words stand wrongly."""
    scores = []
    for reading in asked.readings:
        if all(
            ranking.holds_in(
                [word for word in reading.words[phrase.start : phrase.stop] if word],
                track,
                phrase.field,
            )
            for phrase in asked.query.phrases
        ):
            scores.append(ranking.score(reading.words, track, popularity))
    return max(scores, default=None)


def among(values: Keys, sorted_keys: Keys) -> npt.NDArray[np.bool_]:
    """Which values a sorted column has."""
    if not len(sorted_keys):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(sorted_keys, values), len(sorted_keys) - 1)
    return np.equal(sorted_keys[places], values)


class AllTerms:
    """The terms of all layers together."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    def has(self, term: str) -> bool:
        """Whether any layer has the word."""
        return any(layer.index.has(term) for layer in self.layers)

    def begins(self, beginning: str) -> bool:
        """Whether any layer has a word that begins so."""
        return any(layer.index.begins(beginning) for layer in self.layers)

    def similar(self, word: str, distance: int) -> list[tuple[str, int]]:
        """The terms of any layer that are so near, nearest first."""
        found = {pair for layer in self.layers for pair in layer.index.similar(word, distance)}
        return sorted(found, key=lambda pair: (pair[1], pair[0]))
