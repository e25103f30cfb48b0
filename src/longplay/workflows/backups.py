"""`backup`: what nothing else can give back, copied while the archive is in use, and proved.

A backup is a folder laid out as the archive is: settings, ledger, accounts, the list of the
catalogue's snapshots, public keys, release documents. `backup.json` is written last and names
every file. Secret keys, objects, evidence and layers are not in it: docs/backup.md says how those
are kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from longplay import archive as archives
from longplay import clock
from longplay import settings as settings_room
from longplay.archive import Archive
from longplay.errors import ArchiveError, InputError, LedgerError
from longplay.files import (
    TEMPORARY,
    inside,
    read_bounded,
    require_free,
    sync_folder,
    write_durably,
    write_json,
    writer_lock,
)
from longplay.ledger import database, log, portable
from longplay.ledger.log import LogState
from longplay.settings import SETTINGS_FILE
from longplay.workflows import followed, marked_copies

DOCUMENT = "backup.json"

VERSION = 1
"""Version of a backup's form."""

STALE = ("-wal", "-shm", "-journal")
"""Endings of what lies beside a SQLite file that is in use, or whose user was killed."""

DUMP = "ledger"
"""The folder of a backup that has the tables of a ledger in a database server."""

MAX_DOCUMENT_BYTES = 64 * 2**20
"""Of `backup.json`: some 200 bytes for each release and snapshot."""

SPARE_BYTES = 64 * 2**20
"""Room wanted beside the ledger's own size."""


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup: its folder, the ledger's rows and log entries in it, its files and their bytes."""

    folder: str
    rows: int
    entries: int
    files: int
    bytes: int


def backup(
    archive: Archive, destination: Path, *, progress: Callable[[int, int, str], None]
) -> BackedUp:
    """Write a backup below `destination`, in a folder of its own named by the time.

    It appears whole, read back and compared; one that was cut short is removed by the next. Raises
    InputError for a place inside the archive, LedgerError when the ledger is damaged.
    """
    if destination.resolve().is_relative_to(archive.folder.resolve()):
        raise InputError(
            "lies inside the archive that it shall outlive",
            where=str(destination),
            hint="name a folder elsewhere, best on another disk",
        )
    destination.mkdir(parents=True, exist_ok=True)
    with writer_lock(destination / "backup.lock", "backup"):
        for stray in destination.glob(f"*{TEMPORARY}"):
            shutil.rmtree(stray, ignore_errors=True)
        time = clock.timestamp()
        place = destination / time.replace(":", "-")
        temporary = destination / f"{place.name}{TEMPORARY}"
        temporary.mkdir()
        try:
            done = _write(archive, temporary, time, progress)
            temporary.rename(place)
            sync_folder(destination)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    rows = sum(done["tables"].values())
    size = sum(file["bytes"] for file in done["files"])
    return BackedUp(str(place), rows, done["log"]["entries"], len(done["files"]), size)


def put_back(folder: Path, source: Path) -> list[str]:
    """Give an archive's folder what it lacks of a backup; returns the names of what was put back.

    Nothing that is there is touched. The tables of a ledger in a database server are loaded into it
    when it is empty. Raises InputError when the backup is damaged, ArchiveError for a newer one.
    """
    document = read(source)
    done = []
    for file in document["files"]:
        relative = str(file["path"])
        place = inside(folder, os.fsencode(relative))
        if relative.startswith(f"{DUMP}/") or place.exists():
            continue
        for ending in STALE:  # what the lost file's write-ahead log has would spoil another's pages
            stray = place.with_name(f"{place.name}{ending}")
            if stray.exists():
                stray.rename(f"{stray}.stale")
        write_durably(place, inside(source, os.fsencode(relative)).read_bytes())
        done.append(relative)
    if (source / DUMP).is_dir() and _load(folder, source / DUMP):
        done.append(DUMP)
    return done


def read(source: Path) -> dict[str, Any]:
    """A backup's document, after every file was read and is what it says. Raises InputError,
    ArchiveError."""
    text = read_bounded(source / DOCUMENT, MAX_DOCUMENT_BYTES)
    try:
        document = json.loads(text)
        version = int(document["version"])
        digests = {str(file["path"]): str(file["sha256"]) for file in document["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("is no backup", where=str(source / DOCUMENT)) from error
    if version > VERSION:
        raise ArchiveError(
            f"was made by a newer Longplay (backup version {version})",
            where=str(source),
            hint="install that version",
        )
    for name, digest in digests.items():
        path = inside(source, os.fsencode(name))
        if not path.is_file() or _digest(path) != digest:
            raise InputError(
                "is missing or damaged", where=str(path), hint="take another backup's files"
            )
    return dict(document)


def _write(
    archive: Archive, target: Path, time: str, progress: Callable[[int, int, str], None]
) -> dict[str, Any]:
    facts = _ledger(archive, target)
    _people(archive.folder, target)
    names = sorted(_documents(archive.folder))
    for number, name in enumerate(names):
        progress(number, len(names), name)
        try:
            data = (archive.folder / name).read_bytes()
        except FileNotFoundError:
            continue  # pruned meanwhile
        write_durably(target / name, data)
    paths = sorted(path for path in target.rglob("*") if path.is_file())
    document = {
        "version": VERSION,
        "time": time,
        "archive": archive.settings.name,
        **facts,
        "files": [
            {
                "path": path.relative_to(target).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": _digest(path),
            }
            for path in paths
        ],
    }
    write_json(target / DOCUMENT, document)
    return read(target)


def _ledger(archive: Archive, target: Path) -> dict[str, Any]:
    """Copy the ledger, look into the copy, and tell what it has."""
    if archive.ledger.is_sqlite:
        counts, chain = _sqlite(archive, target)
    else:
        (target / DUMP).mkdir()
        with archive.ledger.read() as connection:
            written = portable.dump(connection, target / DUMP)
            counts, chain = portable.state(connection)
        if written != counts:
            raise LedgerError("not every row was written", where=str(target), hint="run it again")
    if not chain.ok:
        raise LedgerError(
            f"the log is broken at entry {chain.broken_at}: a backup would hide that",
            hint="see `longplay verify`",
        )
    return {"tables": counts, "log": {"entries": chain.entries}}


def _sqlite(archive: Archive, target: Path) -> tuple[dict[str, int], LogState]:
    """Copy a SQLite ledger to where it lies in the archive, or to its name if that is elsewhere."""
    home = archive.folder.resolve()
    source = Path(str(database.resolve(archive.settings.ledger, home).database))
    require_free(target, source.stat().st_size + SPARE_BYTES)
    place = target / (source.relative_to(home) if source.is_relative_to(home) else source.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    portable.copy_sqlite(source, place)
    copy = database.connect(sa.URL.create("sqlite", database=str(place.resolve())))
    try:
        with copy.read() as connection:
            return portable.state(connection)
    finally:
        copy.close()
        for ending in STALE:  # so that the copy is one file again
            place.with_name(f"{place.name}{ending}").unlink(missing_ok=True)


def _people(folder: Path, target: Path) -> None:
    """Copy accounts, and what listeners keep, where there are any."""
    source = folder / archives.PEOPLE
    if source.is_file():
        require_free(target, source.stat().st_size + SPARE_BYTES)
        portable.copy_sqlite(source, target / source.name)
        (target / source.name).chmod(0o600)


def _documents(folder: Path) -> Iterator[str]:
    """Settings, the list of snapshots, public keys, what releases and feeds say of themselves, who
    got marked copies, what is decided about whom, and what a mirror follows: without that it would
    be an archive that anybody may roll back."""
    yield SETTINGS_FILE
    patterns = (
        followed.MIRROR,
        followed.REMEMBERED,
        marked_copies.RECIPIENTS,
        "catalogue/current",
        "catalogue/snapshots/*.json",
        f"{archives.KEYS}/*",
        "guard/decisions.json",
        "guard/salt",
        "guard/appeals/*.json",
        "releases/*.json",
        "releases/*.minisig",
        "releases/*.pub",
        "releases/*/release.json",
    )
    for pattern in patterns:
        yield from (
            path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file()
        )


def _load(folder: Path, source: Path) -> bool:
    """Load a dump into the ledger of the settings, if that is empty."""
    url = settings_room.load(folder).ledger
    ledger = database.create(url, folder)
    try:
        with ledger.write() as connection:
            empty = log.head(connection) == 0
            if empty:
                portable.load(connection, source)
        return empty
    finally:
        ledger.close()


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
