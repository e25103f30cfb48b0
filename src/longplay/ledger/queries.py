"""Reading the ledger: what is held, under which rights, published where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import tables
from longplay.model import ObjectKey

FETCH_ROWS = 10_000
"""Rows of a large answer held at a time."""


def count_objects(connection: Connection) -> tuple[int, int]:
    """How many objects are stored, and their bytes."""
    query = sa.select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(tables.objects.c.size), 0)
    ).select_from(tables.objects)
    count, size = connection.execute(query).one()
    return int(count), int(size)


def count(connection: Connection, table: sa.Table) -> int:
    """Rows of a table."""
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def held_recordings(connection: Connection) -> pa.Array:
    """The recordings that some object carries, sorted, as unsigned 64-bit keys."""
    query = sa.select(tables.manifestations.c.recording).distinct()
    return pa.array(sorted(connection.scalars(query)), pa.uint64())


def stored(connection: Connection) -> Iterator[tuple[ObjectKey, str]]:
    """Every object with its suffix, by root."""
    o = tables.objects.c
    query = sa.select(o.root, o.size, o.suffix).order_by(o.root)
    for root, size, suffix in connection.execution_options(yield_per=FETCH_ROWS).execute(query):
        yield ObjectKey(root, size), suffix


def oldest_checked(connection: Connection, limit: int) -> set[bytes]:
    """The roots of the objects whose last fixity check lies furthest back."""
    o = tables.objects.c
    return set(connection.scalars(sa.select(o.root).order_by(o.checked, o.root).limit(limit)))


def evidence_names(connection: Connection, kind: str) -> list[str]:
    """The evidence files of one kind."""
    e = tables.evidence_files.c
    return list(connection.scalars(sa.select(e.name).where(e.kind == kind).order_by(e.name)))


def latest_plan(connection: Connection) -> dict[str, Any] | None:
    """The plan made last, as its document, or None."""
    p = tables.plans.c
    text = connection.scalar(sa.select(p.document).order_by(p.number.desc()).limit(1))
    return None if text is None else dict(json.loads(text))


def uneven_paths(connection: Connection) -> pa.Table:
    """(source, path) of files that are damaged or could not be kept: a plan prefers others."""
    h, o, q = tables.holdings.c, tables.objects.c, tables.quarantine.c
    damaged = (
        sa.select(h.source, h.path)
        .join(tables.objects, o.root == h.root)
        .where(o.verdict == "damaged but plays")
    )
    rows = connection.execute(sa.union(damaged, sa.select(q.source, q.path))).all()
    return pa.table(
        {
            "source": pa.array([row[0] for row in rows], pa.string()),
            "path": pa.array([row[1] for row in rows], pa.binary()),
        }
    )


def statements(connection: Connection) -> Iterator[sa.Row[Any]]:
    """Every rights statement, by subject."""
    r = tables.rights_statements
    yield from connection.execute(sa.select(r).order_by(r.c.subject, r.c.uri, r.c.evidence))


def batch_of(detail: str) -> int:
    """The batch that a capture entry of the log speaks of."""
    return int(json.loads(detail)["batch"])
