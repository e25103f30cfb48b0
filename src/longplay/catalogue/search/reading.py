"""The rows of a layer that search shows, read from its tables by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import database, keys, rows
from longplay.catalogue.layout import Layer
from longplay.catalogue.search.candidates import Documents, Keys
from longplay.catalogue.snapshot import Snapshot

_COLUMNS = (
    "own_id", "title", "artists", "album", "release_date", "duration_ms", "isrcs", "popularity",
    "genres", "same_as",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads tracks of one layer, with the names of their artists and albums."""

    snapshot: Snapshot
    layer: Layer

    def rows(self, documents: Documents) -> pa.Table:
        """`key`, `standing` (the key of the track that stands for its recording in this layer),
        `title`, `artists`, `album`, `year`, `duration_ms`, `isrcs`, `popularity`, `genres`."""
        table = self._take("tracks", documents, _COLUMNS).combine_chunks()
        albums = table["album"].combine_chunks()
        titles = self._named("albums", albums, ["title", "release_date"])
        dates = pc.coalesce(table["release_date"].combine_chunks(), titles["release_date"])
        own = self._keys(table["own_id"])
        return pa.table(
            {
                "key": own,
                "standing": self._standing(own, table["same_as"].combine_chunks()),
                "title": table["title"],
                "artists": self._artists(table["artists"].combine_chunks()),
                "album": titles["title"],
                "year": pc.utf8_slice_codeunits(dates, 0, 4).cast(pa.int32()),
                "duration_ms": table["duration_ms"],
                "isrcs": table["isrcs"],
                "popularity": table["popularity"],
                "genres": table["genres"],
            }
        )

    def keys(self, documents: Documents) -> Keys:
        """The keys of documents."""
        return self._keys(self._take("tracks", documents, ["own_id"])["own_id"])

    def identified(self, kind: str, value: str, possible: Documents) -> Documents:
        """The documents that have an identifier: of `possible` ones those whose rows say so, and
        the tracks of an album that has it."""
        column = {"isrc": "isrcs", "mbid": "recording_mbid"}.get(kind)
        found = np.zeros(0, np.uint32)
        if column and len(possible):
            said = self._take("tracks", possible, [column])[column].to_pylist()
            has = [value in each if isinstance(each, list) else value == each for each in said]
            found = possible[np.array(has, np.bool_)]
        if kind == "isrc":
            return found
        return np.union1d(found, self._of_album("upc" if kind == "upc" else "mbid", value))

    def _of_album(self, column: str, value: str) -> Documents:
        """The tracks of the albums that have an identifier."""
        albums, tracks = (
            database.parquet(
                [self.snapshot.folder / part.file for part in self.layer.tables[table]],
                "file_row_number = true",
            )
            for table in ("albums", "tracks")
        )
        with database.opened() as connection:
            wanted = connection.sql(
                f"SELECT file_row_number AS row FROM {albums} WHERE {column} = ?", params=[value]
            ).to_arrow_table()
            if not len(wanted):
                return np.zeros(0, np.uint32)
            connection.register("wanted", wanted)
            found = connection.sql(
                f"SELECT filename, file_row_number AS row FROM {tracks}"
                " WHERE album IN (SELECT row FROM wanted)"
            ).to_arrow_table()
        firsts, first = {}, 0
        for part in self.layer.tables["tracks"]:
            firsts[str(self.snapshot.folder / part.file)] = first
            first += part.rows
        numbers = [firsts[row["filename"]] + row["row"] for row in found.to_pylist()]
        return np.unique(np.array(numbers, np.uint32))

    def _take(self, table: str, numbers: Documents, columns: Sequence[str]) -> pa.Table:
        return rows.take(self.snapshot.folder, self.layer.tables[table], numbers, columns)

    def _named(self, table: str, numbers: pa.Array, columns: Sequence[str]) -> pa.Table:
        """Columns of the rows that numbers lead to; null where a number is."""
        wanted = numbers.drop_null().unique()
        found = self._take(table, wanted.to_numpy(), columns)
        places = pc.index_in(numbers, value_set=wanted)
        return pa.table({name: found[name].combine_chunks().take(places) for name in columns})

    def _artists(self, numbers: pa.ListArray) -> pa.ListArray:
        names = self._named("artists", numbers.flatten(), ["name"])["name"].combine_chunks()
        lengths = numbers.value_lengths().fill_null(0).to_numpy()
        offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
        return pa.ListArray.from_arrays(pa.array(offsets), names.fill_null(""))

    def _keys(self, own_ids: pa.ChunkedArray) -> Keys:
        return keys.row_keys("tr", self.layer.source, own_ids.combine_chunks())

    def _standing(self, own: Keys, same_as: pa.Array) -> Keys:
        others = np.flatnonzero(same_as.is_valid().to_numpy(zero_copy_only=False))
        standing = own.copy()
        if len(others):
            standing[others] = self.keys(same_as.drop_null().to_numpy())
        return standing
