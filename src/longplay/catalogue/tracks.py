"""A few tracks of a snapshot, found by id or identifier through its look-up files, and read whole.

What a person looks at: some rows, in milliseconds, whatever the catalogue's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longplay.catalogue import database, ids, keys
from longplay.catalogue.database import Connection
from longplay.catalogue.ids import RowPrefix
from longplay.catalogue.lookup import Lookup
from longplay.catalogue.snapshot import Snapshot

TABLES: dict[RowPrefix, str] = {"tr": "tracks", "al": "albums", "ar": "artists"}

MAX_SHARING = 10_000
"""Rows that are looked at for one identifier or name: beyond it, a name is no clue any more."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track as its source has it; `document` is its row there, `same_as` the row that its
    source's own rows make it stand with."""

    source: str
    document: int
    same_as: int | None
    key: int
    title: str | None
    artists: tuple[str, ...]
    album: str | None
    duration_ms: int | None
    isrcs: tuple[str, ...]
    mbid: str | None
    release_date: str | None

    @property
    def id(self) -> str:
        """The track's id as text."""
        return ids.text("tr", self.key)


class Tracks:
    """Looks tracks up in one snapshot, by a `connection` that also has the views `run_members`,
    `run_recordings`, `redirects`, `all_redirects` and `splits`. Use `opened`."""

    def __init__(self, snapshot: Snapshot, connection: Connection) -> None:
        self.snapshot = snapshot
        self.connection = connection
        self._lookups: dict[tuple[str, str], Lookup | None] = {}
        self.plain = lru_cache(MAX_SHARING)(self._plain)

    def exists(self, prefix: RowPrefix, key: int) -> bool:
        """Whether a source has a track, album or artist of that key."""
        return any(True for _ in self._keyed(prefix, key))

    def find(self, key: int) -> Track | None:
        """The track of that key."""
        for source, document in self._keyed("tr", key):
            return self.read(source, [document])[0]
        return None

    def sharing(self, kind: str, number: int) -> list[Track]:
        """Tracks whose `isrc`, `mbid` or `name` may have that number (`hashed`, `name_number`)."""
        found: list[Track] = []
        for source in self.snapshot.manifest.layers:
            documents = self._documents(source, kind, number)[: MAX_SHARING - len(found)]
            found.extend(self.read(source, documents))
        return found

    def standing(self, track: Track) -> int:
        """The key of the track that stands for this one's recording in its own layer."""
        if track.same_as is None:
            return track.key
        (row,) = self._rows(track.source, "tracks", "own_id", [track.same_as])
        return ids.row_key("tr", track.source, row["own_id"])

    def standing_with(self, track: Track) -> list[int]:
        """The keys of the tracks that stand together in this one's layer."""
        row = track.document if track.same_as is None else track.same_as
        found = [each["own_id"] for each in self._rows(track.source, "tracks", "own_id", [row])]
        for path, _, _ in self._files(track.source, "tracks"):
            same = self.connection.sql(
                f"SELECT own_id FROM {database.parquet([path])} WHERE same_as = {row}"
            )
            found += [each[0] for each in same.fetchall()]
        return [ids.row_key("tr", track.source, own_id) for own_id in found]

    def read(self, source: str, documents: Sequence[int]) -> list[Track]:
        """Tracks of a layer by their rows."""
        found = self._rows(source, "tracks", _COLUMNS, documents)
        albums = self._rows(
            source, "albums", "title", [row["album"] for row in found if row["album"] is not None]
        )
        credited = [each for row in found for each in row["artists"] or ()]
        artists = self._rows(source, "artists", "name", credited)
        titles = {row["row"]: row["title"] for row in albums}
        names = {row["row"]: row["name"] for row in artists}
        return [
            Track(
                source,
                row["row"],
                row["same_as"],
                ids.row_key("tr", source, row["own_id"]),
                row["title"],
                tuple(names[each] for each in row["artists"] or () if names.get(each)),
                titles.get(row["album"]),
                row["duration_ms"],
                tuple(row["isrcs"] or ()),
                row["recording_mbid"],
                row["release_date"],
            )
            for row in found
        ]

    def _plain(self, artist: str | None, title: str | None) -> tuple[str | None, str | None]:
        """An artist's name and a title as they are compared; None where it identifies nothing."""
        found = self.connection.execute(
            "SELECT CASE WHEN NOT placeholder_artist(artist) THEN nullif(artist, '') END,"
            " CASE WHEN NOT placeholder_title(title) THEN nullif(title, '') END FROM"
            " (SELECT plain_title($1::VARCHAR) AS artist, plain_title($2::VARCHAR) AS title)",
            [artist, title],
        ).fetchall()
        return found[0][0], found[0][1]

    def name_number(self, artist: str | None, title: str | None) -> int:
        """The number that stands for an artist and a title together; 0 for placeholders."""
        one, two = (
            keys.text_hashes(pa.array([each], pa.string())) for each in self.plain(artist, title)
        )
        return int(keys.paired(one, two)[0])

    def _keyed(self, prefix: RowPrefix, key: int) -> Iterator[tuple[str, int]]:
        """Source and row of what has exactly that key."""
        for source in self.snapshot.manifest.layers:
            rows = self._documents(source, prefix, key)
            for row in self._rows(source, TABLES[prefix], "own_id", rows):
                if ids.row_key(prefix, source, row["own_id"]) == key:
                    yield source, row["row"]

    def _documents(self, source: str, kind: str, number: int) -> list[int]:
        """Rows of a layer whose hash may be that number."""
        lookup = self._lookup(source, kind)
        if lookup is None or not number:
            return []
        _, documents = lookup.find(np.array([number], np.uint64))
        return [int(each) for each in documents]

    def _lookup(self, source: str, kind: str) -> Lookup | None:
        at = (source, kind)
        if at not in self._lookups:
            index = self.snapshot.manifest.layers[source].index
            path = next((part.file for part in index if Path(part.file).stem == kind), None)
            self._lookups[at] = Lookup.open(self.snapshot.folder / path) if path else None
        return self._lookups[at]

    def _files(self, source: str, table: str) -> Iterator[tuple[Path, int, int]]:
        """A table's files with the numbers of their first row and of the one after their last."""
        first = 0
        for part in self.snapshot.manifest.layers[source].tables.get(table, ()):
            yield self.snapshot.folder / part.file, first, first + part.rows
            first += part.rows

    def _rows(
        self, source: str, table: str, columns: str, numbers: Iterable[int]
    ) -> list[dict[str, Any]]:
        """These rows of a layer's table, each with its number as `row`."""
        wanted = np.unique(np.fromiter(numbers, np.int64))
        found: list[dict[str, Any]] = []
        for path, first, end in self._files(source, table):
            here = wanted[(wanted >= first) & (wanted < end)] - first
            if len(here):
                # Their numbers let DuckDB skip what lies between them.
                read = database.parquet([path], "file_row_number = true")
                query = self.connection.sql(
                    f"SELECT {first} + file_row_number AS row, {columns} FROM {read} WHERE"
                    f" file_row_number IN ({', '.join(map(str, here))}) ORDER BY row"
                )
                found += query.to_arrow_table().to_pylist()
        return found


_COLUMNS = (
    "own_id, title, artists, album, duration_ms, isrcs, recording_mbid, release_date, same_as"
)


@contextmanager
def opened(snapshot: Snapshot) -> Iterator[Tracks]:
    """Look tracks up in a snapshot."""
    with snapshot.connect("run_members", "run_recordings", "redirects", "splits") as connection:
        yield Tracks(snapshot, connection)


def hashed(text: str) -> int:
    """The number that stands for an identifier in the look-up files."""
    return int(keys.text_hashes(pa.array([text], pa.string()))[0])
