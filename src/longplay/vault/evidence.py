"""Evidence: Parquet tables of per-object facts too bulky for SQL.

Of each batch `hashes` (leaves, piece layer, v1 pieces), `sounds` (technical metadata, loudness,
integrity, fingerprint), `events` (PREMIS event types) and `holdings` (the files that led to
objects, or into quarantine); beside them `log` and `standing`, from which with the rest a lost
ledger is made again. A file is written whole, named by its content, and counts from the ledger
transaction that names it. Format: docs/formats/evidence.md.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from longplay.errors import StoreError
from longplay.files import durable
from longplay.ledger.batches import Batch, File, Inside
from longplay.ledger.log import merkle_root
from longplay.ledger.record import EvidenceFile
from longplay.model import AudioDescription, ObjectHashes, ObjectKey

CARRIED = [
    ("recording", pa.uint64()),
    ("start_ms", pa.int64()),
    ("end_ms", pa.int64()),
    ("role", pa.string()),
]
INSIDE = [
    ("root", pa.binary(32)),
    ("size", pa.int64()),
    ("role", pa.string()),
    ("kind", pa.string()),
    ("suffix", pa.string()),
]
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
            ("landmarks", pa.binary()),
            ("landmark_method", pa.string()),
        ]
    ),
    "events": pa.schema(
        [*KEY, ("time", pa.string()), ("type", pa.string()), ("outcome", pa.string()),
         ("detail", pa.string())]
    ),
    "holdings": pa.schema(
        [
            *KEY,
            ("plan", pa.string()),
            ("time", pa.string()),
            ("ordinal", pa.int32()),
            ("source", pa.string()),
            ("path", pa.binary()),
            ("source_size", pa.int64()),
            ("mtime_ns", pa.int64()),
            ("mode", pa.int32()),
            ("action", pa.string()),
            ("track", pa.uint64()),
            ("album", pa.uint64()),
            ("kind", pa.string()),
            ("suffix", pa.string()),
            ("verdict", pa.string()),
            ("recordings", pa.list_(pa.struct(CARRIED))),
            ("pictures", pa.list_(pa.struct(INSIDE))),
            ("refusal", pa.string()),
            ("version", pa.string()),
            ("derived_from", pa.binary(32)),
        ]
    ),
    "log": pa.schema(
        [("number", pa.int64()), ("time", pa.string()), ("event", pa.string()),
         ("subject", pa.string()), ("detail", pa.string()), ("evidence_root", pa.binary(32)),
         ("previous", pa.binary(32)), ("hash", pa.binary(32))]
    ),
    "standing": pa.schema([("table", pa.string()), ("row", pa.string())]),
}  # fmt: skip

NO_BATCH = 0
"""The batch of events that no capture brought: the log vouches for what each capture did bring."""

VOUCHED = ("sounds", "events", "holdings")
"""Kinds whose merkle roots stand in the detail of a batch's entry in the log; that of `hashes` is
the entry's evidence root."""

ORDERS = {
    "hashes": ("root", "size", "batch"),
    "sounds": ("root", "size", "batch"),
    "events": ("root", "size", "batch", "time", "type"),
    "holdings": ("root", "size", "batch", "ordinal"),
    "log": ("number",),
}
"""How the rows of a merged file are sorted."""

NAME = re.compile(rf"({'|'.join(SCHEMAS)})-([0-9a-f]{{32}})\.parquet")
"""What files of evidence are called: their kind, and the beginning of their SHA-256."""

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


def holding_rows(batch: Batch) -> list[dict[str, Any]]:
    """What came of each of a batch's files, as rows of `holdings`."""
    return [_holding_row(batch, ordinal, file) for ordinal, file in enumerate(batch.files)]


def _holding_row(batch: Batch, ordinal: int, file: File) -> dict[str, Any]:
    names = ("source", "path", "source_size", "mtime_ns", "mode", "action", "track", "album",
             "kind", "suffix", "verdict", "refusal", "version",
             "derived_from")  # fmt: skip
    carried = [field[0] for field in CARRIED]
    return {
        "batch": batch.number,
        "root": file.key.root if file.key else None,
        "size": file.key.size if file.key else file.source_size,
        "plan": batch.plan,
        "time": batch.time,
        "ordinal": ordinal,
        **{name: getattr(file, name) for name in names},
        "recordings": [dict(zip(carried, one, strict=True)) for one in file.recordings],
        "pictures": [
            {
                "root": one.key.root,
                "size": one.key.size,
                "role": one.role,
                "kind": one.kind,
                "suffix": one.suffix,
            }
            for one in file.pictures
        ],
    }


def holding_of(row: dict[str, Any]) -> File:
    """The file that a row of `holdings` tells of."""
    return File(
        source=row["source"],
        path=row["path"],
        key=None if row["root"] is None else ObjectKey(row["root"], row["size"]),
        source_size=row["source_size"],
        mtime_ns=row["mtime_ns"],
        mode=row["mode"],
        action=row["action"],
        track=row["track"],
        album=row["album"],
        kind=row["kind"],
        suffix=row["suffix"],
        verdict=row["verdict"],
        recordings=tuple(
            (one["recording"], one["start_ms"], one["end_ms"], one["role"])
            for one in row["recordings"]
        ),
        pictures=tuple(
            Inside(ObjectKey(one["root"], one["size"]), one["role"], one["kind"], one["suffix"])
            for one in row["pictures"]
        ),
        refusal=row["refusal"],
        version=row.get("version"),
        derived_from=row.get("derived_from"),
    )


def leaf(row: dict[str, Any]) -> bytes:
    """One object's leaf in its batch's merkle tree: what the log vouches for."""
    bound = (row["root"], row["size"].to_bytes(8, "big"), row["sha256"], row["leaves"])
    return hashlib.sha256(b"".join(bound)).digest()


def row_leaf(row: dict[str, Any]) -> bytes:
    """The leaf of a row of any other kind: the SHA-256 of its canonical JSON (keys sorted, no
    spaces, binary as lower-case hexadecimal) without what is null, which later columns may be."""
    plain = {key: value for key, value in row.items() if value is not None}
    text = json.dumps(
        plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=bytes.hex
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def root_of(leaves: Iterable[bytes]) -> str:
    """What a batch's entry in the log has of one kind: the merkle root of its rows' leaves, which
    are sorted, in hexadecimal."""
    return merkle_root(sorted(leaves)).hex()


def write_vouched(
    folder: Path, kind: str, rows: list[dict[str, Any]]
) -> tuple[EvidenceFile, str] | None:
    """`write`, with `root_of` the rows as they can be read again."""
    if not rows:
        return None
    table = _sorted_table(kind, rows)
    root = root_of(row_leaf(row) for row in table.to_pylist())
    return _write_table(folder, kind, [table]), root


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> EvidenceFile | None:
    """Write rows of one kind as one durable file in the order of `ORDERS`; None when there are
    none."""
    return _write_table(folder, kind, [_sorted_table(kind, rows)]) if rows else None


def _sorted_table(kind: str, rows: list[dict[str, Any]]) -> pa.Table:
    return _sorted(kind, pa.Table.from_pylist(rows, schema=SCHEMAS[kind]))


def _sorted(kind: str, table: pa.Table) -> pa.Table:
    keys = [(name, "ascending") for name in ORDERS.get(kind, ())]
    return table.take(pc.sort_indices(table, sort_keys=keys)) if keys else table


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


def is_whole(path: Path, digest: bytes) -> bool:
    """Whether an evidence file is there, with the bytes that the ledger names."""
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").digest() == digest
    except OSError:
        return False


def leftovers(folder: Path, named: Collection[str]) -> list[Path] | None:
    """The files in the evidence folder that no transaction names, and that may go: what was killed
    left them. None where none may go, because one that is named is missing: then the ledger is
    older than the evidence, or evidence was lost, and what it does not name may be all there is.

    A file that is not what its own name says has rotted, and was never half written: it stays, so
    that it is told of, and brought back from where it is whole.
    """
    there = {path.name: path for path in folder.iterdir() if path.is_file()}
    if not there.keys() >= set(named):
        return None
    return [path for name, path in sorted(there.items()) if name not in named and not _rotten(path)]


def _rotten(path: Path) -> bool:
    match = NAME.fullmatch(path.name)
    if match is None:
        return False
    with path.open("rb") as source:
        return not hashlib.file_digest(source, "sha256").hexdigest().startswith(match[2])


def to_merge(files: Sequence[tuple[str, str, int]]) -> dict[str, list[str]]:
    """Of (name, kind, bytes), the small files that should become one, by kind."""
    groups: dict[str, list[str]] = {}
    totals: dict[str, int] = {}
    for name, kind, size in sorted(files, key=lambda row: row[2]):
        if kind not in ORDERS:
            continue
        total = totals.get(kind, 0) + size
        if total <= MERGED_BYTES:
            totals[kind] = total
            groups.setdefault(kind, []).append(name)
    return {kind: names for kind, names in groups.items() if len(names) >= MERGE_COUNT}


def merge(folder: Path, kind: str, names: Sequence[str]) -> EvidenceFile:
    """Write the union of small files, sorted by root; the ledger then swaps the names."""
    tables = [pq.read_table(path, schema=SCHEMAS[kind]) for path in paths(folder, sorted(names))]
    return _write_table(folder, kind, [_sorted(kind, pa.concat_tables(tables))])


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
