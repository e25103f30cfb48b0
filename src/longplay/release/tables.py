"""A release's tables: the manifest, the metadata and the members, for its whole state.

They are written volume by volume, each in the order of its torrent. docs/formats/release.md
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

MEMBERS = "members.parquet"
MANIFEST = "manifest.jsonl"
METADATA = "metadata.parquet"

METADATA_COLUMNS = (
    *("recording", "title", "artists", "album", "album_artist", "disc_number", "track_number"),
    *("isrc", "release_date", "duration_ms", "root", "size"),
)
MEMBERS_COLUMNS = ("root", "size", "path", "volume")

MANIFEST_COLUMNS = (
    *("path", "root", "size", "sha256", "isrc", "title", "artists", "album", "recording"),
    *("statement", "evidence", "volume"),
)

_MANIFEST_QUERY = """
    SELECT * REPLACE (lower(hex(root)) AS root, lower(hex(sha256)) AS sha256) FROM state
"""

State = Callable[[Sequence[str]], Iterator[pa.Table]]
"""Gives the named columns of the state's rows: first a table without rows, then one a volume. The
columns are those of `cut.STATE`."""


def write_manifest(folder: Path, state: State) -> None:
    """One JSON object a line for each object of the release."""
    parts = state(MANIFEST_COLUMNS)
    schema = next(parts).schema
    batches = (batch for table in parts for batch in table.to_batches())
    target = folder / MANIFEST
    with duckdb.connect() as connection:
        connection.execute("SET threads=2; SET enable_progress_bar=false")
        connection.register("state", pa.RecordBatchReader.from_batches(schema, batches))
        quoted = str(target).replace("'", "''")
        connection.execute(f"COPY ({_MANIFEST_QUERY}) TO '{quoted}' (FORMAT json)")
    _sync(target)


def write_parquet(folder: Path, name: str, columns: Sequence[str], state: State) -> None:
    """The named columns of the state as one Parquet file, a row group for each volume."""
    target = folder / name
    parts = state(columns)
    with pq.ParquetWriter(target, next(parts).schema, compression="zstd") as writer:
        for table in parts:
            writer.write_table(table)
    _sync(target)


def _sync(path: Path) -> None:
    with path.open("rb") as written:
        os.fsync(written.fileno())
