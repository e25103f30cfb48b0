"""What the ledger has that a library is made of, as Arrow tables, read in bounded pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.files import escape
from longplay.ledger import batches, queries, tables, tally
from longplay.model import Kind

PAGE = 20_000
"""Rows held as Python objects at a time."""

_PLAIN = sa.types.NullType()
_KEY = pa.uint64()

_FILES = pa.schema(
    [
        ("source", pa.string()),
        ("path", pa.binary()),
        ("root", pa.binary()),
        ("size", pa.int64()),
        ("suffix", pa.string()),
        ("action", pa.string()),
        ("access", pa.int8()),
        ("track", _KEY),
        ("album", _KEY),
        ("batch", pa.int64()),
    ]
)
_CARRIED = pa.schema(
    [
        ("recording", _KEY),
        ("root", pa.binary()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("role", pa.string()),
    ]
)
_INSIDE = pa.schema([("root", pa.binary()), ("picture", pa.binary()), ("role", pa.string())])
_BATCHES = pa.schema([("batch", pa.int64()), ("time", pa.string())])


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is held and may be heard by some listener: `music` and `pictures` (one row for each
    path that leads to an object: source, path, folder and name as text, root, size, suffix, action,
    access, track, album, batch), `carried` (recordings of objects), `inside` (pictures in objects'
    tags), and the time of each batch."""

    music: pa.Table
    pictures: pa.Table
    carried: pa.Table
    inside: pa.Table
    batches: pa.Table


def read(connection: Connection) -> Holdings:
    """Read it all, of one moment."""
    return Holdings(
        _files(connection, Kind.AUDIO),
        _files(connection, Kind.IMAGE),
        _carried(connection),
        _inside(connection),
        _batches(connection),
    )


def _files(connection: Connection, kind: Kind) -> pa.Table:
    h, o = tables.holdings.c, tables.objects.c
    columns = (h.source, h.path, h.root, o.size, o.suffix, h.action, o.access, h.track, h.album)
    query = (
        sa.select(*(sa.type_coerce(one, _PLAIN) for one in columns), h.batch)
        .join(tables.objects, o.root == h.root)
        .where(h.superseded == 0, o.kind == kind.value, o.access < tally.ACCESS.index("dark"))
    )
    return _with_names(_table(connection, query, _FILES))


def _with_names(found: pa.Table) -> pa.Table:
    """With the folder and the name of each path, as text."""
    paths = _as_text(found["path"].combine_chunks())
    folders = pc.replace_substring_regex(paths, pattern=r"/?[^/]*$", replacement="")
    names = pc.replace_substring_regex(paths, pattern=r"^.*/", replacement="")
    found = found.append_column("place", paths)
    return found.append_column("folder", folders).append_column("name", names)


def _as_text(paths: pa.Array) -> pa.Array:
    """`files.escape` of a column: most paths need none."""
    if isinstance(paths, pa.ChunkedArray):
        paths = paths.combine_chunks()
    try:
        texts = paths.cast(pa.string())
        if not pc.any(pc.match_substring_regex(texts, pattern=r"[%\x00-\x1f\x7f]"), min_count=0):
            return texts
    except pa.ArrowInvalid:
        pass
    return pa.array([escape(path) for path in paths.to_pylist()], pa.string())


def _carried(connection: Connection) -> pa.Table:
    m, o = tables.manifestations.c, tables.objects.c
    columns = (m.recording, m.root, m.start_ms, m.end_ms, m.role)
    query = (
        sa.select(*(sa.type_coerce(one, _PLAIN) for one in columns))
        .join(tables.objects, o.root == m.root)
        .where(o.access < tally.ACCESS.index("dark"))
    )
    return _table(connection, query, _CARRIED)


def _inside(connection: Connection) -> pa.Table:
    e, o = tables.embedded.c, tables.objects.c
    query = (
        sa.select(*(sa.type_coerce(one, _PLAIN) for one in (e.root, e.picture, e.role)))
        .join(tables.objects, o.root == e.picture)
        .where(o.kind == Kind.IMAGE.value, o.access < tally.ACCESS.index("dark"))
    )
    return _table(connection, query, _INSIDE)


def _batches(connection: Connection) -> pa.Table:
    entries = tables.log.c
    query = sa.select(entries.detail, entries.time).where(entries.event == batches.EVENT)
    rows = [(queries.batch_of(row.detail), row.time) for row in connection.execute(query)]
    return _rows(rows, _BATCHES)


def _table(
    connection: Connection, query: sa.Select[*tuple[Any, ...]], schema: pa.Schema
) -> pa.Table:
    def pages() -> Iterator[pa.Table]:
        result = connection.execute(query, execution_options={"yield_per": PAGE})
        for rows in result.partitions(PAGE):
            yield _rows(rows, schema)

    return pa.concat_tables([schema.empty_table(), *pages()])


def _rows(rows: Sequence[Sequence[object]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = []
    for values, field in zip(columns, schema, strict=True):
        if field.type == _KEY:  # as SQL has them: the same 64 bits, signed
            arrays.append(pa.array(values, pa.int64()).view(_KEY))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=schema)
