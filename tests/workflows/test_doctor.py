"""`doctor`: each kind of illness is found, told with its place and its remedy, and nothing else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from longplay import clock
from longplay.archive import key_folder, open_archive
from longplay.identify import index
from longplay.identify.index import Manifest
from longplay.ledger import log, tables
from longplay.workflows import doctor, examining
from longplay.workflows.examining import Finding
from tests.identify.made import printed
from tests.workflows.conftest import quiet


def todo(folder: Path) -> list[Finding]:
    return [one for one in doctor.examine(folder, progress=quiet).findings if one.todo]


@pytest.fixture(autouse=True)
def _as_it_was(past: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(examining, "free", lambda _: 10**15)
    yield
    for key in (past / "keys").rglob("*.key"):  # all copies of the archive share them
        key.chmod(0o600)


def test_a_healthy_archive_has_nothing_to_do(copied: Path) -> None:
    found = doctor.examine(copied, progress=quiet)
    assert found.healthy
    assert {"settings", "keys", "ledger", "store", "log", "disk"} <= set(found.checks)
    assert set(found.versions) >= {"python", "sqlite", "libtorrent"}
    assert [one.check for one in found.findings] == ["quarantine"]  # a note, nothing to do


def some_object(folder: Path) -> Path:
    return next(path for path in (folder / "objects").glob("??/??/*") if path.is_file())


def lose_an_object(folder: Path) -> None:
    some_object(folder).unlink()


def cut_an_object(folder: Path) -> None:
    path = some_object(folder)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


def turn_a_bit(folder: Path) -> None:
    path = some_object(folder)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def lose_evidence(folder: Path) -> None:
    next((folder / "evidence").glob("hashes-*")).unlink()


def open_a_key(folder: Path) -> None:
    with open_archive(folder) as archive:
        next(key_folder(archive.settings).rglob("*.key")).chmod(0o644)


def lose_the_source(folder: Path) -> None:
    path = folder / "longplay.toml"
    path.write_text(path.read_text().replace("/music", "/gone"))


def change_history(folder: Path) -> None:
    with open_archive(folder) as archive, archive.ledger.write() as connection:
        last = log.head(connection)
        entry = tables.log
        connection.execute(
            entry.update().where(entry.c.number == last - 2).values(subject="another")
        )


def be_in_the_future(folder: Path) -> None:
    with open_archive(folder) as archive, archive.ledger.write() as connection:
        ahead = clock.text_of(clock.now() + timedelta(days=1))
        log.append(connection, "capture", "later", {}, time=ahead)


def miscount(folder: Path) -> None:
    with open_archive(folder) as archive, archive.ledger.write() as connection:
        connection.execute(tables.tallies.update().values(value=7))


def age(folder: Path) -> None:
    with open_archive(folder) as archive, archive.ledger.write() as connection:
        connection.execute(
            tables.meta.update().where(tables.meta.c.key == "version").values(value="2")
        )


def spoil_the_ledger(folder: Path) -> None:
    path = folder / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = raw.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'holding'").fetchone()[
            0
        ]
    with path.open("r+b") as out:
        out.seek((page - 1) * 4096 + 8)
        out.write(b"\xff" * 600)


def lose_the_catalogue(folder: Path) -> None:
    next((folder / "catalogue").rglob("*.parquet")).unlink()


def misname_the_ledger(folder: Path) -> None:
    path = folder / "longplay.toml"
    path.write_text(f'ledger = "nonsense"\n{path.read_text()}')


def lose_a_replica(folder: Path) -> None:
    path = folder / "longplay.toml"
    path.write_text(f'{path.read_text()}\n[[replicas]]\nname = "far"\nlocation = "/no/such"\n')


def spoil_the_settings(folder: Path) -> None:
    (folder / "longplay.toml").write_text("version = one\n")


def indexed(folder: Path) -> Path:
    """The one shard of an index that is made in a folder."""
    folder.mkdir(parents=True)
    (one,) = index.add(folder, Manifest(), [printed(1, 8)], "test").shards
    return folder / one.name


def turn_a_bit_of_the_index(folder: Path) -> None:
    path = indexed(folder / "identify")
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)


def lose_a_shard(folder: Path) -> None:
    indexed(folder / "identify" / "whole").unlink()


ILLNESSES: dict[Callable[[Path], None], tuple[str, str, str]] = {
    lose_an_object: ("store", "is not there", "verify --repair"),
    cut_an_object: ("store", "has another length", "verify --repair"),
    turn_a_bit: ("store", "is not what its name says", "verify --repair"),
    lose_evidence: ("evidence", "is missing", "verify --repair"),
    open_a_key: ("keys", "others can read it", "chmod 600"),
    lose_the_source: ("sources", "is not there", "mount it"),
    change_history: ("log", "does not follow", "restore a backup"),
    be_in_the_future: ("clock", "ahead of this clock", "set the clock"),
    miscount: ("totals", "`status` says 7 ", "rebuild --ledger"),
    age: ("ledger", "older Longplay", "upgrade"),
    spoil_the_ledger: ("ledger file", "is damaged", "rebuild"),
    misname_the_ledger: ("ledger", "is no address", "postgresql://host/database"),
    lose_a_replica: ("replicas", "the replica far is not there", "plug its disk in"),
    lose_the_catalogue: ("catalogue", "missing or damaged", "import its source again"),
    turn_a_bit_of_the_index: (
        "index",
        "other bytes than were written",
        "longplay fingerprint update --anew",
    ),
    lose_a_shard: ("index", "is missing", "longplay fingerprint update --whole --anew"),
    spoil_the_settings: ("settings", "Invalid value", "correct that line"),
}


@pytest.mark.parametrize("fall_ill", ILLNESSES, ids=lambda one: one.__name__)
def test_each_illness_is_found(copied: Path, fall_ill: Callable[[Path], None]) -> None:
    check, what, remedy = ILLNESSES[fall_ill]
    fall_ill(copied)
    found = todo(copied)
    mine = [one for one in found if one.check == check]
    assert mine, found
    assert what in mine[0].what
    assert remedy in mine[0].remedy
    assert mine[0].where
    assert {one.check for one in found} == {check}


@pytest.mark.parametrize("moment", ["open_shards", "rotten"])
def test_shards_that_are_merged_meanwhile_are_not_called_bad(
    copied: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    folder = copied / "identify"
    indexed(folder)
    look = getattr(index, moment)

    def merged_before(where: Path, named: Any) -> Any:
        if where == folder:
            index.publish(folder, Manifest())
            index.tidy(folder, Manifest())
        return look(where, named)

    monkeypatch.setattr(index, moment, merged_before)
    assert todo(copied) == []
    assert not list(folder.glob("*.shard"))


def test_a_ledger_that_cannot_be_checked_is_not_called_damaged(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_: Path) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(doctor, "_quick_check", locked)
    (one,) = todo(copied)
    assert (one.check, one.what) == ("ledger file", "cannot be checked: database is locked")
    assert "rebuild" not in one.remedy


def notes(folder: Path) -> dict[str, Finding]:
    """What is told and needs nothing to be done, but for what the archive always has."""
    found = doctor.examine(folder, progress=quiet)
    assert found.healthy
    return {one.check: one for one in found.findings if one.check != "quarantine"}


def test_what_captures_left_is_noted(copied: Path) -> None:
    old = clock.now() - timedelta(hours=2)
    with open_archive(copied) as archive:
        archive.store.prepare()
        left = archive.store.staging / "half"
        left.write_bytes(b"half")
        os.utime(left, (old.timestamp(), old.timestamp()))
        lease = {"plan": "p", "first": 0, "last": 9, "done": 0, "granter": "", "holder": "h:1:1"}
        late = {"plan": "p", "ordinal": 1, "host": "slow.example", "tries": 2, "reason": "is busy"}
        ahead = clock.text_of(clock.now() + timedelta(hours=1))
        with archive.ledger.write() as connection:
            connection.execute(tables.leases.delete())
            connection.execute(tables.leases.insert().values(**lease, expires=clock.text_of(old)))
            connection.execute(tables.postponed.insert().values(**late, until=ahead))
    found = notes(copied)
    assert found["leases"].what == "1 ranges were left by captures that ended"
    assert found["leases"].where == "h:1:1"
    assert found["hosts"].what == "1 files wait: is busy"
    assert found["hosts"].where == "slow.example"
    assert found["leftovers"].what == "1 temporary files, 4 bytes"
    assert found["leftovers"].where == str(copied / "objects" / "incoming")
    assert set(found) == {"leases", "hosts", "leftovers"}


def test_totals_that_are_not_counted_are_noted(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "COUNTED_ROWS", 1)
    found = notes(copied)
    assert set(found) == {"totals"}
    assert "there are more than 1 objects" in found["totals"].what


def test_a_disk_too_small_for_the_plan(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_archive(copied) as archive, archive.ledger.write() as connection:
        text = connection.scalar(sa.select(tables.plans.c.document))
        big = str(text).replace('"bytes": ', '"bytes": 9000')
        connection.execute(tables.plans.update().values(document=big))
    monkeypatch.setattr(examining, "free", lambda _: 1000)
    assert [one.check for one in todo(copied)] == ["disk", "disk"]


def test_a_folder_that_is_no_archive(tmp_path: Path) -> None:
    assert [(one.check, one.where) for one in todo(tmp_path)] == [("settings", str(tmp_path))]
