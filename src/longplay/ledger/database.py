"""Opening the ledger, and its two kinds of transaction: reads that never wait, short writes."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchTableError, StatementError
from sqlalchemy.sql.dml import UpdateBase

from longplay import clock, telemetry
from longplay.errors import ArchiveError, LedgerError
from longplay.ledger import sweeping, tables
from longplay.settings import SETTINGS_FILE

BUSY_SECONDS = 30
"""How long a writer waits for another's transaction, each of which takes well under a second."""

CONNECT_SECONDS = 10
"""How long a database server may take to answer."""

WRITERS_LOCK = 0x6C6F6E67706C6179
"""PostgreSQL's advisory lock that stands for SQLite's single writer: "longplay" in ASCII."""

MOVED_TO = "moved to"
"""The fact of a ledger that another one has taken the place of: it is read and written no more."""

HALF_A_COPY = "half a copy of"
"""The fact of a ledger that is being filled from another one."""


class Ledger:
    """One ledger, by its SQLAlchemy address. Open it with `open_ledger` or make it with `create`.

    `read()` gives a connection on a steady view; `write()` a transaction that has the write lock
    from its first statement and is committed on leaving, or rolled back by an exception.
    `witness`, where one is set, is called with each transaction that writes alone, before it is
    committed, and what it gives is called after that: the place to write down elsewhere what it
    changed.

    `guarded`, which those who open an archive's ledger set, makes every transaction raise
    LedgerError once the ledger was moved elsewhere: nobody goes on with what nobody keeps.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.witness: Witness | None = None
        self.guarded = False
        self._watching: sqlite3.Connection | None = None
        self._watch = threading.Lock()
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; what others write meanwhile is not seen."""
        steady = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with _plainly(), self._engine.connect().execution_options(**steady) as connection:
            self._refuse_moved(connection)
            yield connection

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[Connection]:
        """A short transaction that writes.

        It is the only one at a time. With `alone=False` PostgreSQL lets others write beside it
        until it appends to the log (SQLite never does), and no witness is called: that is for
        batches, whose own evidence tells of them.
        """
        changed: set[str] = set()
        closing: list[Closing] = []
        after: list[Callable[[], None]] = []
        done: Callable[[], None] | None = None
        started = clock.monotonic()
        with (
            _plainly(),
            self._engine.connect().execution_options(
                longplay_write=True,
                longplay_changed=changed,
                longplay_closing=closing,
                longplay_after=after,
            ) as connection,
            connection.begin(),
        ):
            if alone:
                exclude_writers(connection)
            self._refuse_moved(connection)
            yield connection
            for close in closing:
                close(connection)
            if not self.is_sqlite:  # who waited for a lock meanwhile may have waited for the move
                self._refuse_moved(connection)
            if alone and self.witness is not None:
                done = self.witness(connection, frozenset(changed))
        telemetry.took("ledger", clock.monotonic() - started)
        if done is not None:
            done()
        for tell in after:
            tell()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self._engine.dialect.name == "sqlite"

    def _refuse_moved(self, connection: Connection) -> None:
        if self.guarded:
            refuse_moved(connection)

    def scrub(self) -> None:
        """Leave no copy of what was overwritten in SQLite's write-ahead log, as far as other
        readers let go of it."""
        if self._engine.dialect.name == "sqlite":
            with _plainly(), self._engine.connect() as connection:
                driver = connection.connection.cursor()
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                driver.close()

    def compact(self) -> None:
        """Give back the space of SQLite's file that nothing lies in, as far as no other process
        is in its way."""
        if self.is_sqlite:
            with _plainly(), self._engine.connect() as connection:
                driver = connection.connection.cursor()
                try:
                    driver.execute("VACUUM")
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.Error as error:
                    raise LedgerError(f"the ledger cannot be compacted: {error}") from error
                finally:
                    driver.close()

    def changes(self) -> int | None:
        """A number that is another one once anybody has committed anything since; of PostgreSQL
        None, where finding out takes a question to the server anyway."""
        database = self._engine.url.database
        if not self.is_sqlite or not database:
            return None
        try:
            with self._watch:
                if self._watching is None:
                    # Its own connection: of what one itself writes it notices nothing.
                    self._watching = sqlite3.connect(
                        database, BUSY_SECONDS, isolation_level=None, check_same_thread=False
                    )
                return int(self._watching.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None  # what asks the ledger itself next tells what is wrong with it

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()
        with self._watch:
            if self._watching is not None:
                self._watching.close()
                self._watching = None


Closing = Callable[[Connection], None]
"""What a transaction does last of all, before it is committed: see `closings`."""

Witness = Callable[[Connection, frozenset[str]], Callable[[], None] | None]
"""What `Ledger.witness` is: given the transaction and the names of the tables that it changed."""


def closings(connection: Connection) -> list[Closing] | None:
    """What is to be done at the end of this transaction: append to it. None if it only reads."""
    found: list[Closing] | None = connection.get_execution_options().get("longplay_closing")
    return found


def after_commit(connection: Connection, tell: Callable[[], None]) -> None:
    """Have something said once this transaction is committed; it is not when it is rolled back."""
    after = connection.get_execution_options().get("longplay_after")
    if after is not None:
        after.append(tell)


def exclude_writers(connection: Connection) -> None:
    """Be the only one who writes until the transaction ends, as SQLite's writers always are."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS_LOCK)))


def refuse_moved(connection: Connection) -> None:
    """Raise LedgerError when the ledger was moved elsewhere."""
    query = f"SELECT value FROM meta WHERE key = '{MOVED_TO}'"  # plain: it is asked every time
    found = connection.exec_driver_sql(query).first()
    if found is not None:
        raise LedgerError(
            f"the ledger was moved to {found[0]}",
            hint="start this again; if that says the same: longplay move-ledger",
        )


def connect(address: sa.URL) -> Ledger:
    """The ledger at an address, opened with the first transaction. Raises ArchiveError."""
    if address.get_backend_name() == "postgresql":
        return Ledger(
            sa.create_engine(
                address, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS}
            )
        )
    if address.get_backend_name() != "sqlite":
        raise ArchiveError(
            f"a ledger cannot lie in {address.get_backend_name()}",
            where=SETTINGS_FILE,
            hint='write ledger = "sqlite:///ledger.sqlite3" or "postgresql://…"',
        )
    return Ledger(sa.create_engine(address))


def create(url: str, folder: Path) -> Ledger:
    """Make the tables of a new ledger. Repeating it is harmless."""
    ledger = connect(resolve(url, folder))
    with ledger.write() as connection:
        tables.metadata.create_all(connection)
        if connection.scalar(sa.select(sa.func.count()).select_from(tables.meta)) == 0:
            version = str(tables.VERSION)
            rows = [{"key": "version", "value": version}, {"key": sweeping.SWEEPS, "value": "0"}]
            connection.execute(tables.meta.insert(), rows)
    ledger.guarded = True
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
    ledger = connect(address)
    try:
        if is_missing(ledger, address):
            raise ArchiveError(
                "the ledger is missing",
                where=str(database),
                hint="restore it from a backup, or make it again: longplay rebuild",
            )
        version = int(fact(ledger, "version"))
        if version > tables.VERSION:
            raise ArchiveError(
                f"the ledger was made by a newer Longplay (version {version})",
                where=str(database),
                hint="install that version; nothing was touched",
            )
        with ledger.read() as connection:
            _refuse_half(connection, str(database))
            refuse_moved(connection)
    except BaseException:
        ledger.close()
        raise
    ledger.guarded = True
    return ledger


def _refuse_half(connection: Connection, where: str) -> None:
    m = tables.meta.c
    if connection.scalar(sa.select(m.value).where(m.key == HALF_A_COPY)) is not None:
        raise ArchiveError(
            "is a copy of a ledger that was not finished",
            where=where,
            hint="run `longplay move-ledger` again, with the settings as they were",
        )


def is_missing(ledger: Ledger, address: sa.URL) -> bool:
    """Whether nothing is at the address: no file, or a database without our tables."""
    if ledger.is_sqlite:
        return not (address.database and Path(address.database).is_file())
    with ledger.read() as connection:
        return not sa.inspect(connection).has_table(tables.meta.name)


def fact(ledger: Ledger, key: str) -> str:
    """One value of the meta table. Raises LedgerError when it is not there."""
    with ledger.read() as connection:
        value = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
    if value is None:
        raise LedgerError(f"has no {key!r}", where="ledger", hint="is this a Longplay ledger?")
    return str(value)


def resolve(url: str, folder: Path) -> sa.URL:
    """The address with a relative SQLite file name taken from the archive's folder, and the driver
    that we have. Raises ArchiveError for what is no address."""
    match = re.fullmatch(r"sqlite:///(?!/)(.+)", url)
    if match is None:
        try:
            address = sa.make_url(url)
        except ArgumentError as error:
            raise ArchiveError(
                "ledger is no address", where=SETTINGS_FILE, hint="e.g. postgresql://host/database"
            ) from error
        plain = address.drivername in ("postgresql", "postgres")
        return address.set(drivername="postgresql+psycopg") if plain else address
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


@sa.event.listens_for(Engine, "before_execute")
def _note_change(
    connection: Connection, clause: object, _many: object, _one: object, _options: object
) -> None:
    changed = connection.get_execution_options().get("longplay_changed")
    if changed is not None and isinstance(clause, UpdateBase):
        changed.add(str(getattr(clause.table, "name", "")))


@contextmanager
def _plainly() -> Iterator[None]:
    """Turn the driver's exceptions into one line."""
    try:
        yield
    except NoSuchTableError as error:
        raise LedgerError(f"has no table {error}", where="ledger", hint="restore it") from error
    except StatementError as error:
        if isinstance(error.orig, ValueError):  # a value that has no place in its column
            raise LedgerError(f"the ledger cannot hold this: {error.orig}") from error
        if not isinstance(error, DBAPIError):
            raise
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
    """Whether the process that `holder` named is known to have ended; another host's never is.
    What stands before an `@` is the name of a run within the process."""
    host, pid, ticks = name.rpartition("@")[2].rsplit(":", 2)
    if host != os.uname().nodename:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        fields = stat.read_text().rsplit(")", 1)[1].split()
        return fields[19] != ticks or fields[0] in "ZX"  # ended, if nobody has asked how
    except (FileNotFoundError, ProcessLookupError):
        return Path("/proc/self").exists()
