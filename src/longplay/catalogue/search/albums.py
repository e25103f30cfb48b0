"""The tracks of the albums that have an identifier, found in a layer's tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from longplay.catalogue import database
from longplay.catalogue.layout import Layer
from longplay.catalogue.search.candidates import Documents


@dataclass(frozen=True, slots=True)
class Albums:
    """The albums of one layer of the catalogue in `folder`."""

    folder: Path
    layer: Layer

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
