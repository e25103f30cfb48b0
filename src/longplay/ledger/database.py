"""Opening the ledger, and its two kinds of transaction: reads that never wait, short writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from longplay.errors import ArchiveError, LedgerError
from longplay.ledger import tables

BUSY_SECONDS = 30
"""How long a writer waits for another's transaction, each of which takes well under a second."""


class Ledger:
    """One ledger, by its SQLAlchemy address. Open it with `open_ledger` or make it with `create`.

    `read()` gives a connection on a steady view; `write()` a transaction that has the write lock
    from its first statement and is committed on leaving, or rolled back by an exception.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; what others write meanwhile is not seen."""
        with _plainly(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A short transaction that writes."""
        with (
            _plainly(),
            self._engine.connect().execution_options(longplay_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()


def create(url: str, folder: Path) -> Ledger:
    """Make the tables of a new ledger. Repeating it is harmless."""
    ledger = Ledger(sa.create_engine(resolve(url, folder)))
    with ledger.write() as connection:
        tables.metadata.create_all(connection)
        if connection.scalar(sa.select(sa.func.count()).select_from(tables.meta)) == 0:
            version = str(tables.VERSION)
            connection.execute(tables.meta.insert().values(key="version", value=version))
    return ledger


def open_ledger(url: str, folder: Path) -> Ledger:
    """Open an existing ledger. Raises ArchiveError when it is absent, or of another version."""
    ledger = open_any(url, folder)
    if int(fact(ledger, "version")) < tables.VERSION:
        ledger.close()
        raise ArchiveError(
            "the ledger was made by an older Longplay",
            where=str(folder),
            hint="run `longplay upgrade`; it makes a copy first",
        )
    return ledger


def open_any(url: str, folder: Path) -> Ledger:
    """Open an existing ledger of this version or an older one. Raises ArchiveError."""
    address = resolve(url, folder)
    database = address.database
    if address.drivername.startswith("sqlite") and not (database and Path(database).is_file()):
        raise ArchiveError(
            "the ledger is missing", where=str(database), hint="restore it from a backup"
        )
    ledger = Ledger(sa.create_engine(address))
    try:
        version = int(fact(ledger, "version"))
        if version > tables.VERSION:
            raise ArchiveError(
                f"the ledger was made by a newer Longplay (version {version})",
                where=str(database),
                hint="install that version; nothing was touched",
            )
    except BaseException:
        ledger.close()
        raise
    return ledger


def fact(ledger: Ledger, key: str) -> str:
    """One value of the meta table. Raises LedgerError when it is not there."""
    with ledger.read() as connection:
        value = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
    if value is None:
        raise LedgerError(f"has no {key!r}", where="ledger", hint="is this a Longplay ledger?")
    return str(value)


def resolve(url: str, folder: Path) -> sa.URL:
    """The address with a relative SQLite file name taken from the archive's folder."""
    match = re.fullmatch(r"sqlite:///(?!/)(.+)", url)
    if match is None:
        return sa.make_url(url)
    # Not as text: a folder may have a `?` in its name.
    return sa.URL.create("sqlite", database=str(folder.resolve() / match[1]))


def _set_up_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined] # we say BEGIN ourselves
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("longplay_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _plainly() -> Iterator[None]:
    """Turn the driver's exceptions into one line."""
    try:
        yield
    except NoSuchTableError as error:
        raise LedgerError(f"has no table {error}", where="ledger", hint="restore it") from error
    except DBAPIError as error:
        text = str(error.orig).splitlines()[0] if error.orig else str(error)
        hint = "free some space and run the command again" if "full" in text else ""
        hint = hint or "run the command again; if it persists, restore the ledger from a backup"
        raise LedgerError(f"the ledger cannot be used: {text}", hint=hint) from error


def holder() -> str:
    """A name for this process that tells it from every other of this host's."""
    start = Path(f"/proc/{os.getpid()}/stat")
    ticks = start.read_text().rsplit(")", 1)[1].split()[19] if start.exists() else "0"
    return f"{os.uname().nodename}:{os.getpid()}:{ticks}"


def is_gone(name: str) -> bool:
    """Whether the process that `holder` named is known to have ended; another host's never is."""
    host, pid, ticks = name.rsplit(":", 2)
    if host != os.uname().nodename:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[19] != ticks
    except FileNotFoundError:
        return Path("/proc/self").exists()
