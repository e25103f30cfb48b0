"""Which objects were asked for near-duplicates, and which pairs came of it: one SQLite file beside
the index. It can be made again by asking, and is, when the way of asking has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from longplay.errors import StoreError
from longplay.identify.likeness import Likeness
from longplay.model import ObjectKey

NAME = "duplicates.sqlite3"
VERSION = 1
"""Of the tables, and of how objects are compared."""

_TABLES = """
CREATE TABLE asked (root BLOB, size INTEGER, otherwise INTEGER NOT NULL, PRIMARY KEY (root, size))
    WITHOUT ROWID;
CREATE TABLE pair (
    root BLOB, size INTEGER, other_root BLOB, other_size INTEGER,
    speed REAL, pitch REAL, there REAL, share REAL, elsewhere REAL, mine REAL, theirs REAL,
    PRIMARY KEY (root, size, other_root, other_size)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Found:
    """How one object is like another, which comes after it."""

    one: ObjectKey
    other: ObjectKey
    likeness: Likeness


class Pairs:
    """The opened file. Raises StoreError where it cannot be used."""

    def __init__(self, connection: sqlite3.Connection, where: Path) -> None:
        self._connection, self._where = connection, where

    def asked(self, key: ObjectKey, *, otherwise: bool) -> bool:
        """Whether an object was asked already, at other speeds too where `otherwise`."""
        row = self._connection.execute(
            "SELECT otherwise FROM asked WHERE root = ? AND size = ?",
            (key.root, key.size),
        ).fetchone()
        return row is not None and (bool(row[0]) or not otherwise)

    def note(
        self,
        told: Iterable[tuple[ObjectKey, Mapping[ObjectKey, Likeness]]],
        *,
        otherwise: bool,
    ) -> None:
        """Keep what came of asking some objects, all of it or nothing."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for key, found in told:
                self._connection.execute(
                    "INSERT OR REPLACE INTO asked VALUES (?, ?, ?)", (key.root, key.size, otherwise)
                )
                for other, likeness in found.items():
                    self._keep(key, other, likeness)

    def _keep(self, key: ObjectKey, other: ObjectKey, likeness: Likeness) -> None:
        if other < key:
            key, other, likeness = other, key, likeness.turned()
        ends = (key.root, key.size, other.root, other.size)
        known = self._connection.execute(
            "SELECT share FROM pair WHERE root = ? AND size = ? AND other_root = ?"
            " AND other_size = ?",
            ends,
        ).fetchone()
        if known is None or known[0] < likeness.share:
            facts = tuple(getattr(likeness, name) for name in Likeness.__slots__)
            self._connection.execute(
                f"INSERT OR REPLACE INTO pair VALUES ({', '.join('?' * 11)})",
                (*ends, *facts),
            )

    def all(self) -> Iterator[Found]:
        """Every pair, in order of the objects."""
        rows = self._connection.execute("SELECT * FROM pair")
        for root, size, other_root, other_size, *facts in rows:
            yield Found(ObjectKey(root, size), ObjectKey(other_root, other_size), Likeness(*facts))


@contextmanager
def opened(folder: Path) -> Iterator[Pairs]:
    """The file in `folder`, made where it is not there or of another version. Raises StoreError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    try:
        connection = _connected(path)
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            connection.close()
            for old in folder.glob(f"{NAME}*"):
                old.unlink()
            connection = _connected(path)
            with suppress(sqlite3.OperationalError):  # another process made them at this moment
                connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version={VERSION};COMMIT;")
        try:
            yield Pairs(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(
            f"cannot be used: {error}",
            where=str(path),
            hint="remove it; `longplay duplicates find` makes it again",
        ) from error


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
