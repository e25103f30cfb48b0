"""`rebuild`: a ledger that is missing, damaged or older than the evidence is made again from it."""

from __future__ import annotations

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
from longplay.archive import Archive, open_archive
from longplay.capture import places
from longplay.catalogue import rebuild as indexes
from longplay.errors import ArchiveError, LedgerError, LockedError
from longplay.files import publish, sync_folder
from longplay.ledger import database, log, tables
from longplay.settings import Settings
from longplay.vault import inventory
from longplay.vault.inventory import Inventory
from longplay.workflows import backups, refilling, rights
from longplay.workflows.refilling import Report

Progress = Callable[[int, int, str], None]

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
    with _alone(folder):
        found = inventory.take(folder / "evidence")
        condition = _condition(settings, folder, found)
        done, old = Report(), None
        if again or condition != Condition.WHOLE:
            persons = _persons(settings, folder)
            if database.resolve(settings.ledger, folder).get_backend_name() == "sqlite":
                done, old = _anew(folder, settings, found, persons, condition, progress)
            else:
                done = _in_place(folder, settings, found, persons, progress)
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
        entries = found.standing.entries if found.standing else 0
        return Condition.BEHIND if entries > head else Condition.WHOLE
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
        aside = sorted(path.parent.glob(f"{path.name}.old-*[0-9]"), reverse=True)
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
    old = None
    if condition != Condition.MISSING:
        numbers = range(1, 1_000_000)
        names = (place.with_name(f"{place.name}.old-{number}") for number in numbers)
        old = next(name for name in names if not name.exists())
        for ending in reversed(ENDINGS):
            part = Path(f"{place}{ending}")
            if part.exists():
                part.rename(f"{old}{ending}")
        sync_folder(place.parent)
    for ending in ENDINGS[1:]:
        Path(f"{place}{ending}").unlink(missing_ok=True)
    publish(fresh, place)
    return done, old


def _in_place(
    folder: Path,
    settings: Settings,
    found: Inventory,
    persons: Sequence[dict[str, Any]],
    progress: Progress,
) -> Report:
    """Empty and fill the tables of a database server, in one transaction."""
    ledger = database.create(settings.ledger, folder)
    try:
        archive = Archive(folder, settings, ledger)
        with ledger.write() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                if table is not tables.meta:
                    connection.execute(table.delete())
            return refilling.refill(archive, connection, found, persons, progress)
    finally:
        ledger.close()
