"""The items that a listing has read so far: one that broke off goes on with them.

A collection of 100,000 items takes a day at one request a second, and its search tells no files.
The documents lie in a file of SQLite beside the listing, which goes when the listing is whole; they
can all be read again, so that a damaged file is begun anew.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from longplay import clock

KEPT_SECONDS = 7 * 86_400
"""An item that was read longer ago is read again: it may have changed."""

_TABLE = "CREATE TABLE IF NOT EXISTS items (name TEXT PRIMARY KEY, read REAL, document BLOB)"
_FIELDS = ("metadata", "files", "is_dark")
"""What offers are made of."""


class ReadItems:
    """Documents of items by name, in the file `path`. For one thread; close it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self._opened()
        except sqlite3.DatabaseError:
            self._forget()
            self._file = self._opened()

    def document(self, name: str, ask: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        """What was read of an item; `ask` reads it where that is not known."""
        found = self._known(name)
        if found is not None:
            return found
        document = ask(name)
        kept = {field: document[field] for field in _FIELDS if field in document}
        data = zlib.compress(json.dumps(kept).encode())
        row = (name, clock.now().timestamp(), data)
        # What a full disk does not take is read again.
        with contextlib.suppress(sqlite3.DatabaseError), self._file:
            self._file.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", row)
        return document

    def close(self, *, whole: bool) -> None:
        """End the listing; the file goes where it is `whole`."""
        self._file.close()
        if whole:
            self._forget()

    def _known(self, name: str) -> dict[str, Any] | None:
        now = clock.now().timestamp()
        try:
            row = self._file.execute(
                "SELECT document FROM items WHERE name = ? AND read BETWEEN ? AND ?",
                (name, now - KEPT_SECONDS, now),
            ).fetchone()
            found = json.loads(zlib.decompress(row[0])) if row else None
        except (sqlite3.DatabaseError, zlib.error, ValueError, TypeError):
            self._file.close()
            self._forget()
            self._file = self._opened()
            return None
        return found if isinstance(found, dict) else None

    def _opened(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path)
        try:
            # A file that power or the system took is begun anew: nothing is waited for.
            file.execute("PRAGMA synchronous = OFF")
            file.execute(_TABLE)
        except sqlite3.DatabaseError:
            file.close()
            raise
        return file

    def _forget(self) -> None:
        for path in (self._path, Path(f"{self._path}-journal")):
            path.unlink(missing_ok=True)
