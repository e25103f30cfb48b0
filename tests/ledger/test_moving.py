"""A ledger's rows in another database: the same, or the difference is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from longplay.errors import ArchiveError, LedgerError, UsageError
from longplay.ledger import database, log, moving, record, tables
from longplay.ledger.database import Ledger, create
from longplay.model import ObjectKey
from tests.postgres import Server


def fill(ledger: Ledger) -> None:
    """Rows of several types, with everything that could be changed on the way."""
    key = ObjectKey(bytes(range(32)), 2**40)
    with ledger.write() as connection:
        record.add_objects(
            connection, [record.ObjectRow(key, bytes(32), "audio", ".ogg", 262144, None)], 7
        )
        path = bytes(range(1, 256)) + b"\\N\t\n\\"
        row = record.HoldingRow("a", path, key, 2**41, -(2**63), 0o644, "original", 2**63, 0)
        record.add_holdings(connection, [row], 2**63 - 1)
        found = record.ManifestationRow(2**64 - 1, key, 0, None, "preservation")
        record.add_manifestations(connection, [found])
        connection.execute(
            tables.releases.insert().values(
                name="s1-0001", stage=1, time="2026-01-01", objects=1, bytes=2**40,
                share_of_listens=0.1 + 0.2, document="“é” \\N \\\\ \t\n'", supersedes=None,
            )
        )  # fmt: skip
        log.append(connection, "init", "archive", {})


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new.sqlite3"
    server: Server = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Ledger]:
    made = create("sqlite:///old.sqlite3", tmp_path)
    fill(made)
    yield made
    made.close()


@pytest.fixture
def new(address: str, tmp_path: Path) -> Iterator[Ledger]:
    made = database.connect(database.resolve(address, tmp_path))
    yield made
    made.close()


def copied(old: Ledger, new: Ledger) -> dict[str, moving.Digest]:
    with moving.still(old) as connection:
        moving.begin(new, moving.identity(connection))
        return moving.copy(connection, new, lambda *_: None)


def digests(ledger: Ledger) -> dict[str, moving.Digest]:
    with ledger.read() as connection:
        return moving.digests(connection, lambda *_: None)


@pytest.mark.real
def test_every_row_arrives_as_it_was(old: Ledger, new: Ledger) -> None:
    read = copied(old, new)
    moving.compare(read, digests(new))
    moving.finish(new)
    assert read["holding"].rows == read["log"].rows == 1
    with old.read() as one, new.read() as other:
        for table in tables.metadata.tables.values():
            query = sa.select(table).order_by(*table.primary_key)
            assert one.execute(query).all() == other.execute(query).all(), table.name
        assert log.walk(other).ok


@pytest.mark.real
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE object SET size = size + 1", "the copy of object is not the same"),
        ("UPDATE release SET share_of_listens = 0.3", "the copy of release is not the same"),
        ("DELETE FROM manifestation", "the copy of manifestation has 0 rows, not 1"),
    ],
)
def test_a_copy_that_differs_is_found(old: Ledger, new: Ledger, change: str, what: str) -> None:
    read = copied(old, new)
    with new.write() as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(LedgerError, match=what):
        moving.compare(read, digests(new))


@pytest.mark.real
def test_only_an_unfinished_copy_of_this_ledger_is_replaced(
    old: Ledger, new: Ledger, address: str, tmp_path: Path
) -> None:
    with old.read() as connection:
        mine = moving.identity(connection)
    moving.check_target(new, mine, "new")
    copied(old, new)
    moving.check_target(new, mine, "new")
    with pytest.raises(UsageError, match="new: is not empty"):
        moving.check_target(new, "another", "new")
    with pytest.raises(ArchiveError, match="copy of a ledger that was not finished"):
        database.open_ledger(address, tmp_path)
    moving.finish(new)
    with pytest.raises(UsageError, match="new: is not empty"):
        moving.check_target(new, mine, "new")
    database.open_ledger(address, tmp_path).close()


@pytest.mark.real
def test_strangers_tables_are_not_touched(new: Ledger) -> None:
    with new.write() as connection:
        connection.exec_driver_sql("CREATE TABLE wine (name TEXT)")
    with pytest.raises(UsageError, match="is not empty"):
        moving.check_target(new, "mine", "new")


def leave(address: str, folder: Path, where: str) -> None:
    """What a move says in the end."""
    mover = database.connect(database.resolve(address, folder))
    with moving.still(mover) as connection:
        moving.note_moved(connection, where)
    mover.close()


def test_a_ledger_that_was_left_is_neither_read_nor_written(old: Ledger, tmp_path: Path) -> None:
    leave("sqlite:///old.sqlite3", tmp_path, "postgresql://elsewhere/ledger")
    with pytest.raises(LedgerError, match="moved to postgresql://elsewhere/ledger"), old.read():
        pass
    with pytest.raises(LedgerError, match="moved to"), old.write() as connection:
        log.append(connection, "claim add", "cl1", {})
    with pytest.raises(LedgerError, match="moved to"):
        database.open_ledger("sqlite:///old.sqlite3", tmp_path)


@pytest.mark.real
def test_a_writer_that_waited_for_the_move_writes_nothing(postgres: Server, tmp_path: Path) -> None:
    address = postgres.fresh()
    ledger = create(address, tmp_path)
    with pytest.raises(LedgerError, match="moved to"), ledger.write(alone=False) as connection:
        leave(address, tmp_path, "sqlite:///elsewhere")
        log.append(connection, "capture", "late", {})
    left = database.connect(database.resolve(address, tmp_path))
    with left.read() as connection:
        assert log.head(connection) == 0
    ledger.close()
    left.close()


@pytest.mark.real
def test_a_server_that_others_write_to_is_not_moved(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "BUSY_SECONDS", 0.5)
    address = postgres.fresh()
    ledger = create(address, tmp_path)
    with ledger.write(alone=False) as connection:
        record.note_layer(connection, "a", "b")
        mover = database.connect(database.resolve(address, tmp_path))
        with pytest.raises(LedgerError, match="others write"), moving.still(mover):
            pass
        mover.close()
    ledger.close()
