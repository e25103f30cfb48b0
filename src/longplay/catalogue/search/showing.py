"""Everything that is known of one id or identifier: each fact with the source that says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from longplay.catalogue import identifiers, identity, ids, tracks
from longplay.catalogue.identity import Resolution
from longplay.catalogue.snapshot import Snapshot
from longplay.catalogue.tracks import Tracks
from longplay.errors import InputError

Kind = Literal["track", "album", "artist", "recording"]

MOST_TRACKS = 1000
"""Tracks that are listed of one thing: an artist may have more, and they are counted."""

MOST_THINGS = 100
"""Recordings or albums that are shown for one identifier: a code that more share is misused."""

_TRACK_FIELDS = (
    "title", "artists", "disc_number", "track_number", "duration_ms", "isrcs", "recording_mbid",
    "iswcs", "release_date", "genres", "explicit", "popularity", "listens", "licence",
)  # fmt: skip
_ALBUM_FIELDS = ("title", "artists", "release_date", "upc", "mbid", "label")
_ARTIST_FIELDS = ("name", "mbid")


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of a field, and the source (with the id there) that says it."""

    field: str
    value: Any
    source: str
    own_id: str


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
    any more. `tracks` are at most `MOST_TRACKS`, the most popular first, of `track_count`."""

    kind: Kind
    id: str
    was: str | None
    gone: bool
    parts: tuple[str, ...]
    recording: str | None
    facts: tuple[Fact, ...]
    tracks: tuple[Line, ...]
    track_count: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What an id, ISRC, UPC or MBID stands for."""

    asked: str
    found: tuple[Thing, ...]


def show(snapshot: Snapshot, asked: str) -> Shown:
    """What a `tr`, `al`, `ar` or `rec` id, an ISRC, a UPC or a MusicBrainz id stands for.

    Raises InputError when it is none of these, or nothing in the catalogue has it.
    """
    text = asked.strip()
    with tracks.opened(snapshot) as looked:
        found = tuple(_things(looked, text))
    if not found:
        raise InputError(
            "is not in the catalogue",
            where=text[:60],
            hint="`longplay catalogue search` shows ids",
        )
    return Shown(text, found)


def _things(looked: Tracks, text: str) -> Iterator[Thing]:
    """What a text names. Raises InputError when it can name nothing."""
    kind = identifiers.kind_of(text)
    if kind is None:
        prefix, _ = ids.parse(text)
        became = identity.resolve(looked.snapshot, text)
        if became is not None:
            yield _SHOWN[prefix](looked, became)
        return
    number = {
        "isrc": identifiers.isrc,
        "gtin": identifiers.gtin,
        "iswc": identifiers.iswc,
        "mbid": identifiers.mbid,
    }[kind](text)
    queries = {
        "isrc": [("rec", _RECORDINGS.format("list_contains(isrcs, $1)"))],
        "iswc": [("rec", _RECORDINGS.format("list_contains(iswcs, $1)"))],
        "gtin": [("al", "SELECT key FROM albums WHERE upc = $1")],
        "mbid": [
            ("rec", _RECORDINGS.format("recording_mbid = $1")),
            ("al", "SELECT key FROM albums WHERE mbid = $1"),
            ("ar", "SELECT key FROM artists WHERE mbid = $1"),
        ],
    }[kind]
    for prefix, query in queries:
        keys = looked.connection.execute(f"{query} LIMIT {MOST_THINGS}", [number]).fetchall()
        for (key,) in keys:
            identity_text = ids.text(prefix, key)
            yield _SHOWN[prefix](looked, Resolution(identity_text, identity_text, True))


_RECORDINGS = "SELECT DISTINCT recording FROM tracks JOIN members USING (track) WHERE {}"


def _thing(
    looked: Tracks,
    kind: Kind,
    became: Resolution,
    facts: Iterator[Fact],
    which: str,
    parameter: object,
    recording: str | None = None,
) -> Thing:
    lines, count = _lines(looked, which, parameter)
    return Thing(
        kind,
        became.now,
        None if became.now == became.asked else became.asked,
        not became.live,
        became.parts,
        recording,
        tuple(facts),
        lines,
        count,
    )


def _track(looked: Tracks, became: Resolution) -> Thing:
    key = ids.parse(became.now)[1]
    row = _facts(looked, "named_tracks", "track", key, _TRACK_FIELDS)
    album = _album_facts(looked, "key", _album_of(looked, key))
    recording = ids.text("rec", identity.recording_of(looked, key)) if became.live else None
    facts = [*row, *(Fact(f"album_{each.field}", *_rest(each)) for each in album)]
    return _thing(looked, "track", became, iter(facts), "t.track = $1", key, recording)


def _rest(fact: Fact) -> tuple[Any, str, str]:
    return fact.value, fact.source, fact.own_id


def _album_of(looked: Tracks, track: int) -> int | None:
    found = looked.connection.execute(
        "SELECT a.key FROM tracks t JOIN albums a USING (album) WHERE track = ?", [track]
    ).fetchone()
    return found[0] if found else None


def _recording(looked: Tracks, became: Resolution) -> Thing:
    members = identity.members(looked, ids.parse(became.now)[1])
    facts = (
        fact
        for key in members[:MOST_THINGS]
        for fact in _facts(looked, "named_tracks", "track", key, _TRACK_FIELDS)
    )
    asked = members or [0]
    return _thing(looked, "recording", became, facts, "t.track IN (SELECT unnest($1))", asked)


def _album(looked: Tracks, became: Resolution) -> Thing:
    key = ids.parse(became.now)[1]
    which = "t.album IN (SELECT album FROM albums WHERE key = $1)"
    return _thing(looked, "album", became, _album_facts(looked, "key", key), which, key)


def _album_facts(looked: Tracks, column: str, key: int | None) -> Iterator[Fact]:
    return _facts(looked, "named_albums", column, key, _ALBUM_FIELDS)


def _artist(looked: Tracks, became: Resolution) -> Thing:
    key = ids.parse(became.now)[1]
    which = "list_has_any(t.artists, (SELECT list(artist) FROM artists WHERE key = $1))"
    facts = _facts(looked, "artists", "key", key, _ARTIST_FIELDS)
    return _thing(looked, "artist", became, facts, which, key)


_SHOWN = {"tr": _track, "rec": _recording, "al": _album, "ar": _artist}


def _facts(
    looked: Tracks, view: str, column: str, key: int | None, fields: tuple[str, ...]
) -> Iterator[Fact]:
    """What is said of a row; nothing of what is unknown."""
    query = f"SELECT source, own_id, {', '.join(fields)} FROM {view} WHERE {column} = ?"
    for row in _table(looked, query, key).to_pylist():
        source, own_id = row["source"], row["own_id"]
        for name in fields:
            if row[name] is not None and row[name] != []:
                yield Fact(name, row[name], source, own_id)


def _lines(looked: Tracks, which: str, parameter: object) -> tuple[tuple[Line, ...], int]:
    """The tracks that a condition names, the most popular first, and how many there are."""
    query = (
        f"SELECT t.track, t.source, t.title, a.title AS album, t.duration_ms, t.isrcs,"
        f" t.popularity, t.artists, count(*) OVER () AS count FROM tracks t"
        f" LEFT JOIN albums a USING (album) WHERE {which}"
        f" ORDER BY t.popularity DESC NULLS LAST, t.number LIMIT {MOST_TRACKS}"
    )
    found = _table(looked, query, parameter)
    names = _artist_names(looked, found["artists"])
    recordings = _recordings(looked, found["track"])
    lines = tuple(
        Line(
            ids.text("tr", row["track"]),
            ids.text("rec", recordings[row["track"]]),
            row["source"],
            row["title"],
            tuple(names[each] for each in row["artists"] or () if names.get(each)),
            row["album"],
            row["duration_ms"],
            tuple(row["isrcs"] or ()),
            row["popularity"],
        )
        for row in found.to_pylist()
    )
    return lines, found["count"][0].as_py() if len(found) else 0


def _artist_names(looked: Tracks, artists: pa.ChunkedArray) -> dict[int, str]:
    numbers = sorted({each for row in artists.to_pylist() for each in row or ()})
    looked.connection.register("credited", pa.table({"artist": np.array(numbers, np.uint64)}))
    rows = looked.connection.sql(
        "SELECT artist, name FROM artists SEMI JOIN credited USING (artist)"
    )
    return dict(rows.fetchall())


def _recordings(looked: Tracks, keys: pa.ChunkedArray) -> dict[int, int]:
    looked.connection.register("listed", pa.table({"track": keys}))
    rows = looked.connection.sql(
        "SELECT track, recording FROM members SEMI JOIN listed USING (track)"
    )
    return dict(rows.fetchall())


def _table(looked: Tracks, query: str, parameter: object) -> pa.Table:
    return looked.connection.sql(query, params=[parameter]).to_arrow_table()
