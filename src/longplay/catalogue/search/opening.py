"""The layers of a snapshot, open for searching: their indexes, and what the snapshot says of their
tracks (recordings as they are now, popularity as listening histories have it)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from longplay.catalogue import corrections, database, ids, keys, layout, names
from longplay.catalogue.corrections import Subjects
from longplay.catalogue.lookup import Lookup
from longplay.catalogue.search import said
from longplay.catalogue.search.albums import Albums
from longplay.catalogue.search.candidates import Documents, Group, Keys, Layer, among
from longplay.catalogue.search.index import Group as Stretches
from longplay.catalogue.search.index import Index
from longplay.catalogue.search.query import IdentifierKind, Range
from longplay.catalogue.search.said import Said, Told
from longplay.catalogue.snapshot import Snapshot, open_number

OPEN = 2
"""Snapshots that stay open for the next search: the current one, and the one before it."""

MOST_RAISED = 50_000
"""Recordings made popular by listening histories that are looked for in each layer beside its own
most popular: some milliseconds a search."""

WARMED = 1 << 24
"""Bytes that are read at once to be in memory."""

NO_DOCUMENTS = np.zeros(0, np.uint32)


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """A layer's index with what the snapshot says: `candidates.Index`.

    `raised` are the documents of recordings that listening histories made popular, ascending.
    """

    index: Index
    albums: Albums
    lookups: dict[str, Lookup]
    told: Told
    raised: Documents

    def has(self, term: str) -> bool:
        """Whether any track has the word."""
        return self.index.terms.find(term) is not None

    def begins(self, beginning: str) -> bool:
        """Whether any track has a word that begins so."""
        first, after = self.index.terms.beginning(beginning)
        return first < after

    def similar(self, word: str, distance: int) -> Sequence[tuple[str, int]]:
        """The terms that are at most `distance` letters away, nearest first."""
        numbers, distances = self.index.similar(word, distance)
        return [
            (self.index.terms.text(int(number)), int(away))
            for number, away in zip(numbers[:MOST_SIMILAR], distances, strict=False)
        ]

    def matches(
        self, groups: Sequence[Group], limit: int, *, popularity: Range | None = None
    ) -> Documents:
        """The first documents that every group has, ascending; of those whose source gives them
        such a popularity, rounded down."""
        ranges = None
        if popularity:
            low, high = max(popularity.low, 0), min(popularity.high, 100)
            ranges = [self.index.popular(low, high)] if low <= high else []
        stretches = [self._stretches(group) for group in groups]
        return self.index.matches(stretches, limit, ranges=ranges)

    def risen(self, groups: Sequence[Group]) -> Documents:
        """The documents that every group has, of those that histories made popular."""
        return self.within(groups, self.raised)

    def within(self, groups: Sequence[Group], documents: Documents) -> Documents:
        """Those of the documents (ascending) that every group has."""
        return self.index.within([self._stretches(group) for group in groups], documents)

    def rows(self, documents: Documents) -> pa.Table:
        """What is shown and ranked of documents."""
        table = self.index.rows(documents).select(_ROWS)
        recordings = self.told.recordings.over(
            table["key"].to_numpy(), ids.minted(table["standing"].to_numpy())
        )
        table = table.append_column("recording", pa.array(recordings, pa.uint64()))
        if len(self.told.popularity.keys):
            own = table["popularity"].cast(pa.float32()).fill_null(np.nan).to_numpy()
            heard = self.told.popularity.over(recordings, own)
            place = table.schema.get_field_index("popularity")
            shown = pa.array(heard, pa.float32(), from_pandas=True)
            table = table.set_column(place, "popularity", shown)
        return (
            corrections.apply(table, self.told.edits, _SUBJECTS)
            if self.told.edits.values
            else table
        )

    def identified(self, kind: IdentifierKind, value: str) -> Documents:
        """The documents that have an ISRC, UPC or MBID, themselves or by their album."""
        match kind:
            case "isrc":
                return self.having(kind, value)
            case "upc":
                return self.albums.tracks(kind, value)
            case "mbid":
                return np.union1d(self.having(kind, value), self.albums.tracks(kind, value))

    def having(self, kind: Literal["isrc", "mbid"], value: str) -> Documents:
        """The documents that have an ISRC or MBID themselves: of those that may, the ones whose
        rows say so."""
        possible = self._possible(kind, value)
        rows = self.index.store.evidence(possible)
        found = rows["isrcs" if kind == "isrc" else "recording_mbid"]
        has = [value in (each or ()) for each in found.to_pylist()]
        return possible[np.array(has, np.bool_)]

    def document(self, key: int) -> int | None:
        """The document of the track of that key."""
        lookup = self.lookups.get("tr")
        if lookup is None:
            return None
        _, possible = lookup.find(np.array([key], np.uint64))
        right = possible[self.index.keys(possible) == np.uint64(key)]
        return int(right[0]) if len(right) else None

    def recordings(self, documents: Documents) -> Keys:
        """The recordings of documents."""
        own = self.index.keys(documents)
        standing = ids.minted(self.index.store.standing(documents))
        found: Keys = self.told.recordings.over(own, standing)
        return found

    def row(self, prefix: Literal["al", "ar"], key: int) -> int | None:
        """The number of the album or artist of that key."""
        lookup = self.lookups.get(prefix)
        if lookup is None:
            return None
        _, possible = lookup.find(np.array([key], np.uint64))
        return self.albums.row_of(prefix, possible, key)

    def standing_with(self, document: int) -> Documents:
        """The documents that stand for one recording with `document`, in this layer alone: they
        share identifiers, or artist and title, with one another."""
        found = left = np.array([document], np.uint32)
        standing = self.index.store.standing(found)
        while len(left) and len(found) < MOST_TOGETHER:
            near = np.setdiff1d(self._near(left), found)
            left = near[self.index.store.standing(near) == standing]
            found = np.union1d(found, left)
        return found

    def _near(self, documents: Documents) -> Documents:
        """Documents that may be of the recordings of these."""
        rows = self.index.store.evidence(documents)
        artists = keys.name_hashes(rows["first_artist"], partial(_plain, "placeholder_artist"))
        titles = keys.name_hashes(rows["title"], partial(_plain, "placeholder_title"))
        hashes = {
            "isrc": keys.text_hashes(rows["isrcs"].flatten()),
            "mbid": keys.text_hashes(rows["recording_mbid"]),
            "name": keys.paired(artists, titles),
        }
        found = [
            self.lookups[kind].find(np.unique(each[each != keys.NOTHING]))[1][:MOST_ALIKE]
            for kind, each in hashes.items()
            if kind in self.lookups
        ]
        return np.unique(np.concatenate([NO_DOCUMENTS, *found]))

    def _possible(self, kind: str, value: str) -> Documents:
        lookup = self.lookups.get(kind)
        if lookup is None:
            return NO_DOCUMENTS
        _, documents = lookup.find(keys.text_hashes(pa.array([value])))
        return np.unique(documents)

    def _stretches(self, group: Group) -> Stretches:
        parts = [self.index.word(term) for term in group.terms]
        parts += [self.index.prefix(beginning) for beginning in group.beginnings]
        if group.between:
            first, last = (self.index.terms.beginning(word) for word in group.between)
            parts.append(np.array([[first[0], last[1]]], np.int64))
        return _merged(np.concatenate([np.empty((0, 2), np.int64), *parts]))


_ROWS = [
    "key", "standing", "title", "artists", "album", "year", "duration_ms", "isrcs", "popularity",
    "genres",
]  # fmt: skip
_COLUMNS = {
    name: name
    for name in ("title", "artists", "year", "duration_ms", "isrcs", "popularity", "genres")
}
_SUBJECTS = (
    Subjects("rec", "recording", _COLUMNS),
    Subjects("tr", "key", _COLUMNS),
)
"""What is said of a track stands before what is said of its recording."""

MOST_TOGETHER = 1000
"""Tracks of one recording in one layer that are listed."""

MOST_ALIKE = 10_000
"""Tracks with one ISRC, or of one artist and title, that are looked at for such."""

MOST_SIMILAR = 64
"""Terms that are near a word and looked at: the nearest, then the most frequent."""


def _plain(placeholder: names.Placeholder, texts: pa.Array) -> pa.Array:
    """The few names made comparable that the table of signs does not suffice for."""
    with database.opened() as connection:
        return names.plain(connection, texts, placeholder)


def _merged(stretches: Stretches) -> Stretches:
    """Stretches of terms in order, without those that are empty or part of another."""
    kept: list[list[int]] = []
    for first, end in sorted(stretches.tolist()):
        if first >= end:
            continue
        if kept and first <= kept[-1][1]:
            kept[-1][1] = max(kept[-1][1], end)
        else:
            kept.append([first, end])
    return np.array(kept, np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Opened:
    """A snapshot, open for searching: the layers that have tracks, and what it says of them."""

    layers: tuple[Layer, ...]
    indexes: tuple[OpenIndex, ...]
    told: Told


def layers(snapshot: Snapshot) -> Sequence[Layer]:
    """The layers of a snapshot that have tracks: see `opened`."""
    return opened(snapshot).layers


def opened(snapshot: Snapshot) -> Opened:
    """Open a snapshot for searching; it stays open for the next search.

    Raises ArchiveError when an index is missing or damaged.
    """
    return _opened(snapshot.folder.absolute(), snapshot.number, snapshot.manifest.made)


def warm(snapshot: Snapshot) -> None:
    """Bring the indexes into the system's memory, the smallest files first, as far as half of what
    is free has room: for a process that will be asked much, since searches themselves read nothing
    ahead. A second for each gigabyte or so."""
    parts = [part for layer in snapshot.manifest.layers.values() for part in layer.index]
    room = _available() // 2
    for part in sorted(parts, key=lambda part: part.bytes):
        room -= part.bytes
        if room < 0:
            return
        with (snapshot.folder / part.file).open("rb", buffering=0) as file:
            while file.read(WARMED):
                pass


def _available() -> int:
    """Bytes of memory that are free, or could be at once (Linux)."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else 0


@lru_cache(OPEN)
def _opened(folder: Path, number: int, _made: str) -> Opened:
    snapshot = open_number(folder, number)
    told = said.read(snapshot)
    indexes = {
        source: _open_index(snapshot, source, told)
        for source, layer in snapshot.manifest.layers.items()
        if layer.rows("tracks")
    }
    return Opened(
        tuple(Layer(source, index) for source, index in indexes.items()),
        tuple(indexes.values()),
        told,
    )


def _open_index(snapshot: Snapshot, source: str, told: Told) -> OpenIndex:
    layer = snapshot.manifest.layers[source]
    folder = (snapshot.folder / layer.tables["tracks"][0].file).parent / layout.INDEX
    lookups = {
        kind: Lookup.open(path)
        for kind in ("tr", "al", "ar", "isrc", "mbid", "name")
        if (path := folder / f"{kind}.lookup").exists()
    }
    index = Index.open(folder)
    raised = _raised(index, lookups, told.popularity)
    albums = Albums(snapshot.folder, layer)
    return OpenIndex(index, albums, lookups, told, raised)


def _raised(index: Index, lookups: dict[str, Lookup], popularity: Said) -> Documents:
    """The documents that stand for the recordings that histories made the most popular."""
    if not len(popularity.keys) or "tr" not in lookups:
        return NO_DOCUMENTS
    order = np.argsort(-popularity.values, kind="stable")[:MOST_RAISED]
    tracks = ids.minted(popularity.keys[order])
    _, documents = lookups["tr"].find(tracks)
    possible = np.unique(documents)
    return possible[among(index.keys(possible), np.sort(tracks))]
