"""A release's tables: the manifest, the metadata and the members, for its whole state.

They are written volume by volume, each in the order of its torrent. docs/formats/release.md
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

OBJECTS = pa.schema(
    [
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("recording", pa.string()),
        ("title", pa.string()),
        ("artists", pa.list_(pa.string())),
        ("album", pa.string()),
        ("album_artist", pa.string()),
        ("disc_number", pa.int32()),
        ("track_number", pa.int32()),
        ("isrc", pa.string()),
        ("release_date", pa.string()),
        ("duration_ms", pa.int64()),
        ("listens", pa.float64()),
        ("suffix", pa.string()),
        ("root", pa.binary()),
        ("size", pa.int64()),
        ("sha256", pa.binary()),
        ("piece_length", pa.int32()),
        ("statement", pa.dictionary(pa.int32(), pa.string())),
        ("evidence", pa.dictionary(pa.int32(), pa.string())),
        ("tdm_reserved", pa.bool_()),
    ]
)
"""One row for each object that may be released, most listened-to first. `kind` is `audio` or
`art`; art has the names of the music that it is with, and no recording of its own."""

STATE = pa.schema([*OBJECTS, ("path", pa.string()), ("volume", pa.string())])
"""The rows of a release, as its tables take columns from it."""

RESERVED = "tdm_reserved"
"""The column that says whether text and data mining is reserved."""

MEMBERS = "members.parquet"
MANIFEST = "manifest.jsonl"
METADATA = "metadata.parquet"

METADATA_COLUMNS = (
    *("recording", "title", "artists", "album", "album_artist", "disc_number", "track_number"),
    *("isrc", "release_date", "duration_ms", "root", "size"),
)
MEMBERS_COLUMNS = ("root", "size", "path", "volume", RESERVED)

MANIFEST_COLUMNS = (
    *("path", "root", "size", "sha256", "isrc", "title", "artists", "album", "recording"),
    *("statement", "evidence", RESERVED, "kind", "volume"),
)

_MANIFEST_QUERY = """
    SELECT * REPLACE (lower(hex(root)) AS root, lower(hex(sha256)) AS sha256) FROM state
"""

Rows = Iterator[pa.Table]
"""Rows of a release: first a table that has none, then those of one volume after the other."""


def write_manifest(folder: Path, rows: Rows) -> None:
    """One JSON object a line for each object of the release."""
    schema = next(rows).schema
    batches = (batch for table in rows for batch in table.to_batches())
    target = folder / MANIFEST
    with duckdb.connect() as connection:
        connection.execute("SET threads=2; SET enable_progress_bar=false")
        connection.register("state", pa.RecordBatchReader.from_batches(schema, batches))
        quoted = str(target).replace("'", "''")
        connection.execute(f"COPY ({_MANIFEST_QUERY}) TO '{quoted}' (FORMAT json)")
    _sync(target)


def write_parquet(folder: Path, name: str, rows: Rows) -> None:
    """The rows as one Parquet file, a row group for each volume."""
    target = folder / name
    with pq.ParquetWriter(target, next(rows).schema, compression="zstd") as writer:
        for table in rows:
            writer.write_table(table)
    _sync(target)


def _sync(path: Path) -> None:
    with path.open("rb") as written:
        os.fsync(written.fileno())
