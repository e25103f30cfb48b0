"""`replicate`: the replicas get what they lack; what one holds damaged is written anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy as sa

from longplay.archive import Archive
from longplay.errors import StoreError
from longplay.ledger import copies, record, tables
from longplay.model import ObjectKey
from longplay.vault import evidence, replicas
from longplay.vault.objects import object_path
from longplay.vault.replicas import AT_ONCE, ReplicaStore
from longplay.vault.whole import whole

BATCH = 64
"""Objects that are copied between two transactions."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was done for one replica. `lacking` objects it has no copy of yet; `unsound` are not
    copied because they are damaged here; `failed` says why it could not go on."""

    replica: str
    copied: int
    bytes: int
    held: int
    lacking: int
    unsound: tuple[ObjectKey, ...]
    failed: str


def replicate(archive: Archive, *, limit: int | None, progress: Progress) -> list[Copied]:
    """Bring every replica what it lacks, each up to `limit` bytes; whatever was cut short goes on.

    One that cannot be reached keeps no other from its copies.
    """
    with archive.places.sharing():
        return [_fill(archive, store, limit, progress) for store in archive.replicas()]


def write_again(archive: Archive, store: ReplicaStore, key: ObjectKey, suffix: str) -> bool:
    """Write a replica's copy anew from the archive's own object; False when that is not whole.

    Raises StoreError when the replica cannot be written.
    """
    with whole(archive.store, key, suffix) as path:
        if path is None:
            return False
        store.put(object_path(key, suffix), path)
    return bool(_enter(archive, store, [(key, suffix)]))


def _enter(
    archive: Archive, store: ReplicaStore, made: Sequence[tuple[ObjectKey, str]]
) -> list[ObjectKey]:
    """Enter copies in the ledger. What was forgotten while it was copied goes from the replica
    again: `forget` says so in the ledger first, and may have looked there before it came."""
    with archive.ledger.write() as connection:
        known = record.known_sizes(connection, [key.root for key, _ in made])
        copies.add(connection, store.name, sorted(known))
    for key, suffix in made:
        if key.root not in known:
            store.remove(object_path(key, suffix))
    return [key for key, _ in made if key.root in known]


def _fill(archive: Archive, store: ReplicaStore, limit: int | None, progress: Progress) -> Copied:
    copied = size = 0
    unsound: set[ObjectKey] = set()
    failed = ""
    with archive.ledger.read() as connection:
        total = copies.count_lacking(connection, store.name)
    try:
        while batch := _next(archive, store, unsound, None if limit is None else limit - size):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                done = list(pool.map(lambda row: _copy(archive, store, *row), batch))
            made = [row for row, whole in zip(batch, done, strict=True) if whole]
            unsound |= {key for (key, _), whole in zip(batch, done, strict=True) if not whole}
            good = _enter(archive, store, made)
            copied += len(good)
            size += sum(key.size for key in good)
            progress(copied, total, store.name)
        _bring_evidence(archive, store)
    except StoreError as error:
        failed = str(error)
    with archive.ledger.read() as connection:
        held = copies.count(connection, store.name)
        left = copies.count_lacking(connection, store.name)
    return Copied(store.name, copied, size, held, left, tuple(sorted(unsound)), failed)


def _next(
    archive: Archive, store: ReplicaStore, unsound: set[ObjectKey], left: int | None
) -> list[tuple[ObjectKey, str]]:
    """The next objects that a replica lacks, as far as `left` bytes go."""
    with archive.ledger.read() as connection:
        rows = copies.lacking(connection, store.name, BATCH + len(unsound))
    chosen: list[tuple[ObjectKey, str]] = []
    for key, suffix in rows:
        if key in unsound or len(chosen) == BATCH:
            continue
        if left is not None:
            left -= key.size
            if left < 0:
                break
        chosen.append((key, suffix))
    return chosen


def _copy(archive: Archive, store: ReplicaStore, key: ObjectKey, suffix: str) -> bool:
    """Copy an object that is whole, and is not there already."""
    there = replicas.read_copy(store, key, suffix)
    if there is not None and there.root == key.root and not there.longer:
        return True
    with whole(archive.store, key, suffix) as path:
        if path is None:
            return False
        store.put(object_path(key, suffix), path)
    return True


def _bring_evidence(archive: Archive, store: ReplicaStore) -> None:
    """A replica has the evidence that the ledger names; what neither the ledger names nor the
    archive has goes there, when all that is named is there."""
    with archive.ledger.read() as connection:
        e = tables.evidence_files.c
        named = {row.name: row.sha256 for row in connection.execute(sa.select(e.name, e.sha256))}
    there = set(store.names(replicas.EVIDENCE))
    for name, digest in sorted(named.items()):
        if name not in there and archive.evidence_files.is_whole(name, digest):
            (path,) = archive.evidence_files.fetch([name])
            store.put(replicas.evidence_path(name), path)
    if named.keys() <= set(store.names(replicas.EVIDENCE)):
        here = archive.evidence_files.names()
        for name in sorted(there - named.keys() - here):
            if evidence.NAME.fullmatch(name):
                store.remove(replicas.evidence_path(name))
