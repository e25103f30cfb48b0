"""A ledger that named objects by their roots is brought to numbers, and says what it said."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from longplay.errors import LedgerError
from longplay.ledger import (
    forgetting,
    log,
    naming,
    portable,
    record,
    tables,
    tally,
    upgrading,
    version_3,
)  # fmt: skip
from longplay.ledger.claims import Tombstone
from longplay.ledger.database import create, open_any, open_ledger
from longplay.model import Action, ObjectKey, Role
from tests.ledger.aging import contents, to_version_3

URL = "sqlite:///ledger.sqlite3"
OLD = Path(__file__).with_name("version-3.sql")
"""What a Longplay with version 3 made: seven files, of which one had changed, one was there twice,
one had a picture in it and one was forgotten; copies of all in a replica."""

Contents = dict[str, list[dict[str, Any]]]


@pytest.fixture
def old(tmp_path: Path) -> Contents:
    """The ledger of version 3 in the folder; what its tables have."""
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as raw:
        raw.executescript(OLD.read_text())
    ledger = open_any(URL, tmp_path)
    found = {}
    with ledger.read() as connection:
        for name, table in version_3.metadata.tables.items():
            rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            found[name] = sorted(rows, key=repr)
    ledger.close()
    assert [len(rows) for rows in found.values()] == [5, 7, 5, 1, 5]
    return found


def without_sizes(found: Contents) -> Contents:
    """A path of what is forgotten has lost the size that is in `forgotten`."""
    for row in (*found["holding"], *found["manifestation"]):
        del row["size"]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def upgraded(url: str, folder: Path) -> Contents:
    """What the ledger says after its upgrade; its log and totals are right."""
    assert upgrading.upgrade(url, folder)[1] == tables.VERSION
    ledger = open_ledger(url, folder)
    with ledger.read() as connection:
        found = contents(connection)
        assert log.walk(connection).ok
        kept, counted = tally.read(connection), tally.counted(connection)
        assert {name: kept[name] for name in counted} == counted
        names = sa.inspect(connection).get_table_names()
        assert set(names) == set(tables.metadata.tables)
    ledger.close()
    return found


def test_every_row_says_what_it_said(old: Contents, tmp_path: Path) -> None:
    assert without_sizes(upgraded(URL, tmp_path)) == without_sizes(old)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3.version-3")) as kept:
        assert kept.execute("SELECT count(*) FROM holding").fetchone() == (7,)


def test_what_was_killed_is_done_again(old: Contents, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:

        def die(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        version_3._manifestations = die  # objects and paths are in the new tables by then
        upgrading.upgrade(URL, tmp_path)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert without_sizes(upgraded(URL, tmp_path)) == without_sizes(old)


def fill(url: str, folder: Path) -> None:
    """A ledger with something in each table that has numbers."""
    ledger = create(url, folder)
    keys = [ObjectKey(bytes([number]) * 32, number) for number in range(1, 5)]
    whole, copied, picture, gone = keys
    with ledger.write() as connection:
        rows = [record.ObjectRow(key, bytes(32), "audio", ".ogg", 16384, "whole") for key in keys]
        record.add_objects(connection, rows, 2**62)
        paths = [
            record.HoldingRow(source, b"a/%d \xff" % key.size, key, 9, 8, 0o600, Action.OPUS, None,
                              2**64 - 1, "v")
            for source in ("one", "two") for key in keys
        ]  # fmt: skip
        record.add_holdings(connection, paths, 2**62)
        changed = record.HoldingRow("one", paths[0].path, copied, 1, 1, 0, Action.ORIGINAL, 1, 1)
        record.add_holdings(connection, [changed], 5)
        carried = record.ManifestationRow(2**63, copied, 0, 7, Role.DERIVATIVE, whole.root)
        lost = record.ManifestationRow(8, whole, 3, None, Role.PART, bytes([9]) * 32)
        record.add_manifestations(connection, [carried, lost])
        record.add_embedded(connection, [(whole, picture, "front")])
        numbers = naming.known(connection, [whole.root])
        copy = {"object": numbers[whole.root].number, "replica": "far"}
        connection.execute(tables.copy_rows.insert().values(copy))
    with ledger.write() as connection:
        stone = Tombstone(gone, "forget", (), (), "2026-11-29T00:00:00.000Z", 1)
        forgetting.forget(connection, "it", "a mistake", [stone])
    ledger.close()


def test_it_is_the_same_in_every_database(url: str, tmp_path: Path) -> None:
    fill(url, tmp_path)
    ledger = open_ledger(url, tmp_path)
    with ledger.write() as connection:
        before = contents(connection)
        to_version_3(connection)
    ledger.close()
    assert upgraded(url, tmp_path) == before
    ledger = open_ledger(url, tmp_path)
    with ledger.write() as connection:  # numbers go on
        numbers = naming.numbers(connection, [bytes([n]) * 32 for n in range(20)])
        assert len({one.number for one in numbers.values()}) == 20
        assert naming.sources(connection, ["two", "new", "one"]).keys() == {"one", "two", "new"}
    ledger.close()


def test_a_dump_is_loaded_with_its_numbers(url: str, tmp_path: Path) -> None:
    fill(url, tmp_path)
    ledger = open_ledger(url, tmp_path)
    (tmp_path / "dump").mkdir()
    with ledger.read() as connection:
        before = contents(connection)
        portable.dump(connection, tmp_path / "dump")
    ledger.close()
    (tmp_path / "again").mkdir()
    again = create(URL, tmp_path / "again")
    with again.write() as connection:
        portable.load(connection, tmp_path / "dump")
        assert contents(connection) == before
        number = naming.numbers(connection, [bytes([77]) * 32])[bytes([77]) * 32].number
        assert number > len(before["object"])
    again.close()


def old_dump(folder: Path, version: str) -> Path:
    """A dump of the ledger in the folder, as that version's program wrote it."""
    made = folder / "dump"
    made.mkdir()
    ledger = open_any(URL, folder)
    with ledger.write() as connection:
        meta = tables.meta
        connection.execute(meta.update().where(meta.c.key == "version").values(value=version))
    with ledger.read() as connection, pytest.MonkeyPatch.context() as patch:
        every = {**tables.metadata.tables, **version_3.metadata.tables}
        del every["source"], every["folder"]
        patch.setattr(tables, "metadata", type("Old", (), {"tables": every}))
        portable.dump(connection, made)
    ledger.close()
    return made


def test_a_dump_of_version_3_is_loaded(old: Contents, tmp_path: Path) -> None:
    made = old_dump(tmp_path, "3")
    (tmp_path / "again").mkdir()
    again = create(URL, tmp_path / "again")
    with again.write() as connection:
        portable.load(connection, made)
        assert without_sizes(contents(connection)) == without_sizes(old)
    again.close()
    open_ledger(URL, tmp_path / "again").close()


def test_a_dump_of_another_version_is_refused(old: Contents, tmp_path: Path) -> None:
    made = old_dump(tmp_path, "2")
    (tmp_path / "again").mkdir()
    again = create(URL, tmp_path / "again")
    with pytest.raises(LedgerError, match="a dump of a ledger of version 2"), again.write() as to:
        portable.load(to, made)
    again.close()
