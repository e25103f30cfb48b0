"""The layers of a snapshot, open for searching: their indexes, and what the snapshot says of their
tracks (recordings as they are now, popularity as listening histories have it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longplay.catalogue import corrections, database, ids, joins, keys, layout
from longplay.catalogue.corrections import Edits, Subjects
from longplay.catalogue.lookup import Lookup
from longplay.catalogue.search.albums import Albums
from longplay.catalogue.search.candidates import Documents, Group, Keys, Layer, among
from longplay.catalogue.search.index import Group as Stretches
from longplay.catalogue.search.index import Index
from longplay.catalogue.search.query import Range
from longplay.catalogue.snapshot import Snapshot, open_number

OPEN = 2
"""Snapshots that stay open for the next search: the current one, and the one before it."""

MOST_RAISED = 50_000
"""Recordings made popular by listening histories that are looked for in each layer beside its own
most popular: some milliseconds a search."""

NO_DOCUMENTS = np.zeros(0, np.uint32)


@dataclass(frozen=True, slots=True)
class Said:
    """What a snapshot says of some keys (ascending): other recordings of tracks, or popularities of
    recordings. In memory, 16 or 12 bytes each."""

    keys: Keys
    values: Any

    def over(self, asked: Keys, otherwise: Any) -> Any:
        """The value of each key asked for, or what it is otherwise."""
        if not len(self.keys):
            return otherwise
        places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.where(self.keys[places] == asked, self.values[places], otherwise)


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """A layer's index with what the snapshot says: `candidates.Index`.

    `raised` are the documents of recordings that listening histories made popular, ascending.
    """

    index: Index
    albums: Albums
    lookups: dict[str, Lookup]
    recordings: Said
    popularity: Said
    raised: Documents
    edits: Edits

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
        recordings = self.recordings.over(
            table["key"].to_numpy(), ids.minted(table["standing"].to_numpy())
        )
        table = table.append_column("recording", pa.array(recordings, pa.uint64()))
        if len(self.popularity.keys):
            own = table["popularity"].cast(pa.float32()).fill_null(np.nan).to_numpy()
            said = self.popularity.over(recordings, own)
            place = table.schema.get_field_index("popularity")
            shown = pa.array(said, pa.float32(), from_pandas=True)
            table = table.set_column(place, "popularity", shown)
        return corrections.apply(table, self.edits, _SUBJECTS) if self.edits.values else table

    def identified(self, kind: str, value: str) -> Documents:
        """The documents that have an ISRC, UPC or MBID: of those that may, the ones whose rows say
        so, and the tracks of an album that has it."""
        possible = self._possible(kind, value)
        column = {"isrc": "isrcs", "mbid": "recording_mbid"}.get(kind)
        if column and len(possible):
            said = self.index.rows(possible)[column].to_pylist()
            has = [value in each if isinstance(each, list) else value == each for each in said]
            possible = possible[np.array(has, np.bool_)]
        if kind == "isrc":
            return possible
        return np.union1d(possible, self.albums.tracks("upc" if kind == "upc" else "mbid", value))

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

MOST_SIMILAR = 64
"""Terms that are near a word and looked at: the nearest, then the most frequent."""


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


def layers(snapshot: Snapshot) -> Sequence[Layer]:
    """The layers of a snapshot that have tracks. They stay open for the next search.

    Raises ArchiveError when an index is missing or damaged.
    """
    return _opened(snapshot.folder.absolute(), snapshot.number, snapshot.manifest.made)


@lru_cache(OPEN)
def _opened(folder: Path, number: int, _made: str) -> tuple[Layer, ...]:
    snapshot = open_number(folder, number)
    recordings, popularity, edits = _members(snapshot), _popularity(snapshot), _edits(snapshot)
    return tuple(
        Layer(source, _open_index(snapshot, source, recordings, popularity, edits))
        for source, layer in snapshot.manifest.layers.items()
        if layer.rows("tracks")
    )


def _open_index(
    snapshot: Snapshot, source: str, recordings: Said, popularity: Said, edits: Edits
) -> OpenIndex:
    layer = snapshot.manifest.layers[source]
    folder = (snapshot.folder / layer.tables["tracks"][0].file).parent / layout.INDEX
    lookups = {
        kind: Lookup.open(folder / f"{kind}.lookup")
        for kind in ("tr", "isrc", "mbid")
        if (folder / f"{kind}.lookup").exists()
    }
    index = Index.open(folder)
    raised = _raised(index, lookups, popularity)
    albums = Albums(snapshot.folder, layer)
    return OpenIndex(index, albums, lookups, recordings, popularity, raised, edits)


def _members(snapshot: Snapshot) -> Said:
    """The recordings that the joins give to tracks, where they are others than layers say."""
    runs = snapshot.manifest.joins["members"]
    query = joins.latest(snapshot.folder, "members", runs)
    with database.opened() as connection:
        found = connection.sql(f"SELECT track, recording FROM ({query}) ORDER BY track")
        table = found.to_arrow_table()
    return Said(table["track"].to_numpy(), table["recording"].to_numpy())


def _popularity(snapshot: Snapshot) -> Said:
    """Popularity by recording, as listening histories have it."""
    runs = snapshot.manifest.joins["popularity"]
    query = joins.latest(snapshot.folder, "popularity", runs)
    with database.opened() as connection:
        found = connection.sql(
            f"SELECT recording, max(popularity) AS popularity FROM ({query})"
            " WHERE popularity IS NOT NULL GROUP BY recording ORDER BY recording"
        )
        table = found.to_arrow_table()
    return Said(table["recording"].to_numpy(), table["popularity"].to_numpy())


def _edits(snapshot: Snapshot) -> Edits:
    """The values that curators gave, with years for dates; of recordings as they are called now."""
    table = corrections.load(snapshot.folder, snapshot.manifest)
    if not len(table):
        return Edits()
    with snapshot.connect() as connection:
        successors = dict(connection.sql("SELECT recording, successor FROM redirects").fetchall())
    values = dict(corrections.edits(table, successors).values)
    for prefix in ("tr", "rec"):
        dated = values.get((prefix, "release_date"))
        if dated:
            values[prefix, "year"] = dated[0], [int(date[:4]) for date in dated[1]]
    return Edits(values)


def _raised(index: Index, lookups: dict[str, Lookup], popularity: Said) -> Documents:
    """The documents that stand for the recordings that histories made the most popular."""
    if not len(popularity.keys) or "tr" not in lookups:
        return NO_DOCUMENTS
    order = np.argsort(-popularity.values, kind="stable")[:MOST_RAISED]
    tracks = ids.minted(popularity.keys[order])
    _, documents = lookups["tr"].find(tracks)
    possible = np.unique(documents)
    return possible[among(index.rows(possible)["key"].to_numpy(), np.sort(tracks))]
