"""A copy of a catalogue as one SQLite file, for those who have tools for that."""

from __future__ import annotations

from pathlib import Path

import adbc_driver_manager
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_sqlite import dbapi

from longplay.catalogue import copies
from longplay.errors import ArchiveError

NAME = "catalogue.sqlite3"

LIST = ";"
"""What stands between several values in one cell."""

_CREATE = """
CREATE TABLE artists (rowid INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL,
    own_id TEXT NOT NULL, name TEXT, mbid TEXT);
CREATE TABLE albums (rowid INTEGER PRIMARY KEY, id TEXT NOT NULL, source TEXT NOT NULL,
    own_id TEXT NOT NULL, title TEXT, release_date TEXT, upc TEXT, mbid TEXT, label TEXT);
CREATE TABLE tracks (rowid INTEGER PRIMARY KEY, id TEXT NOT NULL, recording TEXT,
    source TEXT NOT NULL, own_id TEXT NOT NULL, title TEXT, artists TEXT, album_rowid INTEGER,
    disc_number INTEGER, track_number INTEGER, duration_ms INTEGER, isrc TEXT, recording_mbid TEXT,
    iswc TEXT, release_date TEXT, genres TEXT, explicit INTEGER, popularity REAL, listens REAL,
    licence TEXT);
CREATE TABLE track_artists (track_rowid INTEGER NOT NULL, position INTEGER NOT NULL,
    artist_rowid INTEGER NOT NULL);
CREATE TABLE album_artists (album_rowid INTEGER NOT NULL, position INTEGER NOT NULL,
    artist_rowid INTEGER NOT NULL);
CREATE TABLE redirects (id TEXT NOT NULL, successor TEXT NOT NULL)
"""

_INDEX = """
CREATE UNIQUE INDEX tracks_id ON tracks (id);
CREATE INDEX tracks_isrc ON tracks (isrc) WHERE isrc IS NOT NULL;
CREATE INDEX tracks_album ON tracks (album_rowid);
CREATE INDEX tracks_recording ON tracks (recording);
CREATE INDEX track_artists_track ON track_artists (track_rowid);
CREATE INDEX track_artists_artist ON track_artists (artist_rowid);
CREATE INDEX album_artists_album ON album_artists (album_rowid);
CREATE INDEX album_artists_artist ON album_artists (artist_rowid);
CREATE UNIQUE INDEX albums_id ON albums (id);
CREATE UNIQUE INDEX artists_id ON artists (id);
CREATE UNIQUE INDEX redirects_id ON redirects (id);
PRAGMA journal_mode = DELETE
"""
"""Made when the rows are there, which is many times faster."""

_LEFT_OUT = {"tracks": ("artist_ids", "album_id"), "albums": ("artists", "artist_ids")}
"""Columns in whose place `track_artists`, `album_artists` and `album_rowid` stand."""

_RENAMED = {"isrcs": "isrc", "iswcs": "iswc"}
"""Cells that have one value, nearly always."""


class SqliteFile:
    """A SQLite file that is being written, by columns, without a journal: `copies.new_folder` sees
    to it that a half one is never seen. A row's rowid is its number in the snapshot, and one."""

    def __init__(self, folder: Path) -> None:
        """Make the file with its tables."""
        self._path = folder / NAME
        self._rows = 0
        self._connection = dbapi.connect(str(self._path), autocommit=True)
        self._run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _CREATE)

    def write(self, table: str, batch: pa.RecordBatch, raw: pa.RecordBatch) -> None:
        """Take rows of a table, as they leave and as they are (`export.rows`)."""
        columns = {
            _RENAMED.get(field.name, field.name): _cell(batch[field.name])
            for field in batch.schema
            if field.name not in _LEFT_OUT.get(table, ())
        }
        if table != "redirects":
            numbers = pc.add(raw["place"].cast(pa.int64()), 1)
            columns = {"rowid": numbers, **columns}
            if "artists_numbers" in raw.schema.names:
                kind = table.removesuffix("s")
                self._ingest(f"{kind}_artists", _credits(kind, numbers, raw["artists_numbers"]))
            if "album_numbers" in raw.schema.names:
                columns["album_rowid"] = pc.add(raw["album_numbers"].cast(pa.int64()), 1)
        self._rows += batch.num_rows if table == "tracks" else 0
        self._ingest(table, pa.table(columns))

    def close(self) -> tuple[copies.File, ...]:
        """Make the indexes, and close the file."""
        self._run(_INDEX)
        self._connection.close()
        return (copies.described(self._path, self._rows),)

    def _ingest(self, table: str, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        try:
            with self._connection.cursor() as cursor:
                cursor.adbc_ingest(table, rows, mode="append")
        except adbc_driver_manager.Error as error:
            raise _failed(self._path, error) from error

    def _run(self, script: str) -> None:
        try:
            for statement in script.split(";"):
                with self._connection.cursor() as cursor:
                    cursor.execute(statement)
        except adbc_driver_manager.Error as error:
            raise _failed(self._path, error) from error


def _failed(path: Path, error: Exception) -> ArchiveError:
    words = str(error).splitlines()[0]
    return ArchiveError(
        f"SQLite could not write it: {words}", where=str(path), hint="is the disk full?"
    )


def _cell(column: pa.Array) -> pa.Array:
    """A column as SQLite has it: lists in one text, booleans as 0 and 1."""
    if pa.types.is_list(column.type):
        lengths = pc.list_value_length(column).fill_null(0)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths.to_numpy())]), pa.int32())
        named = pa.ListArray.from_arrays(offsets, column.flatten().fill_null(""))
        return pc.if_else(pc.equal(lengths, 0), None, pc.binary_join(named, LIST))
    return column.cast(pa.int32()) if pa.types.is_boolean(column.type) else column


def _credits(kind: str, numbers: pa.Array, artists: pa.ListArray) -> pa.Table:
    lengths = artists.value_lengths().fill_null(0).to_numpy()
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return pa.table(
        {
            f"{kind}_rowid": np.repeat(numbers.to_numpy(), lengths),
            "position": (np.arange(len(starts)) - starts + 1).astype(np.int32),
            "artist_rowid": pc.add(artists.flatten().cast(pa.int64()), 1),
        }
    )
