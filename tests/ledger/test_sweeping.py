"""Sweeps are counted, and none begins while a batch holds the count."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from longplay.errors import LedgerError
from longplay.ledger import sweeping, tables
from longplay.ledger.database import Ledger, create
from tests.postgres import Server


def test_a_sweep_in_between_is_seen(ledger: Ledger) -> None:
    with ledger.read() as connection:
        before = sweeping.count(connection)
    with ledger.write(alone=False) as connection:
        assert sweeping.holds(connection, before)
    with ledger.write(alone=False) as connection:
        sweeping.begin(connection)
    with ledger.write(alone=False) as connection:
        assert not sweeping.holds(connection, before)
        assert sweeping.holds(connection, before + 1)


def test_a_ledger_that_counts_none_yet_counts_from_now_on(ledger: Ledger) -> None:
    with ledger.write() as connection:
        connection.execute(tables.meta.delete().where(tables.meta.c.key == sweeping.SWEEPS))
    with ledger.write(alone=False) as connection:
        assert sweeping.holds(connection, 0)
        sweeping.begin(connection)
        assert sweeping.count(connection) == 1


@pytest.mark.real
def test_no_sweep_begins_while_a_batch_holds_the_count(postgres: Server, tmp_path: Path) -> None:
    """SQLite has one writer at a time anyway."""
    ledger = create(postgres.fresh(), tmp_path)
    with ledger.write(alone=False) as batch:
        assert sweeping.holds(batch, 0)
        with ledger.write(alone=False) as other:
            assert sweeping.holds(other, 0)  # batches do not wait for each other
        with (
            pytest.raises(LedgerError, match="lock timeout"),
            ledger.write(alone=False) as sweep,
        ):
            sweep.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            sweeping.begin(sweep)
    with ledger.write(alone=False) as sweep:
        sweeping.begin(sweep)
        assert sweeping.count(sweep) == 1
    ledger.close()
