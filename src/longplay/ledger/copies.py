"""Which replica stores hold which objects, and when each copy was last read."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import tables
from longplay.model import ObjectKey


def lacking(connection: Connection, replica: str, limit: int) -> list[tuple[ObjectKey, str]]:
    """Objects with their suffixes of which this replica has no copy yet, longest held first."""
    o, c = tables.objects.c, tables.copies.c
    there = sa.and_(c.root == o.root, c.replica == replica)
    query = (
        sa.select(o.root, o.size, o.suffix)
        .outerjoin(tables.copies, there)
        .where(c.root.is_(None))
        .order_by(o.checked, o.root)
        .limit(limit)
    )
    return [(ObjectKey(root, size), suffix) for root, size, suffix in connection.execute(query)]


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
