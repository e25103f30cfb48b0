"""`status`: what is held, due, published, and how much of listening that preserves."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.archive import Archive
from longplay.ledger import queries, tables
from longplay.workflows import tallying


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
    found = tallying.totals(archive)
    with archive.ledger.read() as connection:
        quarantined = queries.count(connection, tables.quarantine)
        releases = queries.count(connection, tables.releases)
    return Status(
        objects=found.objects,
        bytes=found.bytes,
        recordings=found.recordings,
        due=found.due,
        quarantined=quarantined,
        share_of_listens=found.share_of_listens,
        releases=releases,
        by_access_class=found.by_access_class,
    )
