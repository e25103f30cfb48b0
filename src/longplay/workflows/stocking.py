"""Plans and releases beside objects that lie in a bucket: put there before the ledger names them,
and brought to a machine that lacks them. Beside a folder of objects nothing is done."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from longplay.archive import Archive
from longplay.ledger import tables
from longplay.release.cut import DOCUMENT
from longplay.vault.objects import ObjectStore
from longplay.vault.shelves import Shelf


def keep_plan(archive: Archive, plan: str) -> None:
    """Put a plan's file into the bucket."""
    shelf = Shelf(archive.plans, archive.store)
    shelf.settle(shelf.upload([f"{plan}.parquet"]))


def bring_plan(archive: Archive, plan: str) -> None:
    """Bring a plan's file from the bucket, if it is not here."""
    shelf = Shelf(archive.plans, archive.store)
    if shelf.is_remote:
        shelf.fetch([f"{plan}.parquet"])


def keep_releases(archive: Archive, names: Iterable[str]) -> None:
    """Put all files of releases into the bucket."""
    _keep_releases(archive, archive.store, names)


def _keep_releases(archive: Archive, store: ObjectStore, names: Iterable[str]) -> None:
    for name in names:
        shelf = _release(archive, name, store)
        if shelf.is_remote:
            files = sorted(path.name for path in shelf.folder.iterdir() if path.is_file())
            shelf.settle(shelf.upload(files))


def bring_releases(archive: Archive) -> None:
    """Bring the releases that the ledger names and that are not here; the file by which one is
    known comes last."""
    if not Shelf(archive.releases, archive.store).is_remote:
        return
    with archive.ledger.read() as connection:
        names = list(connection.scalars(sa.select(tables.releases.c.name)))
    for name in names:
        shelf = _release(archive, name, archive.store)
        if not (shelf.folder / DOCUMENT).is_file():
            shelf.fetch(sorted(shelf.names() - {DOCUMENT}))
            shelf.fetch([DOCUMENT])


def bring_all(archive: Archive, target: ObjectStore) -> None:
    """Put every plan and release that the ledger names into another store: those that are here, and
    those in the archive's bucket, which come here. With a folder as the target, that is all."""
    with archive.ledger.read() as connection:
        plans = list(connection.scalars(sa.select(tables.plans.c.id)))
        releases = list(connection.scalars(sa.select(tables.releases.c.name)))
    bring_releases(archive)
    old, new = Shelf(archive.plans, archive.store), Shelf(archive.plans, target)
    there = old.names()
    files = [f"{plan}.parquet" for plan in plans if f"{plan}.parquet" in there]
    old.fetch(files)
    new.settle(new.upload(files))
    _keep_releases(archive, target, releases)


def _release(archive: Archive, name: str, store: ObjectStore) -> Shelf:
    folder = archive.releases / name
    return Shelf(folder, store, f"{archive.releases.name}/{name}")
