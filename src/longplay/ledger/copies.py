"""Which replica stores hold which objects, and when each copy was last read."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import naming, tables, tally
from longplay.ledger.writing import upsert
from longplay.model import ObjectKey

FETCH_ROWS = 10_000
"""Rows of a large answer held at a time."""

LAST_ROUND = "last fixity round"
"""The fact that says when the last round of checks began."""


def lacking(connection: Connection, replica: str, limit: int) -> list[tuple[ObjectKey, str]]:
    """Objects with their suffixes of which this replica has no copy yet, longest unread first."""
    o = tables.objects.c
    query = _lacking(sa.select(o.root, o.size, o.suffix), replica)
    query = query.order_by(o.checked, o.number).limit(limit)
    return [(ObjectKey(root, size), suffix) for root, size, suffix in connection.execute(query)]


def count_lacking(connection: Connection, replica: str) -> int:
    """How many objects this replica has no copy of."""
    query = _lacking(sa.select(sa.func.count(tables.objects.c.number)), replica)
    return connection.scalar(query) or 0


def _lacking(query: Any, replica: str) -> Any:
    o, c = tables.objects.c, tables.copy_rows.c
    there = sa.and_(c.object == o.number, c.replica == replica)
    return query.outerjoin(tables.copy_rows, there).where(c.object.is_(None))


def held(connection: Connection, replica: str) -> set[bytes]:
    """The roots of the objects of which this replica has a copy."""
    c, o = tables.copy_rows.c, tables.objects.c
    query = sa.select(o.root).join_from(tables.copy_rows, tables.objects, o.number == c.object)
    query = query.where(c.replica == replica)
    return set(connection.scalars(query))


def by_age(
    connection: Connection, replicas: Sequence[str]
) -> Iterator[tuple[bytes, int, str, str | None]]:
    """(root, size, replica, last check) of every object, in the archive itself (replica: empty) and
    in these replicas, the oldest check first, one never checked before all. Whoever stops early has
    read little: each place is read in the order of an index."""
    o, c = tables.objects.c, tables.copy_rows.c
    own = sa.select(o.root, o.size, sa.literal("").label("replica"), o.checked, o.number)
    copied = sa.select(o.root, o.size, c.replica, c.checked, c.object).join_from(
        tables.copy_rows, tables.objects, o.number == c.object
    )
    places = [_in_order(connection, own, o.checked, o.number)]
    for name in replicas:
        places.append(_in_order(connection, copied.where(c.replica == name), c.checked, c.object))
    for row in heapq.merge(*places, key=lambda row: (row[3] or "", row[4], row[2])):
        yield row[:4]


def _in_order(
    connection: Connection,
    query: sa.Select[Any],
    checked: sa.ColumnElement[str | None],
    number: sa.ColumnElement[int],
) -> Iterator[tuple[bytes, int, str, str | None, int]]:
    """One place's rows by age. Two queries, because databases differ in where they put nulls."""
    for part in (query.where(checked.is_(None)), query.where(checked.is_not(None))):
        ordered = part.order_by(checked, number)
        for row in connection.execute(ordered, execution_options={"yield_per": FETCH_ROWS}):
            yield row[0], row[1], row[2], row[3], row[4]


def total_bytes(connection: Connection, replicas: Sequence[str]) -> int:
    """Bytes of all that `by_age` lists."""
    o, c = tables.objects.c, tables.copy_rows.c
    size = int(tally.read(connection).get(tally.BYTES, 0))
    if replicas:
        copied = sa.select(sa.func.sum(o.size)).join(tables.copy_rows, c.object == o.number)
        size += int(connection.scalar(copied.where(c.replica.in_(replicas))) or 0)
    return size


def count(connection: Connection, replica: str) -> int:
    """How many objects this replica has a copy of."""
    c = tables.copy_rows.c
    query = sa.select(sa.func.count()).select_from(tables.copy_rows).where(c.replica == replica)
    return connection.scalar(query) or 0


def add(connection: Connection, replica: str, roots: Iterable[bytes]) -> None:
    """A replica has these now, read a moment ago; whatever the ledger has forgotten meanwhile is
    left out."""
    known = naming.known(connection, roots)
    numbers = sorted(one.number for one in known.values() if one.batch is not None)
    now = clock.timestamp()
    rows = [{"object": number, "replica": replica, "checked": now} for number in numbers]
    upsert(connection, tables.copy_rows, rows)


def stamp(connection: Connection, replica: str, roots: Iterable[bytes]) -> None:
    """These copies were read just now and are whole."""
    update = tables.copy_rows.update().where(*_mine(replica)).values(checked=clock.timestamp())
    _each(connection, update, roots)


def drop(connection: Connection, replica: str, roots: Iterable[bytes]) -> None:
    """A replica has these no longer."""
    _each(connection, tables.copy_rows.delete().where(*_mine(replica)), roots)


def _mine(replica: str) -> tuple[sa.ColumnElement[bool], ...]:
    c = tables.copy_rows.c
    return c.replica == replica, c.object == sa.bindparam("it")


def _each(connection: Connection, change: Any, roots: Iterable[bytes]) -> None:
    rows = [{"it": one.number} for one in naming.known(connection, roots).values()]
    if rows:
        connection.execute(change, rows)


def last_round(connection: Connection) -> str | None:
    """When the last round of fixity checks began that came to its end."""
    m = tables.meta.c
    return connection.scalar(sa.select(m.value).where(m.key == LAST_ROUND))


def note_round(connection: Connection, began: str) -> None:
    """A round that began then has come to its end."""
    connection.execute(tables.meta.delete().where(tables.meta.c.key == LAST_ROUND))
    connection.execute(tables.meta.insert().values(key=LAST_ROUND, value=began))
