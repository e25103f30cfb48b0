"""`doctor`: looks at every part of an archive, and says what is wrong, where, and what to do.

It changes nothing but a probe file in the store, which it removes, and uploads that were begun more
than a day ago and never finished, which it aborts. It looks at samples and bounds:
a whole proof of every bit is `verify`'s.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from longplay import archive as archives
from longplay import clock
from longplay import settings as settings_room
from longplay.errors import LongplayError
from longplay.ledger import database
from longplay.settings import Settings
from longplay.workflows.examining import CHECKS, Finding

CHECK_SECONDS = 20.0
"""For SQLite's own check of the ledger, which reads all of it; a longer one has no verdict."""

WAL_BYTES = 2**30
"""A write-ahead log above this is held open by some reader, and slows everything down."""

OLDEST_SQLITE = (3, 35, 0)
"""The first that has RETURNING."""

PYTHONS = ((3, 11), (3, 13))

LIBRARIES = ("av", "duckdb", "libtorrent", "numpy", "obstore", "psycopg", "pyarrow", "sqlalchemy")


@dataclass(frozen=True, slots=True)
class Health:
    """All findings, which checks were made, and the versions of what the archive runs on."""

    healthy: bool
    findings: tuple[Finding, ...]
    checks: tuple[str, ...]
    versions: dict[str, str]


T = TypeVar("T")


def examine(folder: Path, *, progress: Callable[[int, int, str], None]) -> Health:
    """Examine the archive in `folder`, as far as it can be opened."""
    found = list(_versions())
    made = ["versions"]
    settings = _attempt("settings", lambda: settings_room.load(folder), found)
    made.append("settings")
    if settings is not None:
        found += _guarded("sources", lambda: _sources(settings))
        found += _guarded("keys", lambda: _keys(settings))
        made += ["sources", "keys", "ledger"]
        address = _attempt("ledger", lambda: database.resolve(settings.ledger, folder), found)
        archive = None
        if address is not None:
            found += _guarded("settings", lambda: _password(folder, address))
            found += _guarded("ledger file", lambda: _ledger_file(address))
            made.append("ledger file")
            archive = _attempt("ledger", lambda: archives.open_archive(folder), found)
        if archive is not None:
            with archive:
                for number, (name, check) in enumerate(CHECKS.items()):
                    progress(number, len(CHECKS), name)
                    found += _guarded(name, partial(check, archive))
                    made.append(name)
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    versions |= {name: metadata.version(name) for name in LIBRARIES}
    return Health(not any(one.todo for one in found), tuple(found), tuple(made), versions)


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check found; one that fails is a finding itself."""
    found: list[Finding] = []
    _attempt(name, lambda: found.extend(check()), found)
    return found


def _attempt(name: str, what: Callable[[], T], found: list[Finding]) -> T | None:
    try:
        return what()
    except LongplayError as error:
        found.append(Finding(name, error.message, error.where, error.hint))
    except OSError as error:
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        words = (error.strerror or str(error)).lower()
        found.append(Finding(name, words, place, "check the path and its permissions"))
    return None


def _versions() -> Iterator[Finding]:
    here = tuple(int(part) for part in platform.python_version_tuple()[:2])
    if not PYTHONS[0] <= here <= PYTHONS[1]:
        yield Finding(
            "versions",
            f"Python {platform.python_version()} is not one it was made for",
            remedy="use Python 3.11 to 3.13",
        )
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Finding(
            "versions",
            f"SQLite {sqlite3.sqlite_version} is too old",
            remedy="use a Python with SQLite 3.35 or newer",
        )


def _password(folder: Path, address: sa.URL) -> Iterator[Finding]:
    path = folder / settings_room.SETTINGS_FILE
    if address.password and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding(
            "settings",
            "others can read the ledger's password",
            str(path),
            f"chmod 600 {path}, or move the password to ~/.pgpass",
        )


def _sources(settings: Settings) -> Iterator[Finding]:
    for source in settings.sources:
        if source.kind == "folder" and not Path(source.location).is_dir():
            yield Finding(
                "sources",
                f"the folder of source {source.name} is not there",
                source.location,
                "mount it; what is due of it fails until then",
            )


def _keys(settings: Settings) -> Iterator[Finding]:
    folder = archives.key_folder(settings)
    if not folder.is_dir():
        yield Finding(
            "keys",
            "no secret keys are on this machine",
            str(folder),
            "none are needed but to sign feeds",
            todo=False,
        )
        return
    for path in (path for path in folder.rglob("*") if path.is_file() or path.is_dir()):
        secret = path.is_dir() or path.suffix == ".key"
        if secret and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(
                "keys",
                "others can read it, and it is secret",
                str(path),
                f"chmod {'700' if path.is_dir() else '600'} {path}",
            )


def _ledger_file(address: sa.URL) -> Iterator[Finding]:
    path = Path(address.database or "")
    if address.get_backend_name() != "sqlite" or not path.is_file():
        return
    wal = path.with_name(f"{path.name}-wal")
    if wal.is_file() and wal.stat().st_size > WAL_BYTES:
        yield Finding(
            "ledger file",
            f"its write-ahead log has {wal.stat().st_size:,} bytes",
            str(wal),
            "restart what keeps it open: serve, seed, status --watch",
        )
    try:
        words = _quick_check(path)
    except sqlite3.OperationalError as error:  # locked, or not to be read: which is no damage
        yield Finding(
            "ledger file",
            f"cannot be checked: {error}",
            str(path),
            "check its permissions, and who else has it open",
        )
        return
    if words is not None:
        yield Finding(
            "ledger file",
            f"is damaged: {words}",
            str(path),
            "run `longplay rebuild`, which makes it again from the evidence",
        )


def _quick_check(path: Path) -> str | None:
    """What SQLite finds wrong with a file, as far as it gets in CHECK_SECONDS. Raises
    sqlite3.OperationalError where it cannot look."""
    end = clock.monotonic() + CHECK_SECONDS
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as raw:
            raw.set_progress_handler(lambda: clock.monotonic() > end, 100_000)
            found = [str(row[0]) for row in raw.execute("PRAGMA quick_check(1)")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == ["ok"] else found[0]
