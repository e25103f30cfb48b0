"""The tracks of the albums that have an identifier, found in a layer's tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from longplay.catalogue import database, ids, keys, rows, schema
from longplay.catalogue.ids import RowPrefix
from longplay.catalogue.layout import Layer
from longplay.catalogue.search.candidates import Documents


@dataclass(frozen=True, slots=True)
class Albums:
    """The albums of one layer of the catalogue in `folder`."""

    folder: Path
    layer: Layer

    def row_of(self, prefix: RowPrefix, possible: Documents, key: int) -> int | None:
        """Of the rows that may have a key, the one that has it."""
        if not len(possible):
            return None
        parts = self.layer.tables[{"tr": "tracks", "al": "albums", "ar": "artists"}[prefix]]
        own_ids = rows.take(self.folder, parts, possible, ["own_id"])["own_id"].combine_chunks()
        found = np.flatnonzero(keys.row_keys(prefix, self.layer.source, own_ids) == key)
        return int(possible[found[0]]) if len(found) else None

    def key_of(self, prefix: Literal["al", "ar"], row: int) -> int:
        """The key of an album or artist."""
        own_id = self.said("albums" if prefix == "al" else "artists", row)["own_id"]
        return ids.row_key(prefix, self.layer.source, own_id)

    def said(self, table: str, row: int) -> dict[str, Any]:
        """Everything that a table says in one row."""
        parts = self.layer.tables[table]
        columns = list(schema.LAYER[table])
        taken = rows.take(self.folder, parts, np.array([row]), columns)
        return dict(taken.to_pylist()[0])

    def numbers(self, table: str, column: str, value: str) -> list[int]:
        """The rows of a table that have a value. Reads the whole column."""
        with database.opened() as connection:
            query = f"SELECT row FROM ({self._numbered(table, column)}) WHERE {column} = ?"
            found = connection.sql(query, params=[value]).to_arrow_table()
        return sorted(found["row"].to_pylist())

    def of_album(self, album: int) -> Documents:
        """The tracks of an album, ascending. Reads a whole column."""
        with database.opened() as connection:
            query = f"SELECT row::UINTEGER AS row FROM ({self._numbered('tracks', 'album')})"
            found = connection.sql(f"{query} WHERE album = {album} ORDER BY row")
            return np.asarray(found.to_arrow_table()["row"].to_numpy(), np.uint32)

    def tracks(self, column: Literal["upc", "mbid"], value: str) -> Documents:
        """The tracks of the albums that have a value, ascending. Reads whole columns."""
        with database.opened() as connection:
            query = f"SELECT row FROM ({self._numbered('albums', column)}) WHERE {column} = ?"
            albums = connection.sql(query, params=[value]).to_arrow_table()
            if not len(albums):
                return np.zeros(0, np.uint32)
            connection.register("asked", albums)
            found = connection.sql(
                f"SELECT row::UINTEGER AS row FROM ({self._numbered('tracks', 'album')})"
                " WHERE album IN (SELECT row FROM asked) ORDER BY row"
            ).to_arrow_table()
            return np.asarray(found["row"].to_numpy(), np.uint32)

    def _numbered(self, table: str, column: str) -> str:
        """A column of a table with the numbers of its rows."""
        queries, first = [], 0
        for part in self.layer.tables[table]:
            read = database.parquet([self.folder / part.file], "file_row_number = true")
            queries.append(f"SELECT {column}, {first} + file_row_number AS row FROM {read}")
            first += part.rows
        return " UNION ALL ".join(queries)
