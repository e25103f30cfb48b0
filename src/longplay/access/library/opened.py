"""The library's file, open for reading: connections for threads, and lists in memory."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int32]

MAPPED_BYTES = 2**31 - 2**16
"""Of the file, read through the page cache that all processes share; SQLite maps no more."""

CACHE_KIB = 256
"""A connection's own cache of pages, beside those that are mapped."""


class Opened:
    """One built library. Never changes; connections are closed with the last who reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._free: list[sqlite3.Connection] = []
        self._lists: dict[str, Numbers] = {}
        self._lock = threading.Lock()
        # Opened once at least, for the file may be removed while it is read.
        self._free.append(self._connect())

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile."""
        with self._lock:
            found = self._free.pop() if self._free else None
        found = found or self._connect()
        try:
            yield found
        finally:
            with self._lock:
                self._free.append(found)

    def numbers(self, name: str) -> Numbers:
        """A list; an empty one where there is none of that name."""
        known = self._lists.get(name)
        if known is None:
            with self.connection() as connection:
                query = "SELECT numbers FROM list WHERE name = ?"
                row = connection.execute(query, (name,)).fetchone()
            known = np.frombuffer(row[0] if row else b"", "<i4")
            if "/genre/" not in name:
                self._lists[name] = known
        return known

    @cached_property
    def spots(self) -> Numbers | None:
        """For each track its place on an album, ascending: tracks with the same one are files of
        one recording, the best first. None where no two are."""
        again = self.numbers("track/again")
        return np.cumsum(again == 0, dtype=np.int32) if again.any() else None

    def count(self, kind: str) -> int:
        """How many things of a kind there are."""
        return len(self.numbers(f"{kind}/open"))

    def _connect(self) -> sqlite3.Connection:
        path = quote(str(self.path.absolute()))
        connection = sqlite3.connect(
            f"file:{path}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection
