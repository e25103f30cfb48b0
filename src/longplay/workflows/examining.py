"""What `doctor` looks at in an opened archive, and what it finds: samples and bounds."""

from __future__ import annotations

import os
import platform
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue.snapshot import open_current
from longplay.errors import LongplayError, StoreError
from longplay.files import TEMPORARY, free, nearest
from longplay.identify import index
from longplay.identify.opening import remake
from longplay.ledger import activity, log, queries, tables, tally
from longplay.ledger.columns import by_root
from longplay.ledger.leases import FREE
from longplay.model import ObjectKey
from longplay.torrent.merkle import ObjectHasher
from longplay.vault import uploads
from longplay.vault.s3store import S3Store
from longplay.workflows import indexing, verifying

SAMPLE_OBJECTS = 100
"""Objects looked for in the store."""

SAMPLE_BYTES = 64 * 2**20
"""Of these, so many bytes are read and hashed."""

SHARD_BYTES = 2**29
"""Of each fingerprint index, so many bytes are read and hashed, a third of a second: never a shard
that has more, as full ones have."""

PIECE = 1 << 18
"""Length of the pieces that are hashed beside, of which nothing is used."""

CHAIN_ENTRIES = 1000
"""Newest entries of the log that are walked."""

COUNTED_ROWS = 500_000
"""Objects up to which the ledger's totals are counted anew."""

SPARE_BYTES = 2 * 10**9
"""Free space below which the next hours are in danger, whatever the plan wants."""

SKEW = timedelta(seconds=10)
"""By how much clocks of machines may differ."""

OLD = timedelta(hours=1)
"""Temporary files younger than this may be somebody's work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one part: `todo` when somebody should do something about it."""

    check: str
    what: str
    where: str = ""
    remedy: str = ""
    todo: bool = True


Check = Callable[[Archive], Iterable[Finding]]


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
            yield Finding(
                "totals",
                f"were not counted anew: there are more than {COUNTED_ROWS:,} objects",
                "ledger",
                "`longplay rebuild --ledger` counts them",
                todo=False,
            )
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
    if isinstance(archive.store, S3Store):
        for path in archive.store.strangers():
            yield Finding(
                "store",
                "lies among the notes of arrivals, and is none",
                path,
                "whoever put it there should remove it",
            )
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
    """Write a file where arrivals are made, and into a bucket a note, which a sweep removes if we
    do not come to it."""
    store = archive.store
    store.prepare()
    with tempfile.TemporaryFile(dir=store.staging) as probe:
        probe.write(b"probe")
        probe.flush()
    if isinstance(store, S3Store):
        store.settle([store.note([])])


def _prove(archive: Archive, key: ObjectKey, suffix: str) -> None:
    hasher = ObjectHasher(PIECE)
    with archive.store.open(key, suffix) as source:
        while data := source.read(1 << 20):
            hasher.update(data)
    if hasher.finish().key != key:
        raise StoreError("is not what its name says")


def _sample(archive: Archive) -> list[tuple[ObjectKey, str]]:
    """Objects from anywhere among the roots."""
    o = tables.objects.c
    start = os.urandom(32)
    query = sa.select(o.root, o.size, o.suffix).order_by(by_root(o.root)).limit(SAMPLE_OBJECTS)
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


def _catalogue(archive: Archive) -> Iterable[Finding]:
    open_current(archive.catalogue)
    return ()


def _disk(archive: Archive) -> Iterator[Finding]:
    spool, left = archive.store.spool, free(archive.store.spool)
    folders = [spool]
    if nearest(spool).stat().st_dev != archive.folder.stat().st_dev:
        folders.append(archive.folder)
    for folder in folders:
        if free(folder) < SPARE_BYTES:
            yield Finding(
                "disk",
                f"only {free(folder):,} bytes are free",
                str(folder),
                "free some space: captures stop when it is full",
            )
    with archive.ledger.read() as connection:
        plan, held = queries.latest_plan(connection), tally.read(connection)
    wanted = int(plan["bytes"] - held.get(tally.BYTES, 0)) if plan else 0
    if wanted > left and not isinstance(archive.store, S3Store):
        yield Finding(
            "disk",
            f"the plan wants up to {wanted:,} bytes more, {left:,} are free",
            str(spool),
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
    _, unreachable = verifying.reachable(archive)
    for name, error in unreachable.items():
        yield Finding("replicas", error.message, name, error.hint)


def _index(archive: Archive) -> Iterator[Finding]:
    """Both fingerprint indexes have the shards that they name, some of them byte by byte."""
    for whole in (False, True):
        folder = indexing.folder_of(archive, whole=whole)
        manifest = _whole(folder)
        room = SHARD_BYTES
        some = []
        for one in random.sample(manifest.shards, len(manifest.shards)):
            if one.bytes <= room:
                some.append(one)
                room -= one.bytes
        for name in index.rotten(folder, some):
            if name not in {one.name for one in index.load(folder).shards}:
                continue  # it was merged while it was read
            path = folder / name
            remedy = f"make the index anew with `{remake(path)}`"
            yield Finding("index", "has other bytes than were written", str(path), remedy)


def _whole(folder: Path) -> index.Manifest:
    """What an index names, all of which is there. Shards that are merged while they are looked for
    are not missing. Raises StoreError."""
    while True:
        manifest = index.load(folder)
        try:
            index.open_shards(folder, manifest)
            return manifest
        except StoreError:
            if index.load(folder) == manifest:
                raise


CHECKS: dict[str, Check] = {
    "log": _log,
    "totals": _totals,
    "catalogue": _catalogue,
    "store": _store,
    "evidence": _evidence,
    "index": _index,
    "disk": _disk,
    "work": _work,
    "leftovers": _leftovers,
    "uploads": _uploads,
    "replicas": _replicas,
}
"""What is examined once the archive is open, in this order."""
