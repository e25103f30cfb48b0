"""Evidence: Parquet tables of per-object facts too bulky for SQL.

Three kinds: `hashes` (leaves, piece layer, v1 pieces), `sounds` (technical metadata, loudness,
integrity, fingerprint, tags) and `events` (PREMIS event types). A file is written whole, named by
its content, and counts from the ledger transaction that names it. Format: docs/formats/evidence.md.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.errors import StoreError
from longplay.files import durable
from longplay.ledger.record import EvidenceFile
from longplay.model import AudioDescription, ObjectHashes

KEY = [("batch", pa.int64()), ("root", pa.binary(32)), ("size", pa.int64())]

SCHEMAS = {
    "hashes": pa.schema(
        [
            *KEY,
            ("sha256", pa.binary(32)),
            ("piece_length", pa.int32()),
            ("leaves", pa.binary()),
            ("piece_layer", pa.binary()),
            ("v1_pieces", pa.binary()),
            ("v1_last_bare", pa.binary()),
        ]
    ),
    "sounds": pa.schema(
        [
            *KEY,
            ("container", pa.string()),
            ("codec", pa.string()),
            ("sample_rate", pa.int32()),
            ("channels", pa.int16()),
            ("bit_depth", pa.int16()),
            ("bit_rate", pa.int64()),
            ("declared_ms", pa.int64()),
            ("samples", pa.int64()),
            ("duration_ms", pa.int64()),
            ("gaps", pa.int32()),
            ("complaints", pa.list_(pa.string())),
            ("verdict", pa.string()),
            ("proofs", pa.list_(pa.string())),
            ("findings", pa.list_(pa.string())),
            ("integrated_lufs", pa.float32()),
            ("range_lu", pa.float32()),
            ("true_peak_dbtp", pa.float32()),
            ("sample_peak_dbfs", pa.float32()),
            ("fingerprint", pa.binary()),
            ("decoder", pa.string()),
        ]
    ),
    "events": pa.schema(
        [*KEY, ("time", pa.string()), ("type", pa.string()), ("outcome", pa.string()),
         ("detail", pa.string())]
    ),
}  # fmt: skip

MERGED_BYTES = 256 * 2**20
"""Size that merged evidence files aim at: large enough to scan fast, small enough to rewrite."""

MERGE_COUNT = 2
"""Small files of one kind that are worth merging."""

ROW_GROUP = 8_192
"""Rows in a Parquet row group: at 4 MB an object their leaves take 64 MB in memory."""

MERGE_ROWS = 512
"""Rows of each file that are turned into Python values at once while files are read together."""


def hashes_row(batch: int, hashes: ObjectHashes) -> dict[str, Any]:
    """An object's digests as a row of `hashes`."""
    names = SCHEMAS["hashes"].names[1:]
    return {"batch": batch, **{name: getattr(hashes, name) for name in names}}


def sound_row(batch: int, hashes: ObjectHashes, sound: AudioDescription) -> dict[str, Any]:
    """An audio object's description as a row of `sounds`."""
    row: dict[str, Any] = {"batch": batch, "root": hashes.root, "size": hashes.size}
    parts = (sound.stream, sound.decoded, sound.integrity, sound.loudness, sound)
    for name in SCHEMAS["sounds"].names[3:]:
        row[name] = next(getattr(part, name) for part in parts if hasattr(part, name))
    return row


def leaf(row: dict[str, Any]) -> bytes:
    """One object's leaf in its batch's merkle tree: what the log vouches for."""
    bound = (row["root"], row["size"].to_bytes(8, "big"), row["sha256"], row["leaves"])
    return hashlib.sha256(b"".join(bound)).digest()


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> EvidenceFile | None:
    """Write rows of one kind as one durable file sorted by root; None when there are none."""
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: (row["root"], row["size"]))
    return _write_table(folder, kind, [pa.Table.from_pylist(rows, schema=SCHEMAS[kind])])


def paths(folder: Path, names: Iterable[str]) -> list[Path]:
    """The named evidence files. Raises StoreError for the first that is missing."""
    found = [folder / name for name in names]
    for path in found:
        if not path.is_file():
            raise StoreError("is missing", where=str(path), hint="restore it from a backup")
    return found


def read(
    files: Sequence[Path], columns: list[str], *, rows: int = ROW_GROUP
) -> Iterator[pa.RecordBatch]:
    """Batches of these columns, file after file. Raises StoreError for an unreadable file."""
    for path in files:
        try:
            with pq.ParquetFile(path) as parquet:
                yield from parquet.iter_batches(batch_size=rows, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                f"cannot be read: {error}", where=str(path), hint="restore it from a backup"
            ) from error


def by_root(files: Sequence[Path], columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of these columns, `root` among them, of all files in ascending order of their roots:
    every file is sorted, so a few rows of each are held at a time. Raises StoreError."""

    def rows(path: Path) -> Iterator[dict[str, Any]]:
        for batch in read([path], columns, rows=MERGE_ROWS):
            yield from batch.to_pylist()

    yield from heapq.merge(*map(rows, files), key=lambda row: bytes(row["root"]))


def read_where(
    files: Sequence[Path], key: list[str], columns: list[str], wanted: Callable[[pa.Table], bool]
) -> Iterator[pa.RecordBatch]:
    """As `read`, but only the row groups whose `key` columns `wanted` answers yes to."""
    for path in files:
        try:
            with pq.ParquetFile(path) as parquet:
                for group in range(parquet.num_row_groups):
                    if wanted(parquet.read_row_group(group, columns=key)):
                        found = parquet.read_row_group(group, columns=columns)
                        yield from found.combine_chunks().to_batches()
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                f"cannot be read: {error}", where=str(path), hint="restore it from a backup"
            ) from error


def to_merge(files: Sequence[tuple[str, str, int]]) -> dict[str, list[str]]:
    """Of (name, kind, bytes), the small files that should become one, by kind."""
    groups: dict[str, list[str]] = {}
    totals: dict[str, int] = {}
    for name, kind, size in sorted(files, key=lambda row: row[2]):
        total = totals.get(kind, 0) + size
        if total <= MERGED_BYTES:
            totals[kind] = total
            groups.setdefault(kind, []).append(name)
    return {kind: names for kind, names in groups.items() if len(names) >= MERGE_COUNT}


def merge(folder: Path, kind: str, names: Sequence[str]) -> EvidenceFile:
    """Write the union of small files, sorted by root; the ledger then swaps the names."""
    tables = [pq.read_table(path, schema=SCHEMAS[kind]) for path in paths(folder, sorted(names))]
    table = pa.concat_tables(tables)
    order = [("root", "ascending"), ("size", "ascending"), ("batch", "ascending")]
    if kind == "events":
        order += [("time", "ascending"), ("type", "ascending")]
    return _write_table(folder, kind, [table.take(pc.sort_indices(table, sort_keys=order))])


def _write_table(folder: Path, kind: str, tables: list[pa.Table]) -> EvidenceFile:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMAS[kind], compression="zstd") as writer:
        for table in tables:
            writer.write_table(table, row_group_size=ROW_GROUP)
    data = sink.getvalue()
    digest = hashlib.sha256(data).digest()
    name = f"{kind}-{digest.hex()[:32]}.parquet"
    with durable(folder / name) as out:
        out.write(data)
    return EvidenceFile(name, kind, sum(table.num_rows for table in tables), len(data), digest)
