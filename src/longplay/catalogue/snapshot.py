"""Reading a catalogue: one snapshot that stays as it is, however many imports come after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from longplay.catalogue import database, ids, layout, schema
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.ids import RowPrefix
from longplay.catalogue.layout import Manifest
from longplay.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot: where the catalogue lies, and which files it consists of."""

    folder: Path
    manifest: Manifest

    @property
    def number(self) -> int:
        """The snapshot's number; 0 is the catalogue with nothing in it."""
        return self.manifest.number

    @contextmanager
    def connect(self, *views: str) -> Iterator[Connection]:
        """A DuckDB connection with the snapshot's tables as views, closed at the end.

        Those that are named, and what they are made of; all where none is, which takes some three
        times as long as the few that a question needs.

        `offers`, `rights`, `rejects`, `absent`, `listens` and `aliases` as in `schema.LAYER`, each
        row with its `source`; `tracks`, `albums` and `artists` also with their keys and with
        numbers that are unique in the snapshot, so that they can be joined; `track_artists(track,
        position, artist)`; `track_credits(track, names)` and `album_credits(album, names)`;
        `named_tracks` and `named_albums` with the artists' names; `members(track, recording)` and
        `recordings(recording, minted)` of what is in the catalogue now; `redirects(recording,
        successor)` with the id that stands now; `splits(recording, part, snapshot)`; `popularity`
        as `schema` has it; `all_members`, `all_recordings`, which also have what has gone; and
        `run_members`, `run_recordings` and `all_redirects`, what the joins' runs say of them.
        """
        with layout.held(self.folder, self.number), database.opened() as connection:
            self._create(connection, views or _VIEWS)
            yield connection

    def redirects(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Recordings that others have taken in, ascending, and for each the one that stands now."""
        if not sum(run.rows for run in self.manifest.joins.get("redirects", ())):
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        with self.connect("redirects") as connection:
            found = connection.sql("SELECT * FROM redirects ORDER BY recording").to_arrow_table()
        return found["recording"].to_numpy(), found["successor"].to_numpy()

    def _create(self, connection: Connection, views: Iterable[str]) -> None:
        needed = set(views)
        assert needed <= set(_VIEWS), "is no view of a snapshot"
        for name in reversed(_VIEWS):
            if name in needed and name in _DERIVED:
                needed |= set(_DERIVED[name][0])
        for name in _VIEWS:
            if name in needed:
                connection.execute(f"CREATE VIEW {name} AS {self._query(name)}")

    def _query(self, view: str) -> str:
        if view in _DERIVED:
            return _DERIVED[view][1]
        if view in schema.LAYER:
            return " UNION ALL ".join(self._reads(view)) or _nothing(view, schema.LAYER[view])
        from longplay.catalogue import joins  # dear to load, and who only lists files needs none

        name = _RUNS[view]
        return joins.latest(self.folder, name, self.manifest.joins[name])

    def _reads(self, table: str) -> Iterator[str]:
        """A query for each file of a table."""
        for place, (source, layer) in enumerate(self.manifest.layers.items()):
            first = base = place << 32
            for part in layer.tables.get(table, ()):
                columns = _shown(table, quoted(source), base, first)
                read = database.parquet([self.folder / part.file], "file_row_number = true")
                yield f"SELECT {columns} FROM {read}"
                first += part.rows


_KEYED: dict[str, tuple[str, str, RowPrefix]] = {
    "tracks": ("number", "track", "tr"),
    "albums": ("album", "key", "al"),
    "artists": ("artist", "key", "ar"),
}
"""What the views call the numbers and the keys of rows."""


def _shown(table: str, source: str, base: int, first: int) -> str:
    """The columns of a view, over one file of a layer: numbers of rows are made unique by adding
    those of the layer (`base`) or of the file (`first`)."""
    columns = []
    for name, kind in schema.LAYER[table].items():
        if kind == "UINTEGER[]":
            columns.append(f"list_transform({name}, lambda n: ({base} + n)::UBIGINT) AS {name}")
        elif kind == "UINTEGER" and name != "since":
            columns.append(f"({base} + {name})::UBIGINT AS {name}")
        else:
            columns.append(name)
    if table in _KEYED:
        number, key, prefix = _KEYED[table]
        columns.insert(0, f"{ids.row_key_sql(prefix, 'own_id', source)} AS {key}")
        columns.insert(0, f"({first} + file_row_number)::UBIGINT AS {number}")
    return ", ".join([f"{source} AS source", *columns])


def _nothing(table: str, columns: schema.Columns) -> str:
    """A view of no rows."""
    numbers = dict.fromkeys(_KEYED.get(table, ())[:2], "UBIGINT")
    wide = {name: kind.replace("UINTEGER", "UBIGINT") for name, kind in columns.items()}
    return schema.empty({"source": "VARCHAR", **numbers, **wide})


_RUNS = {
    "run_members": "members",
    "run_recordings": "recordings",
    "all_redirects": "redirects",
    "splits": "splits",
    "popularity": "popularity",
}
"""Views of the joins' runs, and what those are called in the manifest."""

_DERIVED: dict[str, tuple[tuple[str, ...], str]] = {
    "redirects": (
        ("all_redirects",),
        """WITH RECURSIVE steps AS (
            SELECT recording, successor FROM all_redirects
            UNION ALL SELECT s.recording, r.successor FROM steps s JOIN all_redirects r
                ON s.successor = r.recording)
        SELECT * FROM steps ANTI JOIN (SELECT recording AS successor FROM all_redirects)
            USING (successor)""",
    ),
    "track_artists": (
        ("tracks",),
        """SELECT track, generate_subscripts(artists, 1)::INTEGER AS position,
            unnest(artists) AS artist FROM tracks""",
    ),
    "track_credits": (
        ("track_artists", "artists"),
        """SELECT track, list(name ORDER BY position) AS names
        FROM track_artists JOIN artists USING (artist) GROUP BY track""",
    ),
    "album_credits": (
        ("albums", "artists"),
        """SELECT album, list(name ORDER BY position) AS names
        FROM (SELECT album, generate_subscripts(artists, 1) AS position, unnest(artists) AS artist
            FROM albums) JOIN artists USING (artist) GROUP BY album""",
    ),
    "named_tracks": (
        ("tracks", "track_credits"),
        """SELECT t.* REPLACE (coalesce(names, []) AS artists)
        FROM tracks t LEFT JOIN track_credits USING (track)""",
    ),
    "named_albums": (
        ("albums", "album_credits"),
        """SELECT a.* REPLACE (coalesce(names, []) AS artists)
        FROM albums a LEFT JOIN album_credits USING (album)""",
    ),
    "default_members": (
        ("tracks",),
        f"""SELECT track, {ids.minted_sql("track")} AS recording FROM tracks
            WHERE same_as IS NULL
        UNION ALL SELECT t.track, {ids.minted_sql("s.track")} FROM tracks t
            JOIN tracks s ON t.same_as = s.number""",
    ),
    "all_members": (
        ("run_members", "default_members"),
        """SELECT * FROM run_members
        UNION ALL SELECT *, true FROM default_members ANTI JOIN run_members USING (track)""",
    ),
    "all_recordings": (
        ("run_recordings", "tracks"),
        f"""SELECT * FROM run_recordings
        UNION ALL SELECT {ids.minted_sql("track")} AS recording, since FROM tracks
            ANTI JOIN run_recordings r ON r.recording = {ids.minted_sql("track")}
            WHERE same_as IS NULL""",
    ),
    "members": (("all_members",), "SELECT track, recording FROM all_members WHERE live"),
    "recordings": (
        ("all_recordings", "members"),
        "SELECT recording, minted FROM all_recordings SEMI JOIN members USING (recording)",
    ),
}
"""Views of other views: those, and the query."""

_VIEWS = (*schema.LAYER, *_RUNS, *_DERIVED)
"""All views, each after those that it is made of."""


def open_current(folder: Path) -> Snapshot:
    """Open the current snapshot of the catalogue at `folder`; one without imports is empty.

    Raises ArchiveError when a file of it is missing or of another length.
    """
    return open_number(folder, layout.current_number(folder))


def open_number(folder: Path, number: int) -> Snapshot:
    """Open the snapshot of that number. Raises ArchiveError."""
    manifest = layout.read(folder, number)
    for part in manifest.parts():
        path = folder / part.file
        if not path.is_file() or path.stat().st_size != part.bytes:
            raise ArchiveError(
                "a file of the catalogue is missing or damaged",
                where=str(path),
                hint="import its source again, or bring the file back from a backup",
            )
    return Snapshot(folder, manifest)
