"""`catalogue prune`: which snapshots are still needed is known here, what goes is `prune`'s."""

from __future__ import annotations

from longplay.archive import Archive
from longplay.catalogue import prune
from longplay.ledger import queries
from longplay.planning import table


def prune_catalogue(archive: Archive, *, keep: int) -> prune.Pruned:
    """Remove old snapshots; the newest plan's stays, and those that somebody is reading.

    Releases hold copies of what they need of the catalogue, and older plans are not carried out.
    """
    return prune.prune(archive.catalogue, keep=keep, needed=_planned(archive))


def _planned(archive: Archive) -> set[int]:
    with archive.ledger.read() as connection:
        newest = queries.latest_plan(connection)
    path = archive.plans / f"{newest['plan']}.parquet" if newest else None
    if path is None or not path.is_file():
        return set()
    number = table.read_plan(path).snapshot
    return {int(number)} if number.isdigit() else set()
