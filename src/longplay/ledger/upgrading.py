"""Bringing an older ledger to this version of its tables, step by step, after a backup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.errors import ArchiveError
from longplay.ledger import database, portable, sweeping, tables, tally
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
        change(connection)
        connection.execute(
            meta.update().where(meta.c.key == "version").values(value=str(version + 1))
        )


def _claims_and_feeds(connection: Connection) -> None:
    """Version 2 has claims, persons, tombstones, feed heads and copies."""
    names = ("person", "claim", "claim_subject", "claim_step", "tombstone", "forgotten",
             "feed_head", "copy")  # fmt: skip
    tables.metadata.create_all(connection, [tables.metadata.tables[name] for name in names])


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
    for name in ("object", "embedded", "copy", "rights_statement"):
        for index in tables.metadata.tables[name].indexes:
            index.create(connection, checkfirst=True)
    tally.recount(connection)


STEPS: dict[int, Callable[[Connection], None]] = {1: _claims_and_feeds, 2: _many_machines}
"""What leads from each version to the next."""


def _back_up(address: sa.URL, version: int) -> None:
    if not address.drivername.startswith("sqlite") or not address.database:
        return
    source = Path(address.database)
    target = source.with_name(f"{source.name}.version-{version}")
    if target.exists():
        return
    portable.copy_sqlite(source, target)
