"""A backup is whole, is taken while others write, and gives back what was lost."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from longplay.archive import PEOPLE, Archive, open_archive
from longplay.errors import ArchiveError, InputError, LedgerError
from longplay.guard import policy, record
from longplay.guard.record import Act
from longplay.ledger import claims, log, tables
from longplay.release import following
from longplay.workflows import backups, followed, rebuilding, verifying
from longplay.workflows.followed import Followed
from tests.postgres import Server
from tests.workflows.conftest import quiet


def rows(folder: Path) -> dict[str, list[Any]]:
    with open_archive(folder) as archive, archive.ledger.read() as connection:
        return {
            name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for name, table in tables.metadata.tables.items()
        }


def take(folder: Path, target: Path) -> Path:
    with open_archive(folder) as archive:
        return Path(backups.backup(archive, target, progress=quiet).folder)


def test_a_backup_gives_ledger_settings_and_snapshots_back(copied: Path, tmp_path: Path) -> None:
    before, settings = rows(copied), (copied / "longplay.toml").read_bytes()
    backup = take(copied, tmp_path / "backups")
    names = {file["path"] for file in json.loads((backup / "backup.json").read_text())["files"]}
    assert {"ledger.sqlite3", "longplay.toml", "catalogue/current"} <= names
    assert {"catalogue/snapshots/000002.json", "keys/keys.json"} <= names
    assert {
        path.relative_to(backup).as_posix() for path in backup.rglob("*") if path.is_file()
    } == {
        *names,
        "backup.json",
    }
    for path in (*copied.glob("ledger.sqlite3*"), copied / "longplay.toml"):
        path.unlink()
    for path in (copied / "catalogue").rglob("*.json"):
        path.unlink()
    (copied / "catalogue" / "current").unlink()
    done = rebuilding.rebuild(copied, backup=backup, progress=quiet)
    assert {"ledger.sqlite3", "longplay.toml", "catalogue/current"} <= set(done.put_back)
    assert (done.ledger, done.lost) == ("whole", ())
    assert rows(copied) == before
    assert (copied / "longplay.toml").read_bytes() == settings
    with open_archive(copied) as archive:
        assert verifying.verify(archive, progress=quiet).sound
        with archive.ledger.read() as connection:
            assert {claim.person.name for claim in claims.list_all(connection)} == {
                "Claire Mant",
                "Olaf",
            }


def test_accounts_come_back_with_what_listeners_keep(archive: Archive, tmp_path: Path) -> None:
    with closing(sqlite3.connect(archive.folder / PEOPLE)) as people:
        people.execute("PRAGMA journal_mode = WAL")
        people.execute("CREATE TABLE account (name TEXT)")
        people.execute("INSERT INTO account VALUES ('ann')")
        people.commit()
        made = backups.backup(archive, tmp_path / "out", progress=quiet)
    folder = tmp_path / "new"
    folder.mkdir()
    assert PEOPLE in backups.put_back(folder, Path(made.folder))
    with closing(sqlite3.connect(folder / PEOPLE)) as people:
        assert people.execute("SELECT name FROM account").fetchall() == [("ann",)]


def test_what_is_decided_about_whom_comes_back(archive: Archive, tmp_path: Path) -> None:
    ledger = archive.ledger
    policy.act_on(archive.folder, ledger, ["account:7"], Act.HOLD, "operator", "odd")
    policy.appeal(archive.folder, ledger, "account:7", "A party.")
    made = backups.backup(archive, tmp_path / "out", progress=quiet)
    folder = tmp_path / "new"
    folder.mkdir()
    backups.put_back(folder, Path(made.folder))
    assert record.load(record.path_of(folder)).decisions["account:7"].act is Act.HOLD
    assert [one.words for one in policy.appeals(folder)] == ["A party."]
    assert record.pseudonyms(folder)("account:7") == record.pseudonyms(archive.folder)("account:7")


def test_a_mirror_still_knows_afterwards_what_it_follows(copied: Path, tmp_path: Path) -> None:
    known = following.Remembered("root", 1, 7, "sha256", 12, "hash")
    Followed("https://music.example/releases/feed.json", "ab" * 8).write(copied)
    known.write(copied / followed.REMEMBERED)
    backup = take(copied, tmp_path / "backups")
    for name in (followed.MIRROR, followed.REMEMBERED):
        (copied / name).unlink()
    backups.put_back(copied, backup)
    assert followed.followed(copied) is not None
    assert following.recall(copied / followed.REMEMBERED) == known


def test_the_lost_ledgers_write_ahead_log_is_kept_from_the_one_put_back(
    copied: Path, tmp_path: Path
) -> None:
    backup = take(copied, tmp_path / "backups")
    for path in copied.glob("ledger.sqlite3*"):
        path.unlink()
    (copied / "ledger.sqlite3-wal").write_bytes(b"of the lost one")
    backups.put_back(copied, backup)
    assert not (copied / "ledger.sqlite3-wal").exists()
    assert (copied / "ledger.sqlite3-wal.stale").read_bytes() == b"of the lost one"


def test_no_secret_key_is_in_it(archive: Archive, past: Path, tmp_path: Path) -> None:
    backup = Path(backups.backup(archive, tmp_path / "b", progress=quiet).folder)
    secrets = [path.read_bytes() for path in (past / "keys").rglob("*") if path.is_file()]
    assert secrets
    copied = [path.read_bytes() for path in backup.rglob("*") if path.is_file()]
    lines = {line for data in secrets for line in data.splitlines() if len(line) > 60}
    assert lines
    assert not any(line in data for line in lines for data in copied)


def test_it_is_of_one_moment_though_others_write(archive: Archive, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with open_archive(archive.folder) as mine:
            while not stop.is_set():
                with mine.ledger.write() as connection:
                    number = log.append(connection, "test", "t", {})
                    connection.execute(
                        tables.feed_heads.insert().values(
                            serial=1000 + number,
                            time="",
                            expires="",
                            entries=number,
                            hash=bytes(32),
                            sha256=bytes(32),
                        )
                    )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = [backups.backup(archive, tmp_path / "b", progress=quiet) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    for one in done:
        document = backups.read(Path(one.folder))
        tests = one.entries - done[0].entries
        heads = (
            document["tables"]["feed_head"]
            - backups.read(Path(done[0].folder))["tables"]["feed_head"]
        )
        assert tests == heads
    assert len({one.folder for one in done}) == 3


def test_leftovers_of_a_backup_that_died_are_removed(archive: Archive, tmp_path: Path) -> None:
    stray = tmp_path / "b" / "2026-01-01T00-00-00.000Z.part"
    stray.mkdir(parents=True)
    (stray / "ledger.sqlite3").write_bytes(b"half")
    backups.backup(archive, tmp_path / "b", progress=quiet)
    assert not stray.exists()


def test_a_damaged_backup_gives_nothing(copied: Path, tmp_path: Path) -> None:
    backup = take(copied, tmp_path / "b")
    data = bytearray((backup / "ledger.sqlite3").read_bytes())
    data[len(data) // 2] ^= 1
    (backup / "ledger.sqlite3").write_bytes(data)
    for path in copied.glob("ledger.sqlite3*"):
        path.unlink()
    with pytest.raises(InputError, match="missing or damaged"):
        rebuilding.rebuild(copied, backup=backup, progress=quiet)
    assert not (copied / "ledger.sqlite3").exists()


def test_refused_places_and_forms(copied: Path, tmp_path: Path) -> None:
    with open_archive(copied) as archive, pytest.raises(InputError, match="inside the archive"):
        backups.backup(archive, copied / "backups", progress=quiet)
    with pytest.raises(InputError, match="cannot be read"):
        backups.put_back(copied, tmp_path)
    for text in ("[]", '{"version": 1, "files": [1]}'):
        (tmp_path / "backup.json").write_text(text)
        with pytest.raises(InputError, match="is no backup"):
            backups.put_back(copied, tmp_path)
    (tmp_path / "backup.json").write_text('{"version": 99, "files": []}')
    with pytest.raises(ArchiveError, match="newer Longplay"):
        backups.put_back(copied, tmp_path)
    climbing = '{"version": 1, "files": [{"path": "../../x", "bytes": 1, "sha256": ""}]}'
    (tmp_path / "backup.json").write_text(climbing)
    with pytest.raises(InputError, match="leaves its folder"):
        backups.put_back(copied, tmp_path)


def test_a_broken_log_is_not_backed_up(archive: Archive, tmp_path: Path) -> None:
    with archive.ledger.write() as connection:
        row = tables.log.c.number == 2
        connection.execute(tables.log.update().where(row).values(event="nothing"))
    with pytest.raises(LedgerError, match="broken at entry 2"):
        backups.backup(archive, tmp_path / "b", progress=quiet)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["backup.lock"]


@pytest.mark.real
def test_a_ledger_in_postgresql_comes_back_table_by_table(
    copied: Path, tmp_path: Path, postgres: Server
) -> None:
    settings = copied / "longplay.toml"
    plain = settings.read_text()
    settings.write_text(f'ledger = "{postgres.fresh()}"\n{plain}')
    rebuilding.rebuild(copied, progress=quiet)
    before = rows(copied)
    backup = take(copied, tmp_path / "b")
    assert (backup / "ledger" / "holding.parquet").is_file()
    settings.write_text(f'ledger = "{postgres.fresh()}"\n{plain}')
    done = rebuilding.rebuild(copied, backup=backup, progress=quiet)
    assert (done.ledger, done.put_back) == ("whole", ("ledger",))
    assert rows(copied) == before
