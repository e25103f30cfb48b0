"""What captures that died left behind goes, and many small evidence files become few large ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import files
from longplay.capture.places import Places, set_aside_name
from longplay.errors import StoreError
from longplay.ledger import record, sweeping, tables
from longplay.model import ObjectKey
from longplay.vault import evidence, standing
from longplay.vault.objects import root_of
from longplay.vault.shelves import Shelf


def sweep(places: Places, wanted: Mapping[bytes, Path] | None = None) -> int:
    """Remove what captures that died left behind; only while no other capture of this machine runs.
    Bytes whose way into the store had begun go back to the spool files that are `wanted`, by root.
    Where the ledger lacks evidence that it names, what it does not name stays
    (`evidence.leftovers`)."""
    return sweep_store(places, wanted) + _sweep_folders(places)


def sweep_store(places: Places, wanted: Mapping[bytes, Path] | None = None) -> int:
    """`sweep`, but for the local folders of evidence and quarantine."""

    def named_suffix(root: bytes) -> str | None:
        query = sa.select(tables.objects.c.suffix).where(tables.objects.c.root == root)
        with places.ledger.read() as connection:
            return connection.scalar(query)

    def keeps(path: str) -> bool:
        shelf, _, name = path.rpartition("/")
        with places.ledger.read() as connection:
            if shelf == places.evidence_files.prefix:
                e = tables.evidence_files.c
                return connection.scalar(sa.select(e.name).where(e.name == name)) is not None
            return shelf != places.quarantined.prefix or _is_aside(connection, name)

    def begin() -> None:
        with places.ledger.write(alone=False) as connection:
            sweeping.begin(connection)

    return places.store.sweep(named_suffix, keeps, begin, wanted)


def _sweep_folders(places: Places) -> int:
    """Remove what no transaction names from evidence and quarantine on this machine; nobody writes
    the ledger meanwhile, so nobody has just written what it is about to name."""
    with places.ledger.write() as connection:
        named = _named_evidence(connection)
        if places.evidence_files.is_remote:
            left: list[Path] | None = [
                path for path in places.evidence.iterdir() if path.name not in named
            ]
        else:
            left = evidence.leftovers(places.evidence, named)
        if left is None:
            return 0
        for path in left:
            path.unlink()
        aside = files.sweep(places.quarantine, _named_aside(connection))
    return len(left) + len(aside)


def _named_evidence(connection: Connection) -> set[str]:
    return set(connection.scalars(sa.select(tables.evidence_files.c.name)))


def _is_aside(connection: Connection, name: str) -> bool:
    root = root_of(name)
    query = sa.select(tables.quarantine.c.size).where(tables.quarantine.c.root == root)
    return root is None or name in {
        set_aside_name(ObjectKey(root, size)) for size in connection.scalars(query)
    }


def _named_aside(connection: Connection) -> set[str]:
    q = tables.quarantine.c
    rows = connection.execute(sa.select(q.root, q.size).where(q.root.is_not(None)))
    return {set_aside_name(ObjectKey(root, size)) for root, size in rows}


def merge_evidence(places: Places) -> None:
    """Make few large evidence files of many small ones, and close the log's last stretch; only
    while no other capture of this machine runs."""
    shelf = places.evidence_files
    standing.close_log(places.ledger, shelf)
    table = tables.evidence_files
    with places.ledger.read() as connection:
        rows = connection.execute(
            sa.select(table.c.name, table.c.kind, table.c.bytes, table.c.sha256)
        ).all()
    digests = {name: digest for name, *_, digest in rows}
    for kind, small in evidence.to_merge(
        [(name, kind, size) for name, kind, size, _ in rows]
    ).items():
        # What rots stays as it is, until `verify` finds it: merged, it would look sound.
        names = [one for one in small if _is_sound(shelf, one, digests[one])]
        if len(names) < evidence.MERGE_COUNT:
            continue
        merged = evidence.merge(places.evidence, kind, names)
        gone = sorted(set(names) - {merged.name})
        notes = shelf.upload([merged.name], gone)
        mine = table.c.name.in_(names)
        with places.ledger.write() as connection:
            there = connection.scalar(sa.select(sa.func.count()).where(mine))
            if there != len(names):
                continue  # another machine has merged them: ours is swept
            connection.execute(table.delete().where(mine))
            record.add_evidence(connection, [merged])
        shelf.drop(gone)
        shelf.settle(notes)


def _is_sound(shelf: Shelf, name: str, digest: bytes) -> bool:
    try:
        (path,) = shelf.fetch([name])
    except StoreError:
        return False
    return evidence.is_whole(path, digest)
