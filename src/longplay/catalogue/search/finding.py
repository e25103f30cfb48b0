"""Search: what listeners mean comes first, over all layers of a snapshot.

Of each layer the most popular tracks that have all words are taken, in windows that double; within
a window the tracks of all layers are ordered by how well they answer (`ranking`), and of each
recording the best is kept. Windows do not depend on how many hits are asked for, so that pages fit
together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay import clock
from longplay.catalogue import ids
from longplay.catalogue.search import forgiving, opening, ranking
from longplay.catalogue.search.candidates import (
    MOST_LOOKED_AT,
    VOCABULARY,
    AllTerms,
    Asked,
    Keys,
    Layer,
    Place,
    among,
    candidates,
    documents_of,
    names_of,
)
from longplay.catalogue.search.query import Query, parse
from longplay.catalogue.snapshot import Snapshot
from longplay.errors import UsageError

WINDOW = 128
"""Tracks of a layer that are compared at first. The best answer to words that many tracks have is
among the most popular of them."""

MOST_HITS = 10_000
"""The last hit that can be asked for: nobody reads further, and every page before it is made."""


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


def search(
    snapshot: Snapshot,
    text: str,
    *,
    limit: int = 10,
    offset: int = 0,
    held: Keys | None = None,
    typing: bool = True,
) -> Found:
    """Search a snapshot: `find` in its layers, which stay open, with `query.parse` of the text.

    Raises UsageError for a filter that means nothing, ArchiveError for a damaged index.
    """
    layers = opening.layers(snapshot)
    return find(layers, parse(text, typing=typing), limit=limit, offset=offset, held=held)


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
    places: list[Place] = []
    total: int | None = 0
    meant = None
    for asked in readings(layers, query, held):
        places, total = _gather(asked, limit + offset)
        if places:
            meant = _meant(asked, places[0]) if asked.readings[0].changed else None
            break
    hits = tuple(_hit(layers, place, held) for place in places[offset : offset + limit])
    milliseconds = round(1000 * (clock.monotonic() - started), 3)
    return Found(query.text, total, hits, milliseconds, meant, _notes(query, total))


def readings(layers: Sequence[Layer], query: Query, held: Keys | None) -> Iterator[Asked]:
    """What to ask for in turn, until something is found."""
    if query.empty or query.nothing:
        return
    for step in forgiving.readings(query, AllTerms(layers)):
        yield Asked(layers, query, step, held, VOCABULARY)


def _gather(asked: Asked, wanted: int) -> tuple[list[Place], int | None]:
    """The hits in order, at least `wanted` if there are as many; and how many there are, if all
    were looked at."""
    places: list[Place] = []
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


def _window(asked: Asked, start: int, stop: int) -> tuple[list[Place], bool]:
    """The candidates of one window of every layer, and whether there are more after it."""
    found: list[Place] = []
    more = False
    for number in range(len(asked.layers)):
        documents, some = documents_of(asked, number, start, stop)
        more |= some
        if len(documents):
            found += candidates(asked, number, documents)
    return found, more


def _hit(layers: Sequence[Layer], place: Place, held: Keys | None) -> Hit:
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
        held=None if held is None else bool(among(np.array([place.recording], np.uint64), held)[0]),
        source=layers[place.layer].source,
    )


def _meant(asked: Asked, place: Place) -> str:
    """The words that the best hit answers, where they are others than those that were typed."""
    row = {name: values[place.row : place.row + 1] for name, values in place.columns.items()}
    (track,) = asked.vocabulary.tracks(names_of(row))
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
