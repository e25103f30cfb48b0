"""Which replica stores hold which objects, and when each copy was last read."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import tables, tally
from longplay.model import ObjectKey

FETCH_ROWS = 10_000
"""Rows of a large answer held at a time."""

LAST_ROUND = "last fixity round"
"""The fact that says when the last round of checks began."""


def lacking(connection: Connection, replica: str, limit: int) -> list[tuple[ObjectKey, str]]:
    """Objects with their suffixes of which this replica has no copy yet, longest unread first."""
    o = tables.objects.c
    query = _lacking(sa.select(o.root, o.size, o.suffix), replica)
    query = query.order_by(o.checked, o.root).limit(limit)
    return [(ObjectKey(root, size), suffix) for root, size, suffix in connection.execute(query)]


def count_lacking(connection: Connection, replica: str) -> int:
    """How many objects this replica has no copy of."""
    query = _lacking(sa.select(sa.func.count(tables.objects.c.root)), replica)
    return connection.scalar(query) or 0


def _lacking(query: Any, replica: str) -> Any:
    o, c = tables.objects.c, tables.copies.c
    there = sa.and_(c.root == o.root, c.replica == replica)
    return query.outerjoin(tables.copies, there).where(c.root.is_(None))


def held(connection: Connection, replica: str) -> set[bytes]:
    """The roots of the objects of which this replica has a copy."""
    c, o = tables.copies.c, tables.objects.c
    query = sa.select(c.root).join(tables.objects, o.root == c.root).where(c.replica == replica)
    return set(connection.scalars(query))


def by_age(
    connection: Connection, replicas: Sequence[str]
) -> Iterator[tuple[bytes, int, str, str | None]]:
    """(root, size, replica, last check) of every object, in the archive itself (replica: empty) and
    in these replicas, the oldest check first, one never checked before all. Whoever stops early has
    read little: each place is read in the order of an index."""
    o, c = tables.objects.c, tables.copies.c
    own = sa.select(o.root, o.size, sa.literal("").label("replica"), o.checked)
    copied = sa.select(c.root, o.size, c.replica, c.checked).join(tables.objects, o.root == c.root)
    places = [_in_order(connection, own, o.checked, o.root)]
    for name in replicas:
        places.append(_in_order(connection, copied.where(c.replica == name), c.checked, c.root))
    yield from heapq.merge(*places, key=lambda row: (row[3] or "", row[0], row[2]))


def _in_order(
    connection: Connection,
    query: sa.Select[Any],
    checked: sa.ColumnElement[str | None],
    root: sa.ColumnElement[bytes],
) -> Iterator[tuple[bytes, int, str, str | None]]:
    """One place's rows by age. Two queries, because databases differ in where they put nulls."""
    for part in (query.where(checked.is_(None)), query.where(checked.is_not(None))):
        ordered = part.order_by(checked, root)
        for row in connection.execute(ordered, execution_options={"yield_per": FETCH_ROWS}):
            yield tuple(row)


def total_bytes(connection: Connection, replicas: Sequence[str]) -> int:
    """Bytes of all that `by_age` lists."""
    o, c = tables.objects.c, tables.copies.c
    size = int(tally.read(connection).get(tally.BYTES, 0))
    if replicas:
        copied = sa.select(sa.func.sum(o.size)).join(tables.copies, c.root == o.root)
        size += int(connection.scalar(copied.where(c.replica.in_(replicas))) or 0)
    return size


def count(connection: Connection, replica: str) -> int:
    """How many objects this replica has a copy of."""
    c = tables.copies.c
    query = sa.select(sa.func.count()).select_from(tables.copies).where(c.replica == replica)
    return connection.scalar(query) or 0


def add(connection: Connection, replica: str, roots: Iterable[bytes]) -> None:
    """A replica has these now, read a moment ago; whatever the ledger has forgotten meanwhile is
    left out."""
    o = tables.objects.c
    roots = list(roots)
    known = set(connection.scalars(sa.select(o.root).where(o.root.in_(roots))))
    now = clock.timestamp()
    rows = [{"root": root, "replica": replica, "checked": now} for root in sorted(known)]
    drop(connection, replica, known)
    if rows:
        connection.execute(tables.copies.insert(), rows)


def stamp(connection: Connection, replica: str, roots: Iterable[bytes]) -> None:
    """These copies were read just now and are whole."""
    c = tables.copies.c
    update = (
        tables.copies.update()
        .where(c.replica == replica, c.root == sa.bindparam("it"))
        .values(checked=clock.timestamp())
    )
    rows = [{"it": root} for root in roots]
    if rows:
        connection.execute(update, rows)


def drop(connection: Connection, replica: str, roots: Iterable[bytes]) -> None:
    """A replica has these no longer."""
    c = tables.copies.c
    delete = tables.copies.delete().where(c.replica == replica, c.root == sa.bindparam("it"))
    rows = [{"it": root} for root in roots]
    if rows:
        connection.execute(delete, rows)


def last_round(connection: Connection) -> str | None:
    """When the last round of fixity checks began that came to its end."""
    m = tables.meta.c
    return connection.scalar(sa.select(m.value).where(m.key == LAST_ROUND))


def note_round(connection: Connection, began: str) -> None:
    """A round that began then has come to its end."""
    connection.execute(tables.meta.delete().where(tables.meta.c.key == LAST_ROUND))
    connection.execute(tables.meta.insert().values(key=LAST_ROUND, value=began))
