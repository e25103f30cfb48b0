"""A ledger's way to another database: every row is copied, then counted and hashed in both.

The hash of a table is the sum, modulo 2^256, of the SHA-256 of its rows: it tells two tables apart
that differ in one bit, in whatever order a database gives the rows.

A copy that is being filled says so in its `meta` (`HALF_A_COPY`, with the hash of the first entry
of the log that it copies), so that a later attempt knows it for its own and starts anew. A ledger
that was left says where it went (`MOVED_TO`); from then on nobody writes or believes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from longplay import clock
from longplay.errors import LedgerError, LockedError, UsageError
from longplay.ledger import naming, tables
from longplay.ledger.database import BUSY_SECONDS, HALF_A_COPY, MOVED_TO, Ledger, is_gone

ROWS = 10_000
"""Rows held at a time, and copied in one transaction."""

LOCK_SECONDS = 0.2
"""Between two attempts to have every table of a server for ourselves."""

Row = Sequence[Any]
Progress = Callable[[str, int], None]
"""Told the table and how many of its rows were read since the last time."""


@dataclass(slots=True)
class Digest:
    """Rows of a table: their number, and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Count these rows too."""
        for row in rows:
            # Numbers, texts and bytes are written by `repr` as both databases give them.
            digest = hashlib.sha256(repr(tuple(row)).encode()).digest()
            self.total += int.from_bytes(digest, "big")
        self.total %= 2**256
        self.rows += len(rows)

    @property
    def hex(self) -> str:
        """The sum, as 64 hexadecimal digits."""
        return f"{self.total:064x}"


@contextmanager
def still(ledger: Ledger) -> Iterator[Connection]:
    """The ledger while nobody else writes to it, until the end of this transaction.

    Raises LedgerError when somebody does so for half a minute.
    """
    with ledger.write() as connection:
        if not ledger.is_sqlite:
            _lock_tables(connection)
        yield connection


def _lock_tables(connection: Connection) -> None:
    """Keep other writers out, those of captures too. No table is waited for while another is held:
    that could be a ring."""
    names = ", ".join(f'"{name}"' for name in tables.metadata.tables)
    started = clock.monotonic()
    while True:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE NOWAIT")
            return
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            if clock.monotonic() - started > BUSY_SECONDS:
                raise LedgerError(
                    "others write to the ledger", hint="stop the captures, then run it again"
                ) from error
        Event().wait(LOCK_SECONDS)


def busy_holders(connection: Connection) -> list[str]:
    """Who captures now, as far as leases tell."""
    lease = tables.leases.c
    query = sa.select(lease.holder).where(lease.done == 0, lease.expires > clock.timestamp())
    return sorted({one for one in connection.scalars(query) if not is_gone(one)})


def refuse_captures(connection: Connection) -> None:
    """Raise LockedError while a capture of any machine is at work."""
    busy = busy_holders(connection)
    if busy:
        raise LockedError(
            f"a capture is at work: {', '.join(busy)[:200]}",
            where="ledger",
            hint="stop it, or wait until its leases have expired",
        )


def moved_to(connection: Connection) -> str | None:
    """Where this ledger was moved, if it was."""
    return _fact(connection, MOVED_TO)


def note_moved(connection: Connection, where: str | None) -> None:
    """Say where this ledger went; with None, that it stays."""
    m = tables.meta
    connection.execute(m.delete().where(m.c.key == MOVED_TO))
    if where is not None:
        connection.execute(m.insert().values(key=MOVED_TO, value=where))


def identity(connection: Connection) -> str:
    """What tells this ledger's copies from others': the hash of the log's first entry."""
    found = connection.scalar(sa.select(tables.log.c.hash).where(tables.log.c.number == 1))
    return found.hex() if found else "a ledger without a log"


def is_empty(target: Ledger, mine: str) -> bool:
    """Whether nothing is in the database but, perhaps, an unfinished copy of the ledger `mine`."""
    with target.read() as connection:
        names = sa.inspect(connection).get_table_names()
        if not names:
            return True
        return tables.meta.name in names and _fact(connection, HALF_A_COPY) == mine


def begin(target: Ledger, mine: str) -> None:
    """Make the tables of a copy of the ledger `mine` in an empty database, in place of an
    unfinished copy."""
    with target.write() as connection:
        tables.metadata.drop_all(connection)
        tables.meta.create(connection)
        connection.execute(tables.meta.insert().values(key=HALF_A_COPY, value=mine))
    with target.write() as connection:
        tables.metadata.create_all(connection)


def copy(source: Connection, target: Ledger, progress: Progress) -> dict[str, Digest]:
    """Copy every row; returns what was read."""
    found = {}
    for name, table in tables.metadata.tables.items():
        digest = found[name] = Digest()
        for rows in _rows(source, table):
            digest.add(rows)
            with target.write() as connection:
                _insert(connection, table, rows)
            progress(name, len(rows))
    return found


def digests(connection: Connection, progress: Progress) -> dict[str, Digest]:
    """Count and hash every table."""
    found = {}
    for name, table in tables.metadata.tables.items():
        digest = found[name] = Digest()
        for rows in _rows(connection, table):
            digest.add(rows)
            progress(name, len(rows))
    return found


def count(connection: Connection) -> int:
    """Rows of all tables."""
    return sum(
        connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for table in tables.metadata.tables.values()
    )


def compare(old: dict[str, Digest], new: dict[str, Digest]) -> None:
    """Raise LedgerError for the first table that is not the same in both."""
    for name, digest in old.items():
        if digest.rows != new[name].rows:
            raise LedgerError(
                f"the copy of {name} has {new[name].rows:,} rows, not {digest.rows:,}",
                hint="nothing was switched; run the command again",
            )
        if digest.total != new[name].total:
            raise LedgerError(
                f"the copy of {name} is not the same",
                hint="nothing was switched; run the command again",
            )


def finish(target: Ledger) -> None:
    """The copy is whole: it says no longer that it is half a one."""
    m = tables.meta
    with target.write() as connection:
        naming.go_on(connection)
        connection.execute(m.delete().where(m.c.key == HALF_A_COPY))
    target.scrub()


def check_target(target: Ledger, mine: str, where: str) -> None:
    """Raise UsageError when the database has anything that a copy would have to take away."""
    if not is_empty(target, mine):
        raise UsageError(
            "is not empty",
            where=where,
            hint="name an empty database, or a file that does not exist",
        )


def _rows(connection: Connection, table: sa.Table) -> Iterator[list[Row]]:
    """A table's rows as the database has them, by primary key, but for what a move itself notes."""
    # Bare: ids and floats as the driver gives them, nothing turned into Python's types and back.
    query = sa.select(*(sa.type_coerce(column, sa.types.NullType()) for column in table.c))
    if table is tables.meta:
        query = query.where(table.c.key.not_in((MOVED_TO, HALF_A_COPY)))
    answer = connection.execute(
        query.order_by(*table.primary_key), execution_options={"yield_per": ROWS}
    )
    for rows in answer.partitions(ROWS):
        yield list(rows)


def _insert(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.c)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(table.c))
        sql = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'
        connection.exec_driver_sql(sql, [tuple(row) for row in rows])
        return
    try:
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as out:
            for row in rows:
                out.write_row(row)
    except psycopg.Error as error:
        words = str(error).splitlines()[0]
        raise LedgerError(f"the server does not take table {table.name}: {words}") from error


def _fact(connection: Connection, key: str) -> str | None:
    return connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
