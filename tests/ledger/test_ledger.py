"""The ledger: one writer at a time, a chain that shows tampering, ids with all their bits."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from longplay.errors import ArchiveError, LedgerError
from longplay.ledger import claims, log, record, tables, upgrading
from longplay.ledger.columns import Key
from longplay.ledger.database import Ledger, create, open_ledger
from longplay.model import ObjectKey
from tests.ledger.aging import to_version_3

URL = "sqlite:///ledger.sqlite3"


def entries(ledger: Ledger, count: int) -> None:
    with ledger.write() as connection:
        for number in range(count):
            log.append(connection, "capture", f"p{number}", {"objects": number}, bytes(32))


def test_a_missing_and_a_newer_ledger_are_refused_untouched(url: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="missing"):
        open_ledger(url, tmp_path)
    assert not (tmp_path / "ledger.sqlite3").exists()
    made = create(url, tmp_path)
    with made.write() as connection:
        connection.execute(tables.meta.update().values(value="99"))
    made.close()
    with pytest.raises(ArchiveError, match="newer Longplay"):
        open_ledger(url, tmp_path)


def test_a_file_that_is_no_ledger_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a database, but long enough" * 100)
    with pytest.raises(LedgerError) as caught:
        open_ledger(URL, tmp_path)
    assert "\n" not in str(caught.value)


def test_the_chain_follows_and_shows_every_change(ledger: Ledger) -> None:
    entries(ledger, 5)
    with ledger.read() as connection:
        assert log.walk(connection) == log.LogState(5, True, None)
    with ledger.write() as connection:
        row = tables.log.c.number == 3
        connection.execute(tables.log.update().where(row).values(detail='{"objects": 0}'))
    with ledger.read() as connection:
        assert log.walk(connection) == log.LogState(2, False, 3)


def test_a_dropped_entry_breaks_the_chain(ledger: Ledger) -> None:
    entries(ledger, 4)
    with ledger.write() as connection:
        connection.execute(tables.log.delete().where(tables.log.c.number == 2))
    with ledger.read() as connection:
        assert log.walk(connection) == log.LogState(1, False, 2)


def test_writers_wait_for_each_other_and_lose_nothing(ledger: Ledger) -> None:
    threads = [threading.Thread(target=entries, args=(ledger, 5)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as connection:
        assert log.walk(connection) == log.LogState(30, True, None)


def test_a_failed_write_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.write() as connection:
        log.append(connection, "capture", "p", {})
        raise RuntimeError
    with ledger.read() as connection:
        assert log.head(connection) == 0


@given(st.integers(0, 2**64 - 1))
def test_ids_keep_all_their_bits(key: int) -> None:
    column = Key()
    stored = column.process_bind_param(key, None)  # type: ignore[arg-type]
    assert stored is not None
    assert -(2**63) <= stored < 2**63
    assert column.process_result_value(stored, None) == key  # type: ignore[arg-type]


def test_a_stored_root_is_known_with_its_size(ledger: Ledger) -> None:
    key = ObjectKey(b"r" * 32, 64)
    with ledger.write() as connection:
        row = record.ObjectRow(key, bytes(32), "audio", ".ogg", 262144, "whole")
        record.add_objects(connection, [row], 1)
    with ledger.read() as connection:
        assert record.known_sizes(connection, [key.root, bytes(32)]) == {key.root: 64}


def test_an_origin_replaces_its_own_statements_only(ledger: Ledger) -> None:
    mine = record.Statement("source:a", "https://example.org/1", "tags")
    other = record.Statement("source:b", "https://example.org/2", "tags")
    with ledger.write() as connection:
        record.replace_statements(connection, "a", [mine])
        record.replace_statements(connection, "b", [other])
        record.replace_statements(connection, "a", [])
    with ledger.read() as connection:
        subjects = list(connection.scalars(sa.select(tables.rights_statements.c.subject)))
    assert subjects == ["source:b"]


def test_an_older_ledger_asks_for_an_upgrade_and_gets_one(url: str, tmp_path: Path) -> None:
    made = create(url, tmp_path)
    entries(made, 3)
    with made.write() as connection:
        to_version_3(connection)
        for table in (tables.claims, tables.persons, tables.tombstones, tables.feed_heads):
            table.drop(connection)
        connection.execute(sa.text("ALTER TABLE lease DROP COLUMN granter"))
        connection.execute(
            tables.meta.update().where(tables.meta.c.key == "version").values(value="1")
        )
    made.close()
    with pytest.raises(ArchiveError, match="longplay upgrade"):
        open_ledger(url, tmp_path)
    assert upgrading.upgrade(url, tmp_path) == (1, tables.VERSION)
    assert upgrading.upgrade(url, tmp_path) == (tables.VERSION, tables.VERSION)
    again = open_ledger(url, tmp_path)
    with again.read() as connection:
        assert log.walk(connection) == log.LogState(3, True, None)
        assert claims.list_all(connection) == []
        assert connection.execute(tables.leases.select()).all() == []
    again.close()
    if url == URL:
        assert (tmp_path / "ledger.sqlite3.version-1").stat().st_size > 0


def test_a_ledger_from_which_no_step_leads_on_is_refused(tmp_path: Path) -> None:
    made = create(URL, tmp_path)
    with made.write() as connection:
        connection.execute(tables.meta.update().values(value="0"))
    made.close()
    with pytest.raises(ArchiveError, match="no step leads on"):
        upgrading.upgrade(URL, tmp_path)
