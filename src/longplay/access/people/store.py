"""`people.sqlite3` opened: short transactions, for many threads of several processes.

Write-ahead logging lets readers go on while one writes. Writers begin IMMEDIATE, so that none finds
at its end that another came first; of one process one writes at a time, and those of other
processes are waited for. What is deleted is overwritten (`secure_delete`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from longplay.access.people import tables
from longplay.access.people.secrets import Secrets
from longplay.errors import AccessError, ArchiveError

WAIT_SECONDS = 30.0
"""How long a writer waits for those of other processes: transactions last milliseconds."""

IDLE = 64
"""Connections kept for the next request: as many as there are threads that answer."""

Connection = sqlite3.Connection


class People:
    """The accounts of one archive and what is theirs. Shared by all threads; close it."""

    def __init__(self, path: Path, secrets: Secrets) -> None:
        self.path = path
        self.secrets = secrets
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False
        self._watch = threading.Lock()
        self._watching: Connection | None = None
        _prepare(path)

    def __enter__(self) -> People:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """See one moment. Raises AccessError when the file cannot be read."""
        with self._borrowed() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def write(self, *, durably: bool = False) -> Iterator[Connection]:
        """One transaction, all or nothing. `durably` waits until it is on disk: for what must not
        come back after a power cut, such as a password that was replaced. Raises AccessError."""
        with self._writing, self._borrowed() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durably else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                _roll_back(connection)

    def changes(self) -> int | None:
        """A number that is another one once anybody has committed anything since; None where that
        cannot be told."""
        try:
            with self._watch:
                if self._watching is None:
                    # Its own connection: of what one itself writes it notices nothing.
                    self._watching = None if self._closed else _connect(self.path)
                if self._watching is None:
                    return None
                return int(self._watching.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None  # who reads next tells what is wrong

    def forget_deleted(self) -> None:
        """Empty the log of changes, where pages of before still lie."""
        with self._writing, self._borrowed() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close what is open; nothing works afterwards."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
        with self._watch:
            if self._watching is not None:
                self._watching.close()
                self._watching = None

    @contextmanager
    def _borrowed(self) -> Iterator[Connection]:
        try:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = _connect(self.path)
            try:
                yield connection
            finally:
                self._give_back(connection)
        except sqlite3.Error as error:
            raise AccessError(
                f"cannot be used now: {error}",
                where=str(self.path),
                hint="check the free space and the permissions, and try again",
            ) from error

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if len(self._idle) < IDLE and not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _roll_back(connection: Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _connect(path: Path) -> Connection:
    connection = sqlite3.connect(
        path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(path: Path) -> None:
    """Make the file, or see that it is one of this version. Raises ArchiveError."""
    # Its owner alone reads it; SQLite gives the files beside it the same mode.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN")  # version and tables of one moment: others may make them
            known = _version(connection, path)
            connection.execute("COMMIT")
            if known == tables.VERSION:
                return
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection, path) != tables.VERSION:
                for statement in tables.TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {tables.APPLICATION}")
                connection.execute(f"PRAGMA user_version = {tables.VERSION}")
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise ArchiveError(
            f"cannot be opened: {error}",
            where=str(path),
            hint="bring it back from a backup, or move it away to begin with no accounts",
        ) from error


def _version(connection: Connection, path: Path) -> int:
    """The version of the tables, 0 for an empty file. Raises ArchiveError for a newer one, and for
    a database that is something else."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if version > tables.VERSION:
        raise ArchiveError(
            f"was made by a newer Longplay (version {version} of its tables)",
            where=str(path),
            hint="install that version; nothing was touched",
        )
    strange = version and application != tables.APPLICATION
    if strange or (not version and connection.execute("SELECT 1 FROM sqlite_master").fetchone()):
        raise ArchiveError(
            "is a database, but not one of accounts",
            where=str(path),
            hint="move it away; nothing was touched",
        )
    return version
