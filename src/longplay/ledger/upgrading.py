"""Bringing an older ledger to this version of its tables, step by step, after a backup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.errors import ArchiveError, LedgerError
from longplay.ledger import database, portable, sweeping, tables, tally, version_3
from longplay.ledger.database import Ledger


def upgrade(url: str, folder: Path) -> tuple[int, int]:
    """Bring the ledger to `tables.VERSION`; returns the version that it had, and that it has.

    A SQLite ledger is copied first, beside itself, as `<name>.version-<n>`; on other databases the
    administrator's backup is the backup. Each step is one transaction: one that was cut short is
    done again. Raises ArchiveError for a newer or a missing ledger.
    """
    ledger = database.open_any(url, folder)
    try:
        before = int(database.fact(ledger, "version"))
        if before < tables.VERSION:
            _back_up(database.resolve(url, folder), before)
        for version in range(before, tables.VERSION):
            _step(ledger, version)
        if before < tables.VERSION:
            with suppress(LedgerError):  # as on a full disk: rows to come fill the space as well
                ledger.compact()
        return before, tables.VERSION
    finally:
        ledger.close()


def _step(ledger: Ledger, version: int) -> None:
    change = STEPS.get(version)
    if change is None:
        raise ArchiveError(
            f"the ledger has version {version}, from which no step leads on",
            hint="upgrade it with an older Longplay first",
        )
    meta = tables.meta
    with ledger.write() as connection:
        found = connection.scalar(sa.select(meta.c.value).where(meta.c.key == "version"))
        if found != str(version):
            return  # another upgrade took this step meanwhile
        change(connection)
        connection.execute(
            meta.update().where(meta.c.key == "version").values(value=str(version + 1))
        )


def _claims_and_feeds(connection: Connection) -> None:
    """Version 2 has claims, persons, tombstones, feed heads and copies."""
    names = ("person", "claim", "claim_subject", "claim_step", "tombstone", "forgotten",
             "feed_head")  # fmt: skip
    tables.metadata.create_all(connection, [tables.metadata.tables[name] for name in names])
    version_3.metadata.tables["copy"].create(connection, checkfirst=True)


def _many_machines(connection: Connection) -> None:
    """Version 3 has versions of files, what captures on many machines share, and running totals."""
    meta = tables.meta
    known = sa.select(meta.c.value).where(meta.c.key == sweeping.SWEEPS)
    if connection.scalar(known) is None:
        connection.execute(meta.insert().values(key=sweeping.SWEEPS, value="0"))
    for table, column, kind in (
        ("holding", "version", "VARCHAR"),
        ("quarantine", "version", "VARCHAR"),
        ("lease", "granter", "VARCHAR DEFAULT '' NOT NULL"),
        ("object", "access", "INTEGER"),
    ):
        columns = {column["name"] for column in sa.inspect(connection).get_columns(table)}
        if column not in columns:
            connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {column} {kind}"))
    names = ("postponed", "host_slot", "tally", "recording_change")
    tables.metadata.create_all(connection, [tables.metadata.tables[name] for name in names])
    for index in tables.rights_statements.indexes:
        index.create(connection, checkfirst=True)


def _numbers(connection: Connection) -> None:
    """Version 4 names objects and sources by numbers."""
    for name in version_3.NAMES:
        for index in sa.inspect(connection).get_indexes(name):
            connection.execute(sa.text(f'DROP INDEX "{index["name"]}"'))
        key = sa.inspect(connection).get_pk_constraint(name)["name"]
        connection.execute(sa.text(f'ALTER TABLE "{name}" RENAME TO "{_old(name)}"'))
        if key:  # PostgreSQL's has a name, which the new table's is to have
            connection.execute(sa.text(f'ALTER TABLE "{_old(name)}" DROP CONSTRAINT "{key}"'))
    made = [tables.metadata.tables[name] for name in ("source", "folder", *version_3.NAMES)]
    tables.metadata.create_all(connection, made)
    version_3.number(connection, partial(_rows, connection))
    for name in version_3.NAMES:
        connection.execute(sa.text(f'DROP TABLE "{_old(name)}"'))
    if tally.OBJECTS not in tally.read(connection):  # version 2 had no totals
        tally.recount(connection)
    else:
        tally.ignore(connection)  # nothing is another one


def _old(name: str) -> str:
    return f"{name}_{version_3.VERSION}"


def _rows(connection: Connection, name: str) -> Iterator[list[dict[str, Any]]]:
    """What a table of version 3 had."""
    table = version_3.metadata.tables[name]
    old = sa.table(_old(name), *(sa.column(each.name, each.type) for each in table.c))
    query = sa.select(*(old.c[each.name] for each in table.c))
    answer = connection.execute(query, execution_options={"yield_per": version_3.ROWS})
    for rows in answer.mappings().partitions():
        yield [dict(row) for row in rows]


STEPS: dict[int, Callable[[Connection], None]] = {
    1: _claims_and_feeds,
    2: _many_machines,
    3: _numbers,
}
"""What leads from each version to the next."""


def _back_up(address: sa.URL, version: int) -> None:
    if not address.drivername.startswith("sqlite") or not address.database:
        return
    source = Path(address.database)
    target = source.with_name(f"{source.name}.version-{version}")
    if target.exists():
        return
    portable.copy_sqlite(source, target)
