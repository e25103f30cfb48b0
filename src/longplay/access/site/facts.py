"""What sources say of a thing: one value of each field to show, and all of them beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.access.known import Known
from longplay.access.site import wording
from longplay.access.site.rows import UNTITLED, People
from longplay.catalogue import corrections, ids, licences
from longplay.catalogue.layout import Manifest
from longplay.catalogue.search.showing import Fact, Thing

LABELS = {
    "title": "Title",
    "name": "Name",
    "artists": "Artists",
    "album": "Album",
    "disc_number": "Disc",
    "track_number": "Number",
    "duration_ms": "Length",
    "release_date": "Released",
    "genres": "Genres",
    "label": "Label",
    "popularity": "Popularity",
    "listens": "Listens",
    "explicit": "Explicit",
    "isrcs": "ISRC",
    "iswcs": "ISWC",
    "upc": "Barcode",
    "recording_mbid": "MusicBrainz recording",
    "mbid": "MusicBrainz",
    "own_id": "Its own id",
    "licence": "Licence",
}
"""Fields in the order in which they are shown, and what pages call them."""

MOST_VALUES = 20
"""Values of one field that are shown of one source."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One value of each field: a curator's, or else that of the most popular track that has one."""

    title: str
    artists: People = ()
    album: str | None = None
    album_id: str | None = None
    date: str | None = None
    duration_ms: int | None = None
    isrc: str | None = None
    genres: tuple[str, ...] = ()
    popularity: float | None = None
    listens: float | None = None
    label: str | None = None
    upc: str | None = None

    @property
    def year(self) -> str | None:
        """The year of its release."""
        return self.date[:4] if self.date else None


@dataclass(frozen=True, slots=True)
class Said:
    """What one source says; `licence` is under what its metadata may be used."""

    source: str
    licence: tuple[str, str] | None
    fields: tuple[tuple[str, tuple[str, ...]], ...]


def of(known: Known, thing: Thing) -> Facts:
    """What is shown of a thing."""
    first = _values(thing.facts)
    names = first.get("artists") or []
    album_id, artist_ids = _named(known, thing)
    if len(artist_ids) != len(names):
        artist_ids = [None] * len(names)
    return Facts(
        title=first.get("title") or first.get("name") or UNTITLED,
        artists=tuple(zip(artist_ids, names, strict=True)),
        album=first.get("album"),
        album_id=album_id,
        date=first.get("release_date"),
        duration_ms=first.get("duration_ms"),
        isrc=next(iter(first.get("isrcs") or ()), None),
        genres=tuple(first.get("genres") or ()),
        popularity=first.get("popularity"),
        listens=first.get("listens"),
        label=first.get("label"),
        upc=first.get("upc"),
    )


def _values(facts: Iterable[Fact]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for fact in facts:
        if fact.source == corrections.SOURCE or fact.field not in found:
            found[fact.field] = fact.value
    return found


def _named(known: Known, thing: Thing) -> tuple[str | None, list[str | None]]:
    """The ids of the album and of the artists of a track or recording: those of the track whose
    names are shown."""
    of = next((fact.of for fact in thing.facts if fact.field == "artists"), None)
    if of is None or not of.startswith("tr"):
        return None, []
    key = ids.parse(of)[1]
    for index in known.opened.indexes:
        document = index.document(key)
        if document is None:
            continue
        row = index.index.rows(np.array([document], np.uint32)).to_pylist()[0]
        album = row["album_number"]
        artists: list[str | None] = [
            ids.text("ar", index.albums.key_of("ar", one)) for one in row["artist_numbers"] or ()
        ]
        return (
            None if album is None else ids.text("al", index.albums.key_of("al", album)),
            artists,
        )
    return None, []


def by_source(facts: Sequence[Fact], manifest: Manifest) -> list[Said]:
    """All that is said, source by source: what curators said first."""
    said: dict[str, dict[str, list[str]]] = {}
    for fact in facts:
        fields = said.setdefault(fact.source, {})
        for text in _texts(fact):
            texts = fields.setdefault(fact.field, [])
            if text not in texts and len(texts) < MOST_VALUES:
                texts.append(text)
    order = sorted(said, key=lambda source: source != corrections.SOURCE)
    return [
        Said(
            source,
            _licence(source, manifest),
            tuple(
                (LABELS[name], tuple(said[source][name])) for name in LABELS if name in said[source]
            ),
        )
        for source in order
    ]


def _texts(fact: Fact) -> list[str]:
    values = fact.value if isinstance(fact.value, list) else [fact.value]
    match fact.field:
        case "duration_ms":
            return [wording.clock(one) for one in values]
        case "popularity":
            return [f"{one:.0f} of 100" for one in values]
        case "listens":
            return [wording.count(one) for one in values]
        case "explicit":
            return ["yes" if one else "no" for one in values]
    return [str(one) for one in values]


def _licence(source: str, manifest: Manifest) -> tuple[str, str] | None:
    layer = manifest.layers.get(source)
    found = licences.known(layer.licence) if layer else None
    return (found.name, found.uri) if found else None
