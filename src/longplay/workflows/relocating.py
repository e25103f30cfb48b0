"""`move-objects`: every object in another store, each proved on its way, and the settings with it.

Objects are proved by their merkle root as they are read, evidence by the digest that the ledger
has. What lies in the new store with the right size was brought by an earlier attempt, whole, and is
not brought again. The old store is read only; it stays as it was.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from longplay import archive as archives
from longplay import clock
from longplay.archive import Archive, open_archive
from longplay.capture import places
from longplay.capture.places import set_aside_name
from longplay.capture.tidying import sweep_store
from longplay.errors import LockedError, StoreError, UsageError
from longplay.files import TEMPORARY
from longplay.ledger import log, moving, queries, tables
from longplay.model import ObjectKey
from longplay.vault import fixity
from longplay.vault.bucket import SCHEME
from longplay.vault.objects import OBJECTS, Arrival, ObjectStore
from longplay.vault.shelves import Shelf
from longplay.vault.store import FolderStore
from longplay.vault.whole import whole
from longplay.workflows import stocking
from longplay.workflows.capturing import Progress

BATCH = 64
"""Objects that are put into the new store together."""

AT_ONCE = 8
"""Objects that are read beside each other."""

COPY_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Relocated:
    """A move of objects. `copied` objects of `bytes` were brought now, `held` were there before;
    `files` of evidence and quarantine went with them. `unsound` objects are not whole in the old
    store: while there are any, the settings stay as they were. `already` says that they named the
    new place before."""

    before: str
    now: str
    already: bool
    objects: int
    copied: int
    bytes: int
    held: int
    files: int
    unsound: tuple[str, ...]
    seconds: float


def move_objects(folder: Path, to: str, *, progress: Progress) -> Relocated:
    """Copy the objects of the archive in `folder` to `to`, a folder or `s3://bucket/prefix`, with
    what lies beside them, and make the settings name it.

    Raises LockedError while a capture runs, UsageError for a place that cannot be one, StoreError
    when a store cannot be reached.
    """
    started = clock.monotonic()
    with open_archive(folder) as archive, places.sharing(archive.evidence) as sharing:
        if not sharing.alone():
            raise LockedError(
                "a capture or another long reader is at work",
                where=str(folder / places.LOCK),
                hint="wait for it, or stop it",
            )
        before = archive.settings.objects
        with archive.ledger.read() as connection:
            count, _ = queries.count_objects(connection)
        if _same(folder, before, to):
            return Relocated(before, to, True, count, 0, 0, count, 0, (), 0.0)
        _check(archive, to)
        _refuse_captures(archive)
        target = archives.open_store(folder, archive.settings.model_copy(update={"objects": to}))
        target.prepare()
        sweep_store(replace(archive.places, store=target))
        tally = _Tally(archive.store, target)
        for number in tally.move(_stored(archive)):
            progress(number, count, "objects")
        files = 0
        if not tally.unsound:
            files, first = _bring_shelves(archive, target)
            detail = {"to": to, "objects": count, "copied": tally.copied, "bytes": tally.bytes}
            with archive.ledger.write() as connection:
                log.append(connection, "move", before, detail)
            stocking.bring_all(archive, target)
            # What was written meanwhile, our entry too, has taken the place of what was brought.
            more, named = _bring_shelves(archive, target)
            Shelf(archive.evidence, target).drop(first - named)
            files += more
            _refuse_captures(archive)  # what one brings now would stay in the old store
            archives.set_objects(folder, to)
    return Relocated(
        before,
        to,
        False,
        count,
        tally.copied,
        tally.bytes,
        tally.held,
        files,
        tuple(tally.unsound),
        round(clock.monotonic() - started, 3),
    )


class _Tally:
    """A run from one store to another, and what it did."""

    def __init__(self, source: ObjectStore, target: ObjectStore) -> None:
        self.source, self.target = source, target
        self.copied = self.bytes = self.held = 0
        self.unsound: list[str] = []

    def move(self, objects: Iterator[tuple[ObjectKey, str]]) -> Iterator[int]:
        """Bring objects, a batch at a time; how many are done so far."""
        number = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while batch := list(islice(objects, BATCH)):
                for key, outcome in zip(batch, pool.map(self._bring, batch), strict=True):
                    self._note(key[0], outcome)
                number += len(batch)
                yield number

    def _note(self, key: ObjectKey, outcome: bool | None) -> None:
        if outcome is None:
            self.held += 1
        elif outcome:
            self.copied += 1
            self.bytes += key.size
        else:
            self.unsound.append(key.hex)

    def _bring(self, row: tuple[ObjectKey, str]) -> bool | None:
        """Bring one object; None where it is there, False where it is not whole."""
        key, suffix = row
        if self.target.size(key, suffix) == key.size:
            return None
        with whole(self.source, key, suffix) as path:
            if path is None:
                return False
            with _own(path, self.target) as mine:
                arrival: Arrival = (mine, key, suffix)
                self.target.settle(self.target.admit([arrival]))
        return True


@contextmanager
def _own(path: Path, target: ObjectStore) -> Iterator[Path]:
    """A file that the target may take: a folder moves what it is given, so it gets a copy."""
    if not isinstance(target, FolderStore):
        yield path
        return
    descriptor, name = tempfile.mkstemp(prefix="moved-", suffix=TEMPORARY, dir=target.staging)
    copy = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out, path.open("rb") as source:
            shutil.copyfileobj(source, out, COPY_BYTES)
            out.flush()
            os.fsync(out.fileno())
        copy.chmod(0o644)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _refuse_captures(archive: Archive) -> None:
    with archive.ledger.read() as connection:
        moving.refuse_captures(connection)


def _stored(archive: Archive) -> Iterator[tuple[ObjectKey, str]]:
    with archive.ledger.read() as connection:
        yield from queries.stored(connection)


def _bring_shelves(archive: Archive, target: ObjectStore) -> tuple[int, set[str]]:
    """Bring evidence and what is in quarantine, each file proved; how many were brought, and the
    names of all the evidence."""
    e, q = tables.evidence_files.c, tables.quarantine.c
    with archive.ledger.read() as connection:
        facts = connection.execute(sa.select(e.name, e.sha256).order_by(e.name)).all()
        rows = connection.execute(sa.select(q.root, q.size).where(q.root.is_not(None))).all()
    old, new = archive.evidence_files, Shelf(archive.evidence, target)
    count = 0
    for name, digest in facts:
        if not new.is_whole(name, digest):
            if not old.is_whole(name, digest):
                raise _damaged(name)
            _bring_file(old, new, name)
            count += 1
    old, new = archive.quarantined, Shelf(archive.quarantine, target)
    there = new.names()
    for key in sorted({ObjectKey(root, size) for root, size in rows}):
        name = set_aside_name(key)
        if name not in there or not _is_whole(new, name, key):
            if not _is_whole(old, name, key):
                raise _damaged(name)
            _bring_file(old, new, name)
            count += 1
    return count, {name for name, _ in facts}


def _is_whole(shelf: Shelf, name: str, key: ObjectKey) -> bool:
    with shelf.open(name) as source:
        reading = fixity.read_by(partial(_read_at, source), key.size)
    return reading.root == key.root and not reading.longer


def _bring_file(old: Shelf, new: Shelf, name: str) -> None:
    """Bring what was proved in the old store, not what a cache of it has."""
    was_here = (old.folder / name).exists()
    old.uncache([name])
    old.fetch([name])
    new.settle(new.upload([name]))
    if new.is_remote and not was_here:
        (old.folder / name).unlink()


def _read_at(source: BinaryIO, start: int, length: int) -> bytes:
    source.seek(start)
    return source.read(length)


def _damaged(name: str) -> StoreError:
    return StoreError("is damaged or missing", where=name, hint="run `longplay verify --repair`")


def _same(folder: Path, before: str, to: str) -> bool:
    one, other = (
        place.rstrip("/") if place.startswith(SCHEME) else str((folder / place).resolve())
        for place in (before, to)
    )
    return one == other


def _check(archive: Archive, to: str) -> None:
    """Raise UsageError for a place that the archive itself needs for something else."""
    if not to.strip():
        raise UsageError("name the folder or the bucket", hint="e.g. s3://bucket/prefix")
    if to.startswith(SCHEME):
        return
    place = (archive.folder / to).resolve()
    home = archive.folder.resolve()
    others = [home / name for name in archives.OWN_NAMES | {archive.listings.name}]
    within = any(place.is_relative_to(one) for one in others) and place != home / OBJECTS
    if not archive.settings.objects.startswith(SCHEME):
        # A store in a store would be taken for rubbish in it, and swept.
        now = (archive.folder / archive.settings.objects).resolve()
        within = within or place.is_relative_to(now) or now.is_relative_to(place)
    if "://" in to or home.is_relative_to(place) or within:
        raise UsageError(
            "cannot be where objects lie",
            where=to,
            hint="name a folder of its own, or s3://bucket/prefix",
        )
