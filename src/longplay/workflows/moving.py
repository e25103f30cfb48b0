"""`move-ledger`: the ledger in another database, row by row the same, and the settings with it.

Killed before the old ledger says where it went, nothing has changed but a half-made copy, which
the next attempt replaces. After that the copy is whole and the old ledger refuses everybody, so
the next attempt compares both once more and changes the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from longplay import archive as archives
from longplay import clock
from longplay import settings as settings_room
from longplay.capture import places
from longplay.errors import ArchiveError, LockedError, UsageError
from longplay.ledger import database, moving, tables
from longplay.ledger.database import Ledger
from longplay.ledger.moving import Digest
from longplay.workflows.capturing import Progress


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is the same in both ledgers: its rows, and the sum of their hashes."""

    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A ledger's move. `already` says that the settings named the new place before."""

    before: str
    now: str
    already: bool
    rows: int
    tables: dict[str, Table]
    seconds: float


def move_ledger(folder: Path, url: str, *, progress: Progress) -> Moved:
    """Move the ledger of the archive in `folder` to the SQLAlchemy address `url`.

    Raises LockedError while a capture runs, UsageError for an address that is none or a database
    that is not empty, LedgerError when old and new differ: then nothing is switched.
    """
    started = clock.monotonic()
    before = settings_room.load(folder).ledger
    old_place = database.resolve(before, folder)
    new_place = _resolve(url, folder)
    with places.sharing(folder / "evidence") as sharing:
        if not sharing.alone():
            raise LockedError(
                "a capture or another long reader is at work",
                where=str(folder / places.LOCK),
                hint="wait for it, or stop it",
            )
        old = _open_old(old_place)
        try:
            if _same(old_place, new_place):
                found = _stay(old, _shown(new_place))
            else:
                found = _move(old, new_place, progress)
        finally:
            old.close()
        already = _same(old_place, new_place)
        if not already:
            archives.set_ledger(folder, url)
    return Moved(
        before=_shown(old_place),
        now=_shown(new_place),
        already=already,
        rows=sum(one.rows for one in found.values()),
        tables={name: Table(one.rows, one.hex) for name, one in found.items()},
        seconds=round(clock.monotonic() - started, 3),
    )


def _move(old: Ledger, place: sa.URL, progress: Progress) -> dict[str, Digest]:
    """Make the new ledger equal to the old one, which then says where it went."""
    where = _shown(place)
    new = database.connect(place)
    try:
        with moving.still(old) as connection:
            moving.refuse_captures(connection)
            gone = moving.moved_to(connection)
            if gone is not None and gone != where:
                raise UsageError(
                    f"a move to {gone} has begun",
                    hint="finish it with that address, or take it back with the present one",
                )
            told = _Told(progress, 2 * moving.count(connection))
            mine = moving.identity(connection)
            if gone is None or moving.is_empty(new, mine):
                moving.check_target(new, mine, where)
                moving.begin(new, mine)
                found = moving.copy(connection, new, told)
            else:  # the copy was whole, and nobody has written since
                found = moving.digests(connection, told)
            with new.read() as copied:
                moving.compare(found, moving.digests(copied, told))
            moving.note_moved(connection, where)
        moving.finish(new)
    finally:
        new.close()
    return found


def _stay(old: Ledger, where: str) -> dict[str, Digest]:
    """The settings name this ledger; a move elsewhere that was not finished is taken back."""
    with moving.still(old) as connection:
        moving.note_moved(connection, None)
        return moving.digests(connection, lambda *_: None)


class _Told:
    """Adds up the rows of both passes for the progress."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, table: str, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total, table)


def _open_old(place: sa.URL) -> Ledger:
    """The ledger that the settings name, also when it says that it was moved."""
    ledger = database.connect(place)
    if database.is_missing(ledger, place):
        ledger.close()
        raise ArchiveError("the ledger is missing", where=str(place.database))
    version = int(database.fact(ledger, "version"))
    if version != tables.VERSION:
        ledger.close()
        raise ArchiveError(
            f"the ledger has version {version}, not {tables.VERSION}",
            where=str(place.database),
            hint="run `longplay upgrade` first"
            if version < tables.VERSION
            else "install a newer Longplay; nothing was touched",
        )
    return ledger


def _resolve(url: str, folder: Path) -> sa.URL:
    try:
        place = database.resolve(url, folder)
        database.connect(place).close()
    except ArchiveError as error:
        raise UsageError(
            f"{url!r} is no address of a ledger",
            hint="write sqlite:///ledger.sqlite3 or postgresql://user@host/database",
        ) from error
    return place


def _same(one: sa.URL, other: sa.URL) -> bool:
    files = [Path(place.database or "") for place in (one, other)]
    if one.drivername == other.drivername == "sqlite" and all(file.is_file() for file in files):
        return files[0].samefile(files[1])
    return one.set(password=None) == other.set(password=None)


def _shown(place: sa.URL) -> str:
    """An address without its password."""
    return place.set(password=None).render_as_string()
