"""`rebuild`: a ledger that is missing, damaged or older than the evidence is made again from it."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from longplay import settings as settings_room
from longplay.archive import Archive, open_archive, open_store
from longplay.capture import places
from longplay.catalogue import rebuild as indexes
from longplay.errors import ArchiveError, LedgerError, LockedError, StoreError
from longplay.files import durable, publish, sync_folder
from longplay.ledger import batches, database, log, portable, sweeping, tables
from longplay.settings import Settings
from longplay.vault import evidence, inventory, replicas
from longplay.vault.inventory import Inventory
from longplay.vault.shelves import Shelf
from longplay.workflows import backups, refilling, rights
from longplay.workflows.refilling import Report

Progress = Callable[[int, int, str], None]

READ_BYTES = 4 * 2**20
"""Bytes of evidence that are fetched at once."""

KEPT = ("version", sweeping.SWEEPS)
"""Rows of the meta table that are no matter of evidence."""

ENDINGS = ("", "-wal", "-shm", "-journal")
"""The files of a SQLite database."""


class Condition(StrEnum):
    """What is wrong with a ledger."""

    WHOLE = "whole"
    MISSING = "missing"
    DAMAGED = "damaged"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What `rebuild` did: how the ledger was found, where the old one lies now, what was made
    again, what is lost, what came from a backup, and the bytes of each source's indexes."""

    ledger: str
    old: str | None
    objects: int
    entries: int
    releases: int
    lost: tuple[str, ...]
    put_back: tuple[str, ...]
    indexes: dict[str, int]


def rebuild(
    folder: Path, *, again: bool = False, backup: Path | None = None, progress: Progress
) -> Rebuilt:
    """Make the ledger again if it needs it, or if `again` says so, and the catalogue's indexes.
    What the archive lacks is first put back from `backup`, if one is named.

    The ledger appears whole, by renaming a file or in one transaction: cut short, the same command
    does it anew. Raises LockedError while a capture or another long reader runs.
    """
    put_back = backups.put_back(folder, backup) if backup is not None else []
    settings = settings_room.load(folder)
    shelf = Shelf(folder / "evidence", open_store(folder, settings))
    with _alone(folder):
        found = _evidence(settings, folder, shelf)
        condition = _condition(settings, folder, found)
        done, old = Report(), None
        if again or condition != Condition.WHOLE:
            address = database.resolve(settings.ledger, folder)
            if address.get_backend_name() == "sqlite" and not _is_usable(address, condition):
                persons = _persons(settings, folder)
                done, old = _anew(folder, settings, found, persons, condition, progress)
            else:
                done, old = _in_place(folder, settings, progress)
    with open_archive(folder) as archive:
        if done.entries:
            rights.catch_up(archive)
        built = indexes.rebuild(archive.catalogue, progress=progress)
    return Rebuilt(
        condition,
        str(old) if old else None,
        done.objects,
        done.entries,
        done.releases,
        tuple(done.lost),
        tuple(put_back),
        built,
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep captures and long readers out."""
    with places.sharing(folder / "evidence") as sharing:
        if not sharing.alone():
            raise LockedError(
                "objects are being captured or read",
                where=str(folder),
                hint="wait until that has ended, or stop it",
            )
        yield


def _evidence(settings: Settings, folder: Path, shelf: Shelf) -> Inventory:
    """All the evidence there is, here, in the bucket, and in replicas."""
    lost = _fill(shelf)
    found = inventory.take(shelf.folder)
    if not found.damaged and not lost:
        return found
    if shelf.is_remote:
        for name in found.damaged:  # the bucket may have it whole
            (shelf.folder / name).unlink()
        lost = _fill(shelf)
    else:
        lost = list(found.damaged)
    _bring_back(settings, folder, lost)
    shelf.settle(shelf.upload([name for name in lost if (shelf.folder / name).is_file()]))
    return inventory.take(shelf.folder)


def _fill(shelf: Shelf) -> list[str]:
    """Bring the evidence that lies in a bucket; the names of what is damaged there."""
    lost = []
    for name in sorted(shelf.names() if shelf.is_remote else ()):
        if evidence.NAME.fullmatch(name):
            try:
                shelf.fetch([name])
            except StoreError:
                lost.append(name)
    return lost


def _bring_back(settings: Settings, folder: Path, damaged: Sequence[str]) -> None:
    """Bring damaged evidence back from replicas, proved by its name: a ledger that does not name
    it would have it removed there, too."""
    for name, replica in itertools.product(damaged, settings.replicas):
        expected = name.partition("-")[2].partition(".")[0]
        try:
            store = replicas.open_replica(replica, folder)
            place = replicas.evidence_path(name)
            digest = hashlib.sha256()
            with durable(folder / "evidence" / name) as out:
                for start in range(0, store.size(place) or 0, READ_BYTES):
                    data = store.read(place, start, READ_BYTES) or b""
                    digest.update(data)
                    out.write(data)
                if not digest.hexdigest().startswith(expected):
                    raise StoreError("is not what its name says", where=name)
        except StoreError:
            continue


def _condition(settings: Settings, folder: Path, found: Inventory) -> Condition:
    address = database.resolve(settings.ledger, folder)
    ledger = database.connect(address)
    try:
        if database.is_missing(ledger, address):
            return Condition.MISSING
        if ledger.is_sqlite and not _is_sound(Path(str(address.database))):
            return Condition.DAMAGED
        version = int(database.fact(ledger, "version"))
        if version > tables.VERSION:
            raise ArchiveError(
                f"the ledger was made by a newer Longplay (version {version})",
                where=str(address.database),
                hint="install that version; nothing was touched",
            )
        with ledger.read() as connection:
            head = log.head(connection)
            unknown = found.batches - batches.numbers(connection)
        entries = found.standing.entries if found.standing else 0
        return Condition.BEHIND if entries > head or unknown else Condition.WHOLE
    except LedgerError:
        if not ledger.is_sqlite:
            raise  # a server that cannot be reached is not a damaged ledger
        return Condition.DAMAGED
    finally:
        ledger.close()


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return [row[0] for row in connection.execute("PRAGMA quick_check(1)")] == ["ok"]
    except sqlite3.Error:
        return False


def _persons(settings: Settings, folder: Path) -> Sequence[dict[str, Any]]:
    """Whom the old ledger still names, as far as it can be read; nothing else has that."""
    address = database.resolve(settings.ledger, folder)
    path = Path(str(address.database))
    places = [address]
    if address.get_backend_name() == "sqlite":
        aside = [one for one in path.parent.glob(f"{path.name}.old-*") if one.name[-1].isdigit()]
        aside.sort(key=lambda one: int(one.name.rpartition("-")[2]), reverse=True)
        places = [sa.URL.create("sqlite", database=str(one)) for one in (path, *aside)]
    for place in places:
        if place.get_backend_name() == "sqlite" and not Path(str(place.database)).is_file():
            continue
        ledger = database.connect(place)
        try:
            with ledger.read() as connection:
                rows = connection.execute(sa.select(tables.persons)).mappings()
                return [dict(row) for row in rows]
        except (LedgerError, SQLAlchemyError):
            continue
        finally:
            ledger.close()
    return []


def _anew(
    folder: Path,
    settings: Settings,
    found: Inventory,
    persons: Sequence[dict[str, Any]],
    condition: Condition,
    progress: Progress,
) -> tuple[Report, Path | None]:
    """Make a new SQLite file, and give it the old one's place."""
    place = Path(str(database.resolve(settings.ledger, folder).database))
    fresh = place.with_name(f"{place.name}.rebuild")
    for ending in ENDINGS:
        Path(f"{fresh}{ending}").unlink(missing_ok=True)
    ledger = database.create(f"sqlite:///{fresh.resolve()}", folder)
    try:
        archive = Archive(folder, settings, ledger)
        with ledger.write() as connection:
            done = refilling.refill(archive, connection, found, persons, progress)
    finally:
        ledger.close()
    # The database first: cut short between, the same command finds it missing, and not without
    # what was in its write-ahead log.
    parts = [ending for ending in ENDINGS if Path(f"{place}{ending}").exists()]
    old = _free_name(place)
    for ending in parts:
        Path(f"{place}{ending}").rename(f"{old}{ending}")
    sync_folder(place.parent)
    publish(fresh, place)
    return done, None if condition == Condition.MISSING else old


def _in_place(folder: Path, settings: Settings, progress: Progress) -> tuple[Report, Path | None]:
    """Empty and fill the tables in one transaction, so that nobody writes what would be lost: who
    waits for it goes on with the new ones. Of a SQLite file a copy stays."""
    ledger = database.create(settings.ledger, folder)
    old = None
    try:
        archive = Archive(folder, settings, ledger)
        with ledger.write() as connection:
            found = inventory.take(archive.evidence)
            persons = _persons(settings, folder)
            if ledger.is_sqlite:
                place = Path(str(database.resolve(settings.ledger, folder).database))
                old = _free_name(place)
                portable.copy_sqlite(place, old)
            for table in reversed(tables.metadata.sorted_tables):
                if table is not tables.meta:
                    connection.execute(table.delete())
            # What else it says, such as which rights have been read, is true no more.
            meta = tables.meta
            connection.execute(meta.delete().where(meta.c.key.not_in(KEPT)))
            return refilling.refill(archive, connection, found, persons, progress), old
    finally:
        ledger.close()


def _is_usable(address: sa.URL, condition: Condition) -> bool:
    """Whether the tables of a SQLite file are those of this version, and can be filled anew."""
    if condition not in (Condition.WHOLE, Condition.BEHIND):
        return False
    ledger = database.connect(address)
    try:
        return int(database.fact(ledger, "version")) == tables.VERSION
    finally:
        ledger.close()


def _free_name(place: Path) -> Path:
    """Where an old ledger can stay: no file of it has that name."""
    names = (place.with_name(f"{place.name}.old-{number}") for number in itertools.count(1))
    return next(name for name in names if not any(Path(f"{name}{one}").exists() for one in ENDINGS))
