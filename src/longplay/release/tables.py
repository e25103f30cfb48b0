"""A release's tables: the manifest, the metadata and the members, for its whole state.

They are written volume by volume, each in the order of its torrent. docs/formats/release.md
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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

_MANIFEST_QUERY = """
    SELECT path, lower(hex(root)) AS root, size, lower(hex(sha256)) AS sha256, isrc, title, artists,
        album, recording, statement, evidence, volume
    FROM state
"""

State = Callable[[], Iterator[pa.Table]]
"""The state's rows, volume by volume: the columns of `cut.OBJECTS` with `path` and `volume`."""


def write_manifest(folder: Path, schema: pa.Schema, state: State) -> None:
    """One JSON object a line for each object of the release."""
    batches = (batch for table in state() for batch in table.to_batches())
    target = folder / MANIFEST
    with duckdb.connect() as connection:
        connection.execute("SET threads=2; SET enable_progress_bar=false")
        connection.register("state", pa.RecordBatchReader.from_batches(schema, batches))
        connection.sql(_MANIFEST_QUERY).query(
            "rows", f"COPY rows TO '{str(target).replace(chr(39), 2 * chr(39))}' (FORMAT json)"
        )
    _sync(target)


def write_parquet(folder: Path, name: str, columns: tuple[str, ...], state: State) -> None:
    """The named columns of the state as one Parquet file, a row group for each volume."""
    target = folder / name
    writer = None
    for table in state():
        chosen = table.select(list(columns))
        writer = writer or pq.ParquetWriter(target, chosen.schema, compression="zstd")
        writer.write_table(chosen)
    if writer is not None:
        writer.close()
    _sync(target)


def _sync(path: Path) -> None:
    with path.open("rb") as written:
        os.fsync(written.fileno())
