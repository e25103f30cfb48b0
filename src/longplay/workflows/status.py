"""`status`: what is held, due, published, and how much of listening that preserves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.archive import Archive
from longplay.ledger import queries, tables
from longplay.workflows import planning, rights, shares


@dataclass(frozen=True, slots=True)
class Status:
    """The figures of `status --json`; `due` counts what the plan lists and nobody holds yet."""

    objects: int
    bytes: int
    recordings: int
    due: int
    quarantined: int
    share_of_listens: float
    releases: int
    by_access_class: dict[str, int]


def status(archive: Archive) -> Status:
    """Gather the figures."""
    with archive.ledger.read() as connection:
        objects, size = queries.count_objects(connection)
        held = queries.held_recordings(connection)
        quarantined = queries.count(connection, tables.quarantine)
        releases = queries.count(connection, tables.releases)
        plan = queries.latest_plan(connection)
    due = planning.count_due(archive) if plan else 0
    return Status(
        objects=objects,
        bytes=size,
        recordings=len(held),
        due=due,
        quarantined=quarantined,
        share_of_listens=shares.share_held(archive, np.array(held, np.uint64)),
        releases=releases,
        by_access_class=rights.count_by_access_class(archive),
    )
