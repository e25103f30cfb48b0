"""Sweeps counted, so that no batch is committed whose bytes a sweep may have taken meanwhile.

A batch goes into the store first, and is named by a transaction after that. In between, another
machine may sweep the store of what no transaction names. So a sweep counts itself before it looks
which names there are; a batch notes the count before its first byte, and its transaction holds it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import tables

SWEEPS = "sweeps"
"""The row of the meta table that has the count."""


def count(connection: Connection) -> int:
    """How many sweeps there were."""
    return int(connection.scalar(_query()) or 0)


def begin(connection: Connection) -> None:
    """Count a sweep; waits for every transaction that holds the count."""
    meta = tables.meta
    value = str(count(connection) + 1)
    update = meta.update().where(meta.c.key == SWEEPS)
    if not connection.execute(update.values(value=value)).rowcount:
        connection.execute(meta.insert().values(key=SWEEPS, value=value))


def holds(connection: Connection, since: int) -> bool:
    """Whether there was no sweep since `count` gave `since`; none begins before the transaction
    ends, then."""
    return int(connection.scalar(_query().with_for_update(read=True)) or 0) == since


def _query() -> sa.Select[tuple[str]]:
    return sa.select(tables.meta.c.value).where(tables.meta.c.key == SWEEPS)
