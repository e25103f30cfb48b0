"""What only a server can do: writers side by side, and connections that are lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from longplay.errors import LedgerError, LongplayError
from longplay.ledger import batches, log, record, tables, tally
from longplay.ledger.batches import Batch, File
from longplay.ledger.database import Ledger, create, open_ledger
from longplay.model import ObjectKey
from tests.postgres import Server

pytestmark = pytest.mark.real


@pytest.fixture
def address(postgres: Server) -> str:
    return postgres.fresh()


@pytest.fixture
def ledger(address: str, tmp_path: Path) -> Iterator[Ledger]:
    made = create(address, tmp_path)
    yield made
    made.close()


def captures(address: str, folder: Path, who: int, count: int) -> None:
    """What a capture writes: rows that others write too, then an entry."""
    mine = open_ledger(address, folder)
    for number in range(count):
        keys = [ObjectKey(bytes([n]) * 32, n) for n in (7, 3, 5, 10 * who + number % 10)]
        rows = [record.ObjectRow(key, bytes(32), "audio", ".ogg", 262144, None) for key in keys]
        with mine.write(alone=False) as connection:
            record.add_objects(connection, rows, who)
            log.append(connection, "capture", f"{who}-{number}", {"objects": number}, bytes(32))
    mine.close()


def test_eight_writers_make_one_chain(address: str, ledger: Ledger, tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=captures, args=(address, tmp_path, who, 25)) for who in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as connection:
        assert log.walk(connection) == log.LogState(200, True, None)
        subjects = set(connection.scalars(sa.select(tables.log.c.subject)))
    assert subjects == {f"{who}-{number}" for who in range(1, 9) for number in range(25)}


def brings(address: str, folder: Path, who: int, count: int) -> None:
    """Batches of objects, paths and recordings, some of which others bring too."""
    mine = open_ledger(address, folder)
    for number in range(count):
        keys = [ObjectKey(bytes([n]) * 32, n) for n in (7, number % 3, 10 * who + number % 10)]
        files = [
            File("s", b"%d/%d/%d" % (who, number, key.size), key, key.size, 0, 0, "original", 1, 1,
                 "audio", ".ogg", None, ((key.size % 5, 0, None, "preservation"),), (), None)
            for key in keys
        ]  # fmt: skip
        batch = Batch(
            who * 100 + number,
            "p",
            "2026-11-29T00:00:00.000Z",
            files,
            {key: (bytes(32), 1) for key in keys},
        )
        with mine.write(alone=False) as connection:
            batches.add(connection, batch)
            batches.append(connection, batch, bytes(32), {})
    mine.close()


def test_totals_are_exact_whoever_writes_beside(
    address: str, ledger: Ledger, tmp_path: Path
) -> None:
    threads = [
        threading.Thread(target=brings, args=(address, tmp_path, who, 15)) for who in range(1, 7)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as connection:
        assert log.walk(connection).entries == 90
        kept, anew = tally.read(connection), tally.counted(connection)
    assert {name: kept[name] for name in anew} == anew
    assert anew["recordings"] == 5


def test_a_capture_keeps_nobody_waiting_before_it_appends(ledger: Ledger) -> None:
    with ledger.write(alone=False) as slow:
        record.add_objects(
            slow, [record.ObjectRow(ObjectKey(b"s" * 32, 1), bytes(32), "audio", "", 1, None)], 1
        )
        with ledger.write(alone=False) as quick:
            assert log.append(quick, "capture", "quick", {}) == 1
        assert log.append(slow, "capture", "slow", {}) == 2
    with ledger.read() as connection:
        assert log.walk(connection) == log.LogState(2, True, None)


def test_who_reads_sees_one_moment(ledger: Ledger) -> None:
    with ledger.read() as reader:
        assert log.head(reader) == 0
        with ledger.write() as writer:
            log.append(writer, "claim add", "cl1", {})
        assert log.head(reader) == 0
    with ledger.read() as reader:
        assert log.head(reader) == 1


def test_bits_and_numbers_come_back_as_they_went(ledger: Ledger) -> None:
    path, recording = bytes(range(256)), 2**64 - 1
    key = ObjectKey(bytes(range(32)), 2**40)
    with ledger.write() as connection:
        row = record.HoldingRow("a", path, key, 2**41, -(2**63), 0o644, "original", 2**63, 0)
        record.add_holdings(connection, [row], 2**63 - 1)
        found = record.ManifestationRow(recording, key, 0, None, "preservation")
        record.add_manifestations(connection, [found])
    with ledger.read() as connection:
        held = connection.execute(sa.select(tables.holdings)).one()
        assert (held.path, held.root, held.mtime_ns) == (path, key.root, -(2**63))
        assert (held.track, held.album, held.batch) == (2**63, 0, 2**63 - 1)
        assert connection.scalar(sa.select(tables.manifestations.c.recording)) == recording


def test_a_lost_connection_is_one_line_and_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(LedgerError) as caught, ledger.write() as connection:
        log.append(connection, "claim add", "cl1", {})
        mine = connection.scalar(sa.select(sa.func.pg_backend_pid()))
        with ledger.read() as other:
            other.execute(sa.select(sa.func.pg_terminate_backend(mine)))
        connection.execute(sa.select(tables.log))
    assert "\n" not in str(caught.value)
    assert "run the command again" in caught.value.hint
    with ledger.read() as connection:  # a fresh connection takes the lost one's place
        assert log.head(connection) == 0


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger(f"postgresql://user:secret@/ledger?host={tmp_path}", tmp_path)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://host/ledger", "no address at all"])
def test_another_database_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(LongplayError, match=r"longplay\.toml: .*ledger"):
        open_ledger(url, tmp_path)
