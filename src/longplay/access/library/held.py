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

_KEY = pa.uint64()

_OBJECTS = pa.schema(
    [
        ("root", pa.binary()),
        ("size", pa.int64()),
        ("suffix", pa.string()),
        ("kind", pa.string()),
        ("access", pa.int8()),
    ]
)
_FILES = pa.schema(
    [
        ("source", pa.string()),
        ("path", pa.binary()),
        ("root", pa.binary()),
        ("action", pa.string()),
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
    ]
)
_INSIDE = pa.schema([("root", pa.binary()), ("picture", pa.binary()), ("role", pa.string())])
_BATCHES = pa.schema([("batch", pa.int64()), ("time", pa.string())])


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is held, table by table: the sound and picture `objects` that some listener may have
    (root, size, suffix, kind, access), the `files` that lead to objects (source, path, place, which
    is the path as text, its folder and name, root, action, track, album, batch), `carried`
    (recordings of objects), `inside` (pictures in objects' tags), and the time of each batch.

    They are joined elsewhere: a database looks each row up where another one is sorted otherwise.
    """

    objects: pa.Table
    files: pa.Table
    carried: pa.Table
    inside: pa.Table
    batches: pa.Table


def read(connection: Connection) -> Holdings:
    """Read it all, of one moment."""
    o, h = tables.objects.c, tables.holdings.c
    m, e = tables.manifestations.c, tables.embedded.c
    kinds = (Kind.AUDIO.value, Kind.IMAGE.value)
    may = o.kind.in_(kinds), o.access < tally.ACCESS.index("dark")
    files = sa.select(
        *_plain(h.source, h.path, h.root), h.action, *_plain(h.track, h.album), h.batch
    )
    return Holdings(
        _table(
            connection,
            sa.select(*_plain(o.root, o.size, o.suffix), o.kind, o.access).where(*may),
            _OBJECTS,
        ),
        _with_names(_table(connection, files.where(h.superseded == 0), _FILES)),
        _table(connection, sa.select(*_plain(m.recording, m.root, m.start_ms, m.end_ms)), _CARRIED),
        _table(connection, sa.select(*_plain(e.root, e.picture, e.role)), _INSIDE),
        _batches(connection),
    )


def _plain(*columns: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    """Columns as SQL has them: turning each value by itself takes seconds at a million rows."""
    return [sa.type_coerce(one, sa.types.NullType()) for one in columns]


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
