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
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from longplay import archive as archives
from longplay import clock
from longplay import settings as settings_room
from longplay.archive import Archive
from longplay.catalogue.snapshot import open_current
from longplay.errors import LongplayError, StoreError
from longplay.files import TEMPORARY
from longplay.ledger import activity, database, log, queries, tables, tally
from longplay.ledger.leases import FREE
from longplay.model import ObjectKey
from longplay.settings import Settings
from longplay.torrent.merkle import ObjectHasher
from longplay.vault import uploads
from longplay.vault.objects import OBJECTS
from longplay.vault.s3store import S3Store
from longplay.workflows.status import disk_free

SAMPLE_OBJECTS = 100
"""Objects looked for in the store."""

SAMPLE_BYTES = 64 * 2**20
"""Of these, so many bytes are read and hashed."""

PIECE = 1 << 18
"""Length of the pieces that are hashed beside, of which nothing is used."""

CHECK_SECONDS = 20.0
"""For SQLite's own check of the ledger, which reads all of it; a longer one has no verdict."""

CHAIN_ENTRIES = 1000
"""Newest entries of the log that are walked."""

COUNTED_ROWS = 500_000
"""Objects up to which the ledger's totals are counted anew."""

WAL_BYTES = 2**30
"""A write-ahead log above this is held open by some reader, and slows everything down."""

SPARE_BYTES = 2 * 10**9
"""Free space below which the next hours are in danger, whatever the plan wants."""

SKEW = timedelta(seconds=10)
"""By how much clocks of machines may differ."""

OLD = timedelta(hours=1)
"""Temporary files younger than this may be somebody's work."""

OLDEST_SQLITE = (3, 35, 0)
"""The first that has RETURNING."""

PYTHONS = ((3, 11), (3, 13))

LIBRARIES = ("av", "duckdb", "libtorrent", "numpy", "obstore", "psycopg", "pyarrow", "sqlalchemy")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one part: `todo` when somebody should do something about it."""

    check: str
    what: str
    where: str = ""
    remedy: str = ""
    todo: bool = True


@dataclass(frozen=True, slots=True)
class Health:
    """All findings, which checks were made, and the versions of what the archive runs on."""

    healthy: bool
    findings: tuple[Finding, ...]
    checks: tuple[str, ...]
    versions: dict[str, str]


Check = Callable[[Archive], Iterator[Finding]]
T = TypeVar("T")


def examine(folder: Path, *, progress: Callable[[int, int, str], None]) -> Health:
    """Examine the archive in `folder`, as far as it can be opened."""
    found = list(_versions())
    made = ["versions"]
    settings = _attempt("settings", lambda: settings_room.load(folder), found)
    made.append("settings")
    if settings is not None:
        found += _settings(folder, settings)
        found += _guarded("keys", lambda: _keys(settings))
        found += _guarded("ledger file", lambda: _ledger_file(folder, settings))
        made += ["keys", "ledger file"]
        archive = _attempt("ledger", lambda: archives.open_archive(folder), found)
        made.append("ledger")
        if archive is not None:
            with archive:
                for number, (name, check) in enumerate(CHECKS.items()):
                    progress(number, len(CHECKS), name)
                    found += _guarded(name, partial(check, archive))
                    made.append(name)
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    versions |= {name: metadata.version(name) for name in LIBRARIES}
    return Health(not any(one.todo for one in found), tuple(found), tuple(made), versions)


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
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


# What needs no open archive


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


def _settings(folder: Path, settings: Settings) -> Iterator[Finding]:
    path = folder / settings_room.SETTINGS_FILE
    address = database.resolve(settings.ledger, folder)
    if address.password and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield Finding(
            "settings",
            "others can read the ledger's password",
            str(path),
            f"chmod 600 {path}, or move the password to ~/.pgpass",
        )
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


def _ledger_file(folder: Path, settings: Settings) -> Iterator[Finding]:
    address = database.resolve(settings.ledger, folder)
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
    words = _quick_check(path)
    if words is not None:
        yield Finding(
            "ledger file",
            f"is damaged: {words}",
            str(path),
            "run `longplay rebuild`, which makes it again from the evidence",
        )


def _quick_check(path: Path) -> str | None:
    """What SQLite finds wrong with a file, as far as it gets in CHECK_SECONDS."""
    end = clock.monotonic() + CHECK_SECONDS
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as raw:
            raw.set_progress_handler(lambda: clock.monotonic() > end, 100_000)
            found = [str(row[0]) for row in raw.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        if "interrupted" in str(error):
            return None
        return str(error)
    return None if found == ["ok"] else found[0]


# What needs one


def _log(archive: Archive) -> Iterator[Finding]:
    """The newest stretch of the log follows, and lies in the past."""
    entry = tables.log
    with archive.ledger.read() as connection:
        newest = entry.c.number.desc()
        rows = connection.execute(sa.select(entry).order_by(newest).limit(CHAIN_ENTRIES))
        chain = [row._mapping for row in rows][::-1]
    for before, row in zip([None, *chain], chain, strict=False):
        follows = before is None or row["previous"] == before["hash"]
        if not follows or log.entry_hash(row) != row["hash"]:
            yield Finding(
                "log",
                f"entry {row['number']} does not follow from the one before",
                "ledger",
                "run `longplay verify`, then restore a backup",
            )
            return
    ahead = datetime.fromisoformat(chain[-1]["time"]) - clock.now() if chain else timedelta()
    if ahead > SKEW:
        yield Finding(
            "clock",
            f"the newest entry of the log is {ahead} ahead of this clock",
            platform.node(),
            "set the clock (NTP) before anything else is written",
        )


def _totals(archive: Archive) -> Iterator[Finding]:
    with archive.ledger.read() as connection:
        kept = tally.read(connection)
        if kept.get(tally.OBJECTS, 0) > COUNTED_ROWS:
            return
        counted = tally.counted(connection)
    for name, value in counted.items():
        if kept.get(name, 0) != value:
            yield Finding(
                "totals",
                f"`status` says {int(kept.get(name, 0)):,} {name}, there are {int(value):,}",
                "ledger",
                "run `longplay rebuild --ledger`",
            )


def _store(archive: Archive) -> Iterator[Finding]:
    """The store can be written, and a sample of the objects is there under its names."""
    _probe(archive)
    hashed = 0
    for key, suffix in _sample(archive):
        try:
            size = archive.store.size(key, suffix)
            if size is None:
                raise StoreError("is not there")
            if size != key.size:
                raise StoreError("has another length than it had")
            if hashed + key.size <= SAMPLE_BYTES:
                hashed += key.size
                _prove(archive, key, suffix)
        except LongplayError as error:
            place = archive.store.place(key, suffix)
            yield Finding("store", error.message, place, "run `longplay verify --repair`")


def _probe(archive: Archive) -> None:
    """Write a file into the store, and remove it."""
    store = archive.store
    store.prepare()
    with tempfile.NamedTemporaryFile(dir=store.staging, prefix="doctor-") as probe:
        probe.write(b"probe")
        probe.flush()
        if _is_remote(archive):
            path = Path(probe.name)
            there = f"incoming/{path.name}"
            store.settle([*store.admit([], [(path, there)]), there])


def _prove(archive: Archive, key: ObjectKey, suffix: str) -> None:
    hasher = ObjectHasher(PIECE)
    with archive.store.open(key, suffix) as source:
        while data := source.read(1 << 20):
            hasher.update(data)
    if hasher.finish().key != key:
        raise StoreError("is not what its name says")


def _is_remote(archive: Archive) -> bool:
    return archive.store.local(ObjectKey(bytes(32), 0), "") is None


def _sample(archive: Archive) -> list[tuple[ObjectKey, str]]:
    """Objects from anywhere among the roots."""
    o = tables.objects.c
    start = os.urandom(32)
    query = sa.select(o.root, o.size, o.suffix).order_by(o.root).limit(SAMPLE_OBJECTS)
    with archive.ledger.read() as connection:
        rows = connection.execute(query.where(o.root >= start)).all()
        rows = [*rows, *connection.execute(query.where(o.root < start))][:SAMPLE_OBJECTS]
    return [(ObjectKey(row.root, row.size), row.suffix) for row in rows]


def _evidence(archive: Archive) -> Iterator[Finding]:
    e = tables.evidence_files.c
    with archive.ledger.read() as connection:
        rows = connection.execute(sa.select(e.name, e.bytes)).all()
    shelf = archive.evidence_files
    there = shelf.names() if shelf.is_remote else set()
    for name, size in rows:
        path = archive.evidence / name
        found = name in there if shelf.is_remote else _has_size(path, size)
        if not found:
            yield Finding(
                "evidence",
                "is missing or damaged",
                shelf.path(name) if shelf.is_remote else str(path),
                "run `longplay verify --repair`, or bring it back from a copy",
            )


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _catalogue(archive: Archive) -> Iterator[Finding]:
    open_current(archive.catalogue)
    yield from ()


def _disk(archive: Archive) -> Iterator[Finding]:
    free = disk_free(archive)
    if free < SPARE_BYTES:
        yield Finding(
            "disk",
            f"only {free:,} bytes are free",
            str(archive.folder),
            "free some space: captures stop when it is full",
        )
    with archive.ledger.read() as connection:
        plan, held = queries.latest_plan(connection), tally.read(connection)
    wanted = int(plan["bytes"] - held.get(tally.BYTES, 0)) if plan else 0
    if wanted > free and not _is_remote(archive):
        yield Finding(
            "disk",
            f"the plan wants up to {wanted:,} bytes more, {free:,} are free",
            str(archive.folder),
            "add space, or plan within a budget: longplay plan --budget SIZE",
        )


def _work(archive: Archive) -> Iterator[Finding]:
    """What captures left behind, and what they cannot get."""
    with archive.ledger.read() as connection:
        workers, hosts = activity.workers(connection), activity.hosts(connection)
        refused = queries.count(connection, tables.quarantine)
    left = [one for one in workers if not one.alive and one.expires != FREE]
    if left:
        yield Finding(
            "leases",
            f"{len(left)} ranges were left by captures that ended",
            ", ".join(sorted({one.holder for one in left}))[:200],
            "the next `longplay capture` goes on with them",
            todo=False,
        )
    for host in hosts:
        if host.postponed:
            yield Finding(
                "hosts",
                f"{host.postponed:,} files wait: {host.reason}",
                host.host,
                f"they are tried again by a capture from {host.until} on",
                todo=False,
            )
    if refused:
        yield Finding(
            "quarantine",
            f"{refused:,} files could not be kept",
            str(archive.quarantine),
            "see `longplay status --watch` for why",
            todo=False,
        )


def _leftovers(archive: Archive) -> Iterator[Finding]:
    """Temporary files that nobody writes any more."""
    before = (clock.now() - OLD).timestamp()
    folders = (
        archive.folder,
        archive.catalogue,
        archive.evidence,
        archive.plans,
        archive.quarantine,
        archive.store.staging,
    )
    for folder in folders:
        old = [
            path
            for path in (folder.iterdir() if folder.is_dir() else ())
            if path.is_file()
            and (path.name.endswith(TEMPORARY) or folder == archive.store.staging)
            and path.stat().st_mtime < before
        ]
        if old:
            size = sum(path.stat().st_size for path in old)
            yield Finding(
                "leftovers",
                f"{len(old)} temporary files, {size:,} bytes",
                str(folder),
                "remove them, or run `longplay capture`, which sweeps",
                todo=False,
            )


def _uploads(archive: Archive) -> Iterator[Finding]:
    """Uploads in parts that workers left when they died, which the server keeps unseen."""
    store = archive.store
    if not isinstance(store, S3Store):
        return
    try:
        left = uploads.unfinished(store.location)
        uploads.abort(store.location, left)
    except StoreError as error:
        yield Finding("uploads", error.message, error.where, error.hint, todo=False)
        return
    if left:
        yield Finding(
            "uploads",
            f"{len(left)} uploads that nobody would have finished were aborted",
            store.location,
            "nothing more is to be done",
            todo=False,
        )


def _replicas(archive: Archive) -> Iterator[Finding]:
    for store in archive.replicas():
        try:
            store.size(OBJECTS)
        except StoreError as error:
            yield Finding("replicas", error.message, store.name, error.hint)


CHECKS: dict[str, Check] = {
    "log": _log,
    "totals": _totals,
    "catalogue": _catalogue,
    "store": _store,
    "evidence": _evidence,
    "disk": _disk,
    "work": _work,
    "leftovers": _leftovers,
    "uploads": _uploads,
    "replicas": _replicas,
}
"""What is examined once the archive is open, in this order."""
