"""A copy of the whole ledger: a SQLite file as it is, any other database as a Parquet file a table.

Both are of one moment, whoever writes meanwhile. Format: docs/formats/ledger.md.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.errors import LedgerError
from longplay.files import TEMPORARY, publish
from longplay.ledger import log, naming, tables, version_3
from longplay.ledger.columns import Key, Moment, Power, Word
from longplay.ledger.log import LogState

ROWS = 10_000
"""Rows held at a time."""

PAGES = 4096
"""Pages of SQLite copied at a time, 16 MB: writers get their turn between."""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database that may be in use; `target` appears whole."""
    temporary = target.with_name(target.name + TEMPORARY)
    temporary.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(temporary)) as copy:
            old.backup(copy, pages=PAGES)
            copy.execute("PRAGMA journal_mode = DELETE")
            checked = [row[0] for row in copy.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        raise LedgerError(
            f"cannot be copied: {error}", where=str(source), hint="see `longplay rebuild`"
        ) from error
    if checked != ["ok"]:
        raise LedgerError(
            f"is damaged: {checked[0]}", where=str(source), hint="run `longplay rebuild`"
        )
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    publish(temporary, target)


def dump(connection: Connection, folder: Path) -> dict[str, int]:
    """Write every table as `<name>.parquet` into an empty folder; the rows of each."""
    counts = {}
    for name, table in tables.metadata.tables.items():
        schema = _schema(table)
        path = folder / f"{name}.parquet"
        counts[name] = 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            query = sa.select(table).order_by(*table.primary_key)
            answer = connection.execute(query, execution_options={"yield_per": ROWS})
            for rows in answer.mappings().partitions(ROWS):
                part = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
                writer.write_table(part)
                counts[name] += part.num_rows
        with path.open("rb") as written:
            os.fsync(written.fileno())
    return counts


def load(connection: Connection, folder: Path) -> None:
    """Fill the empty tables of a ledger from `dump`, of this version of the tables or of the one
    before. A table without a file stays empty. Raises LedgerError for another version."""
    version = _version(folder)
    if version not in (tables.VERSION, version_3.VERSION):
        raise LedgerError(
            f"is a dump of a ledger of version {version}",
            where=str(folder),
            hint="restore it with the Longplay that made it, and then upgrade that",
        )
    old = version_3.NAMES if version == version_3.VERSION else ()
    for name, table in tables.metadata.tables.items():
        if name in old or not (folder / f"{name}.parquet").is_file():
            continue
        connection.execute(table.delete())
        for rows in _dumped(folder, table, name):
            connection.execute(table.insert(), rows)
    if old:
        version_3.number(
            connection,
            lambda name: _dumped(folder, version_3.metadata.tables[name], name),
        )
        meta = tables.meta
        mine = meta.update().where(meta.c.key == "version")
        connection.execute(mine.values(value=str(tables.VERSION)))
    naming.go_on(connection)


def _version(folder: Path) -> int:
    meta = pq.read_table(folder / f"{tables.meta.name}.parquet")
    facts = dict(zip(meta["key"].to_pylist(), meta["value"].to_pylist(), strict=True))
    return int(facts.get("version", 0))


def _dumped(folder: Path, table: sa.Table, name: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table in a dump, some at a time; none when it has no file."""
    path = folder / f"{name}.parquet"
    if not path.is_file():
        return
    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(batch_size=ROWS):
            columns = [each for each in batch.schema.names if each in table.c]
            yield batch.select(columns).to_pylist()


def state(connection: Connection) -> tuple[dict[str, int], LogState]:
    """The rows of every table, and how the log walks."""
    counts = {
        name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for name, table in tables.metadata.tables.items()
    }
    return counts, log.walk(connection)


def _schema(table: sa.Table) -> pa.Schema:
    return pa.schema([(column.name, _type(column.type)) for column in table.c])


def _type(kind: sa.types.TypeEngine[object]) -> pa.DataType:
    if isinstance(kind, Key):
        return pa.uint64()
    if isinstance(kind, Word | Moment):
        return pa.string()
    if isinstance(kind, Power):
        return pa.int64()
    if isinstance(kind, sa.Integer):
        return pa.int64()
    if isinstance(kind, sa.Float):
        return pa.float64()
    return pa.binary() if isinstance(kind, sa.LargeBinary) else pa.string()
