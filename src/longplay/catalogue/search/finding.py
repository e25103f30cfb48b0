"""Search: what listeners mean comes first, over all layers of a snapshot.

Of each layer the most popular tracks that have all words are taken, in windows that double; within
a window the tracks of all layers are ordered by how well they answer (`ranking`), and of each
recording the best is kept. Windows do not depend on how many hits are asked for, so that pages fit
together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay import clock
from longplay.catalogue import ids
from longplay.catalogue.search import forgiving, ranking, words
from longplay.catalogue.search.forgiving import Reading
from longplay.catalogue.search.query import LAST_YEAR, Query, Range
from longplay.errors import UsageError

WINDOW = 200
"""Tracks of a layer that are compared at first. The best answer to words that many tracks have is
among the most popular of them."""

MOST_LOOKED_AT = 10_000
"""Tracks of a layer that are looked at in all, for a page far down or for what only rows can tell
(words in quotes, `held:`)."""

MOST_HITS = 10_000
"""The last hit that can be asked for: nobody reads further, and every page before it is made."""

Documents = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]


class Group(NamedTuple):
    """Of these terms, and those with one of these beginnings, a track must have one."""

    terms: tuple[str, ...]
    beginnings: tuple[str, ...] = ()


class Index(forgiving.Terms, Protocol):
    """A layer's index, as search asks it. Documents are numbered by descending popularity."""

    def matches(
        self, groups: Sequence[Group], limit: int, *, popularity: Range | None = None
    ) -> Documents:
        """The first documents that every group has, ascending."""

    def within(self, groups: Sequence[Group], documents: Documents) -> Documents:
        """Those of the documents (ascending) that every group has."""

    def rows(self, documents: Documents) -> pa.Table:
        """What is shown and ranked: `key`, `title`, `artists`, `album`, `year`, `duration_ms`,
        `isrcs`, `popularity`, `explicit`, `genres`."""

    def identified(self, kind: str, value: str) -> Documents:
        """The documents that have an ISRC, UPC or MBID."""

    def recordings(self, documents: Documents) -> Keys:
        """The recordings of documents."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One recording, by the track of it that answers best."""

    id: str
    recording: str
    title: str | None
    artists: tuple[str, ...]
    album: str | None
    year: int | None
    duration_ms: int | None
    isrc: str | None
    popularity: float | None
    held: bool | None
    source: str


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query.

    `total` is the number of hits where all were looked at, else None. `meant` are the words that
    were searched instead, where nothing has those that were typed; `ms` is how long it took.
    """

    query: str
    total: int | None
    hits: tuple[Hit, ...]
    ms: float
    meant: str | None = None
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "query": self.query,
            "total": self.total,
            "hits": list(self.hits),
            "ms": self.ms,
            "meant": self.meant,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Layer:
    """One source's index, open."""

    source: str
    index: Index


_VOCABULARY = ranking.Vocabulary()
"""Shared by all searches: what it knows depends on nothing but the names."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every window is searched for."""

    layers: Sequence[Layer]
    query: Query
    readings: Sequence[Reading]
    held: Keys | None
    vocabulary: ranking.Vocabulary


class _Place(NamedTuple):
    """A candidate, in the order of the hits: ties go to the layer's more popular."""

    worse: float
    layer: int
    document: int
    row: int
    recording: int
    columns: dict[str, list[Any]]


def find(
    layers: Sequence[Layer],
    query: Query,
    *,
    limit: int = 10,
    offset: int = 0,
    held: Keys | None = None,
) -> Found:
    """The hits from `offset` on, at most `limit`. `held` are the recordings that the archive has,
    ascending; without them no hit says whether it is held, and `held:` cannot be asked.

    Raises UsageError when `limit` or `offset` is out of bounds.
    """
    started = clock.monotonic()
    if limit < 0 or offset < 0 or limit + offset > MOST_HITS:
        raise UsageError(f"hits can be asked for up to the {MOST_HITS:,}th")
    if query.held is not None and held is None:
        raise UsageError("held: needs an archive that knows what it holds")
    places: list[_Place] = []
    total: int | None = 0
    meant = None
    if not (query.empty or query.nothing):
        for readings in forgiving.readings(query, _All(layers)):
            asked = _Asked(layers, query, readings, held, _VOCABULARY)
            places, total = _gather(asked, limit + offset)
            if places:
                meant = _meant(asked, places[0]) if readings[0].changed else None
                break
    hits = tuple(_hit(layers, place, held) for place in places[offset : offset + limit])
    milliseconds = round(1000 * (clock.monotonic() - started), 3)
    return Found(query.text, total, hits, milliseconds, meant, _notes(query, total))


def _gather(asked: _Asked, wanted: int) -> tuple[list[_Place], int | None]:
    """The hits in order, at least `wanted` if there are as many; and how many there are, if all
    were looked at."""
    places: list[_Place] = []
    seen: set[int] = set()
    start, size = 0, WINDOW
    while start < MOST_LOOKED_AT:
        window, more = _window(asked, start, start + size)
        for place in sorted(window, key=lambda place: place[:3]):
            if place.recording not in seen:
                seen.add(place.recording)
                places.append(place)
        if not more:
            return places, len(places)
        if len(places) >= wanted:
            break
        start, size = start + size, 2 * size
    return places, None


def _window(asked: _Asked, start: int, stop: int) -> tuple[list[_Place], bool]:
    """The candidates of one window of every layer, and whether there are more after it."""
    found: list[_Place] = []
    more = False
    for number, layer in enumerate(asked.layers):
        parts = []
        for reading in asked.readings:
            documents = _documents(layer.index, asked.query, reading, stop)
            more |= len(documents) == stop
            parts.append(documents[start:])
        documents = np.unique(np.concatenate(parts)) if len(parts) > 1 else parts[0]
        if len(documents):
            found += _candidates(asked, number, documents)
    return found, more


def _documents(index: Index, query: Query, reading: Reading, limit: int) -> Documents:
    """The layer's most popular documents that a reading of the query may mean."""
    groups = [*_word_groups(reading), *_filter_groups(query)]
    if not query.identifiers:
        return index.matches(groups, limit, popularity=query.popularity)
    kind, value = query.identifiers[0]
    documents = index.identified(kind, value)
    for kind, value in query.identifiers[1:]:
        documents = np.intersect1d(documents, index.identified(kind, value))
    return (index.within(groups, documents) if groups else documents)[:limit]


def _word_groups(reading: Reading) -> Iterator[Group]:
    for word in reading.words:
        if word is not None:
            beginnings = () if word.beginning is None else (word.beginning,)
            yield Group(tuple(word.terms), beginnings)


def _filter_groups(query: Query) -> Iterator[Group]:
    if query.years:
        low = max(math.ceil(query.years.low), 0) if math.isfinite(query.years.low) else 0
        high = int(query.years.high) if math.isfinite(query.years.high) else LAST_YEAR
        years = (year for year in range(low, high + 1) if query.years.holds(year))
        yield Group(tuple(words.year_word(year) for year in years))
    for genre in query.genres:
        yield Group((words.genre_words(genre)[0],))
    if query.explicit is not None:
        yield Group((words.explicit_word(query.explicit),))


def _candidates(asked: _Asked, number: int, documents: Documents) -> Iterator[_Place]:
    """Documents of one layer with their scores, without those that their rows rule out."""
    index = asked.layers[number].index
    recordings = index.recordings(documents)
    if asked.query.held is not None and asked.held is not None:
        kept = _among(recordings, asked.held) == asked.query.held
        documents, recordings = documents[kept], recordings[kept]
    columns = index.rows(documents).to_pydict()
    popularities = columns["popularity"]
    for row, track in enumerate(asked.vocabulary.tracks(_names(columns))):
        popularity = popularities[row] or 0.0
        if asked.query.popularity and not (
            popularities[row] is not None and asked.query.popularity.holds(popularity)
        ):
            continue
        best = _best(asked, track, popularity)
        if best is not None:
            yield _Place(-best, number, int(documents[row]), row, int(recordings[row]), columns)


def _names(columns: dict[str, list[Any]]) -> list[ranking.Names]:
    names = zip(columns["title"], columns["artists"], columns["album"], strict=True)
    return [ranking.Names(title, artists or (), album) for title, artists, album in names]


def _best(asked: _Asked, track: ranking.Track, popularity: float) -> float | None:
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


def _among(values: Keys, sorted_keys: Keys) -> npt.NDArray[np.bool_]:
    """Which values a sorted column has."""
    if not len(sorted_keys):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(sorted_keys, values), len(sorted_keys) - 1)
    return np.equal(sorted_keys[places], values)


def _hit(layers: Sequence[Layer], place: _Place, held: Keys | None) -> Hit:
    """What is shown of a candidate."""
    row = {name: values[place.row] for name, values in place.columns.items()}
    return Hit(
        id=ids.text("tr", row["key"]),
        recording=ids.text("rec", place.recording),
        title=row["title"],
        artists=tuple(row["artists"] or ()),
        album=row["album"],
        year=row["year"],
        duration_ms=row["duration_ms"],
        isrc=next(iter(row["isrcs"] or ()), None),
        popularity=row["popularity"],
        held=None
        if held is None
        else bool(_among(np.array([place.recording], np.uint64), held)[0]),
        source=layers[place.layer].source,
    )


def _meant(asked: _Asked, place: _Place) -> str:
    """The words that the best hit answers, where they are others than those that were typed."""
    row = {name: values[place.row : place.row + 1] for name, values in place.columns.items()}
    (track,) = asked.vocabulary.tracks(_names(row))
    terms = [*track.title, *(term for words in track.artists for term in words), *track.album]
    reading = max(asked.readings, key=lambda each: ranking.text_score(each.words, track))
    best = (
        max((word.worth(term), term) for term in terms)[1]
        for word in reading.words
        if word is not None
    )
    return " ".join(best)


def _notes(query: Query, total: int | None) -> tuple[str, ...]:
    notes = []
    if query.cut:
        notes.append("the query was too long; its end was not read")
    if total is None and (query.phrases or query.held is not None):
        notes.append(f"looked at the {MOST_LOOKED_AT:,} most popular tracks of each source only")
    return tuple(notes)


class _All:
    """The terms of all layers together."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    def has(self, term: str) -> bool:
        return any(layer.index.has(term) for layer in self.layers)

    def begins(self, beginning: str) -> bool:
        return any(layer.index.begins(beginning) for layer in self.layers)

    def similar(self, word: str, distance: int) -> list[tuple[str, int]]:
        found = {pair for layer in self.layers for pair in layer.index.similar(word, distance)}
        return sorted(found, key=lambda pair: (pair[1], pair[0]))
