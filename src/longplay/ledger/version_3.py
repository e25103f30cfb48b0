"""The tables that named objects by their roots (version 3), and what leads from them to numbers.

Used by an upgrade, and to load a backup that was made of such a ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String
from sqlalchemy.engine import Connection

from longplay.ledger import naming, tables
from longplay.ledger.columns import Key

VERSION = 3

ROWS = 5_000
"""Rows held at a time."""

Row = dict[str, Any]

metadata = sa.MetaData()


def _table(name: str, *columns: Column[Any]) -> sa.Table:
    return sa.Table(name, metadata, *columns, sqlite_with_rowid=False)


_table(
    "object",
    Column("root", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("kind", String, nullable=False),
    Column("suffix", String, nullable=False),
    Column("piece_length", Integer, nullable=False),
    Column("verdict", String),
    Column("batch", BigInteger, nullable=False),
    Column("checked", String),
    Column("access", Integer),
)
_table(
    "holding",
    Column("source", String, primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("root", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("source_size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("track", Key),
    Column("album", Key),
    Column("batch", BigInteger, nullable=False),
    Column("superseded", Integer, nullable=False),
    Column("version", String),
)
_table(
    "manifestation",
    Column("recording", Key, primary_key=True),
    Column("root", LargeBinary(32), primary_key=True),
    Column("start_ms", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("end_ms", BigInteger),
    Column("role", String, nullable=False),
    Column("derived_from", LargeBinary(32)),
)
_table(
    "embedded",
    Column("root", LargeBinary(32), primary_key=True),
    Column("picture", LargeBinary(32), primary_key=True),
    Column("role", String, primary_key=True),
)
_table(
    "copy",
    Column("root", LargeBinary(32), primary_key=True),
    Column("replica", String, primary_key=True),
    Column("checked", String),
)

NAMES = tuple(metadata.tables)
"""The tables that version 4 has in another form, each after those that it speaks of."""


def number(connection: Connection, read: Callable[[str], Iterator[list[Row]]]) -> None:
    """Fill the empty tables of version 4 from rows of version 3: `read` gives those of a table by
    its name, some at a time."""
    writers: dict[str, Callable[[Connection, list[Row]], None]] = {
        "object": _objects,
        "holding": _holdings,
        "manifestation": _manifestations,
        "embedded": partial(_named, tables.embedded_rows, ("root", "picture")),
        "copy": partial(_named, tables.copy_rows, ("root",)),
    }
    for name in NAMES:
        for rows in read(name):
            writers[name](connection, rows)


def _objects(connection: Connection, rows: list[Row]) -> None:
    connection.execute(tables.object_rows.insert(), rows)


def _holdings(connection: Connection, rows: list[Row]) -> None:
    objects = naming.numbers(connection, (row["root"] for row in rows))
    folders = naming.folders(connection, ((row["source"], row["path"]) for row in rows))
    found = []
    for row in rows:
        mine, source, path = objects[row.pop("root")], row.pop("source"), row.pop("path")
        folder, name = naming.split(path)
        del row["size"]
        row |= {
            "object": mine.number,
            "place": naming.place(source, path),
            "folder": folders[source, folder],
            "name": name,
            "batch": None if mine.batch == row["batch"] else row["batch"],
        }
        found.append(row)
    connection.execute(tables.holding_rows.insert(), found)


def _manifestations(connection: Connection, rows: list[Row]) -> None:
    for row in rows:
        del row["size"]
    _named(tables.manifestation_rows, ("root", "derived_from"), connection, rows)


def _named(
    table: sa.Table, columns: Iterable[str], connection: Connection, rows: list[Row]
) -> None:
    """Add rows with the numbers of objects in these columns in place of their roots."""
    columns = tuple(columns)
    objects = naming.numbers(
        connection, (row[name] for row in rows for name in columns if row[name] is not None)
    )
    for row in rows:
        for name in columns:
            if row[name] is not None:
                row[name] = objects[row[name]].number
        row["object"] = row.pop("root")
    connection.execute(table.insert(), rows)
