"""Everything that is known of one id or identifier: each fact with the source that says it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from longplay.catalogue import corrections, identifiers, identity, ids
from longplay.catalogue.search import opening, words
from longplay.catalogue.search.candidates import Documents, Keys
from longplay.catalogue.search.opening import Opened, OpenIndex
from longplay.catalogue.snapshot import Snapshot
from longplay.errors import InputError

Kind = Literal["track", "album", "artist", "recording"]

MOST_TRACKS = 1000
"""Tracks that are listed of one thing: an artist may have more."""

MOST_THINGS = 100
"""Recordings or albums that are shown for one identifier: a code that more share is misused."""

MOST_NAMED = 10_000
"""Tracks with the words of an album's title, or of an artist's name, that are looked at."""

_KINDS: dict[str, Kind] = {"tr": "track", "al": "album", "ar": "artist", "rec": "recording"}
_SHOWN = (
    "title", "artists", "album", "release_date", "duration_ms", "isrcs", "recording_mbid",
    "genres", "explicit", "popularity",
)  # fmt: skip
"""What search indexes say of a track; the tables say more."""

_NUMBERS = ("artists", "album", "same_as", "since")
"""Columns of tables that are numbers of other rows."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of a field: the source that says it, and of which of its tracks, albums, artists.
    What curators said has the source `corrections`."""

    field: str
    value: Any
    source: str
    of: str


@dataclass(frozen=True, slots=True)
class Line:
    """A track in the list of an album, an artist or a recording."""

    id: str
    recording: str
    source: str
    title: str | None
    artists: tuple[str, ...]
    album: str | None
    duration_ms: int | None
    isrcs: tuple[str, ...]
    popularity: float | None


@dataclass(frozen=True, slots=True)
class Thing:
    """A track, album, artist or recording. `was` is the id that was asked for, where it has become
    another; `parts` are the recordings that were split from it; `gone` says that no source has it
    any more. `tracks` are the most popular `MOST_TRACKS` of `track_count`."""

    kind: Kind
    id: str
    was: str | None = None
    gone: bool = False
    parts: tuple[str, ...] = ()
    recording: str | None = None
    facts: tuple[Fact, ...] = ()
    tracks: tuple[Line, ...] = ()
    track_count: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What an id, ISRC, UPC or MBID stands for."""

    asked: str
    found: tuple[Thing, ...]


Found = tuple[str, OpenIndex, int]
"""A row of a layer: the source, its index, the number."""


def show(snapshot: Snapshot, asked: str, *, full: bool = False) -> Shown:
    """What a `tr`, `al`, `ar` or `rec` id, an ISRC, a UPC or a MusicBrainz id stands for.

    Milliseconds for tracks and recordings, whatever the catalogue's size; with `full`, also what
    only the tables say (positions, labels, licences, the sources' own ids), which are read.
    Raises InputError when the text is none of these, or nothing in the catalogue has it.
    """
    text = asked.strip()
    known = opening.opened(snapshot)
    kind = identifiers.kind_of(text)
    if kind is None:
        found = _by_id(snapshot, known, text, full)
    else:
        found = tuple(_identified(known, kind, text, full))
    if not found:
        raise InputError(
            "is not in the catalogue",
            where=text[:60],
            hint="`longplay catalogue search` shows ids",
        )
    return Shown(text, found)


def recordings_of_album(snapshot: Snapshot, album: int) -> Keys | None:
    """The recordings of all tracks of the album of that key; None where no source has it."""
    known = opening.opened(snapshot)
    found = []
    for index in known.indexes:
        row = index.row("al", album)
        if row is not None:
            title = index.index.albums(_numbers([row]))["title"][0].as_py()
            found.append(index.recordings(_album_tracks(index, row, title)))
    return np.unique(np.concatenate(found)) if found else None


def _by_id(snapshot: Snapshot, known: Opened, text: str, full: bool) -> tuple[Thing, ...]:
    prefix, key = ids.parse(text)
    now = key
    if prefix == "rec":
        now = int(known.told.redirects.over(_one(key), _one(key))[0])
    thing = _thing(known, prefix, now, full)
    was = ids.text(prefix, key)
    if thing is not None:
        return (_followed(known, thing, was, (key, now)),)
    became = identity.resolve(snapshot, text)
    if became is None:
        return ()
    return (
        Thing(
            _KINDS[prefix],
            became.now,
            None if became.now == was else was,
            gone=True,
            parts=became.parts,
        ),
    )


def _followed(known: Opened, thing: Thing, was: str, recordings: tuple[int, int]) -> Thing:
    """A thing that was asked for by an id: what became of that."""
    parts: tuple[str, ...] = ()
    if thing.kind == "recording":
        splits = known.told.splits
        found = splits.values[np.isin(splits.keys, recordings)]
        parts = tuple(ids.text("rec", int(part)) for part in found)
    return replace(thing, was=None if thing.id == was else was, parts=parts)


def _identified(known: Opened, kind: identifiers.Kind, text: str, full: bool) -> Iterator[Thing]:
    """What has an identifier: recordings, then albums, then artists."""
    value = identifiers.SCALARS[kind](text) or ""
    if kind == "isrc":
        yield from _recordings(known, kind, value, full)
    elif kind == "gtin":
        yield from _having(known, "al", "upc", value, full)
    elif kind == "mbid":
        yield from _recordings(known, kind, value, full)
        yield from _having(known, "al", "mbid", value, full)
        yield from _having(known, "ar", "mbid", value, full)


def _having(
    known: Opened, prefix: Literal["al", "ar"], column: str, value: str, full: bool
) -> Iterator[Thing]:
    """The albums or artists that have a value."""
    table = "albums" if prefix == "al" else "artists"
    for layer, index in zip(known.layers, known.indexes, strict=True):
        for row in index.albums.numbers(table, column, value)[:MOST_THINGS]:
            key = index.albums.key_of(prefix, row)
            yield _row_thing(known, prefix, key, [(layer.source, index, row)], full)


def _recordings(
    known: Opened, kind: Literal["isrc", "mbid"], value: str, full: bool
) -> Iterator[Thing]:
    """The recordings whose tracks have an ISRC, or an MBID of their own."""
    found: dict[int, None] = {}
    for index in known.indexes:
        documents = index.having(kind, value)
        found |= dict.fromkeys(index.recordings(documents).tolist())
    for recording in list(found)[:MOST_THINGS]:
        thing = _thing(known, "rec", recording, full)
        if thing is not None:
            yield thing


def _thing(known: Opened, prefix: str, key: int, full: bool) -> Thing | None:
    """What has a key in some layer; None where nothing has."""
    if prefix in ("tr", "rec"):
        tracks = _tracks(known, [key]) if prefix == "tr" else _members(known, key)
        return _track_thing(known, prefix, key, tracks, full) if tracks else None
    rows = [
        (layer.source, index, row)
        for layer, index in zip(known.layers, known.indexes, strict=True)
        if (row := index.row("al" if prefix == "al" else "ar", key)) is not None
    ]
    return _row_thing(known, prefix, key, rows, full) if rows else None


def _tracks(known: Opened, track_keys: Sequence[int]) -> list[Found]:
    """The rows of tracks by their keys."""
    return [
        (layer.source, index, document)
        for key in track_keys
        for layer, index in zip(known.layers, known.indexes, strict=True)
        if (document := index.document(key)) is not None
    ]


def _members(known: Opened, recording: int) -> list[Found]:
    """The tracks of a recording over all layers: those that the joins give to it, and those that
    their layer does, where the joins do not say otherwise."""
    joined = known.told.recordings
    given = joined.keys[joined.values == np.uint64(recording)].tolist()
    found = {(source, row): (source, index, row) for source, index, row in _tracks(known, given)}
    (standing,) = ids.minted(_one(recording)).tolist()
    for source, index, document in _tracks(known, [standing]):
        together = index.standing_with(document)
        mine = index.recordings(together) == np.uint64(recording)
        found |= {(source, int(row)): (source, index, int(row)) for row in together[mine]}
    return list(found.values())


def _track_thing(known: Opened, prefix: str, key: int, tracks: list[Found], full: bool) -> Thing:
    """A track or a recording with what its rows say."""
    facts: list[Fact] = []
    for source, index, document, row in _said(tracks[:MOST_THINGS]):
        of = ids.text("tr", row["key"])
        facts += (Fact(name, row[name], source, of) for name in _SHOWN)
        if full:
            facts += _table_facts(index, "tracks", document, source, of)
    facts += _corrected(known, prefix, key)
    lines = _lines(tracks)
    recording = lines[0].recording if prefix == "tr" else None
    return Thing(
        _KINDS[prefix],
        ids.text(prefix, key),
        recording=recording,
        facts=_known(facts),
        tracks=lines[:MOST_TRACKS],
        track_count=len(lines),
    )


def _said(tracks: list[Found]) -> Iterator[tuple[str, OpenIndex, int, dict[str, Any]]]:
    """Tracks with what their sources say, those of one source read at once."""
    for source, found in itertools.groupby(tracks, key=lambda track: track[0]):
        mine = list(found)
        index = mine[0][1]
        rows = index.index.rows(_numbers([document for _, _, document in mine])).to_pylist()
        for (_, _, document), row in zip(mine, rows, strict=True):
            yield source, index, document, row


def _row_thing(known: Opened, prefix: str, key: int, rows: list[Found], full: bool) -> Thing:
    """An album or an artist with what its rows say, and its tracks."""
    of = ids.text(prefix, key)
    facts: list[Fact] = []
    tracks: list[Found] = []
    for source, index, row in rows:
        if prefix == "al":
            said = index.index.albums(_numbers([row])).to_pylist()[0]
            names = ["title", "artists", "release_date"]
            documents = _album_tracks(index, row, said["title"])
        else:
            said = index.index.artists(_numbers([row])).to_pylist()[0]
            names = ["name"]
            documents = _artist_tracks(index, row, said["name"])
        facts += (Fact(name, said[name], source, of) for name in names)
        if full:
            table = "albums" if prefix == "al" else "artists"
            facts += _table_facts(index, table, row, source, of)
        tracks += ((source, index, int(document)) for document in documents)
    facts += _corrected(known, prefix, key)
    return Thing(
        _KINDS[prefix],
        of,
        facts=_known(facts),
        tracks=_lines(tracks[:MOST_TRACKS]),
        track_count=len(tracks),
    )


def _album_tracks(index: OpenIndex, album: int, title: str | None) -> Documents:
    """The tracks of an album: of those with the words of its title, or by reading the column."""
    groups = [index.index.word(word) for word in words.words(title or "")]
    documents = index.index.matches(groups, MOST_NAMED) if groups else _numbers([])
    if not groups or len(documents) == MOST_NAMED:
        return index.albums.of_album(album)
    found = index.index.rows(documents)["album_number"].to_pylist()
    return documents[np.array([each == album for each in found], np.bool_)]


def _artist_tracks(index: OpenIndex, artist: int, name: str | None) -> Documents:
    """The tracks of an artist: the most popular with the words of the name."""
    groups = [index.index.word(word) for word in words.words(name or "")]
    documents = index.index.matches(groups, MOST_NAMED) if groups else _numbers([])
    found = index.index.rows(documents)["artist_numbers"].to_pylist()
    return documents[np.array([artist in (each or ()) for each in found], np.bool_)]


def _table_facts(index: OpenIndex, table: str, row: int, source: str, of: str) -> Iterator[Fact]:
    """What only a table says of a row."""
    said = index.albums.said(table, row)
    for name, value in said.items():
        if name not in _SHOWN and name not in _NUMBERS and name != "name":
            yield Fact(name, value, source, of)


def _corrected(known: Opened, prefix: str, key: int) -> Iterator[Fact]:
    """What curators said of an id."""
    for (kind, name), (subjects, values) in known.told.edits.values.items():
        if kind == prefix and name != "year":
            for place in np.flatnonzero(subjects == np.uint64(key)):
                yield Fact(name, values[place], corrections.SOURCE, ids.text(prefix, key))


def _known(facts: list[Fact]) -> tuple[Fact, ...]:
    """The facts that say something."""
    return tuple(fact for fact in facts if fact.value is not None and fact.value != [])


def _lines(tracks: list[Found]) -> tuple[Line, ...]:
    """Tracks as they are listed, the most popular first."""
    by_source: dict[str, list[int]] = {}
    indexes = {source: index for source, index, _ in tracks}
    for source, _, document in tracks:
        by_source.setdefault(source, []).append(document)
    found = [
        _line(source, row)
        for source, documents in by_source.items()
        for row in indexes[source].rows(_numbers(documents)).to_pylist()
    ]
    return tuple(sorted(found, key=lambda line: -(line.popularity or 0)))


def _line(source: str, row: dict[str, Any]) -> Line:
    return Line(
        ids.text("tr", row["key"]),
        ids.text("rec", row["recording"]),
        source,
        row["title"],
        tuple(row["artists"] or ()),
        row["album"],
        row["duration_ms"],
        tuple(row["isrcs"] or ()),
        row["popularity"],
    )


def _numbers(rows: Sequence[int]) -> Documents:
    return np.array(rows, np.uint32)


def _one(key: int) -> Keys:
    return np.array([key], np.uint64)
