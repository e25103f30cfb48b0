"""How much is known: `catalogue stats`."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.catalogue import database, imports
from longplay.catalogue.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SourceStats:
    """One source: tracks held, rows that it declares, the share of them that is held, and rows
    that were rejected or repeated an id."""

    name: str
    rows: int
    declared: int | None
    coverage: float | None
    rejected: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Stats:
    """The catalogue in figures; `isrcs` counts distinct ones."""

    tracks: int
    albums: int
    artists: int
    recordings: int
    isrcs: int
    sources: tuple[SourceStats, ...]


def stats(snapshot: Snapshot) -> Stats:
    """Count a snapshot."""
    layers = snapshot.manifest.layers
    totals = {
        table: sum(layer.tables[table].rows for layer in layers.values())
        for table in ("tracks", "albums", "artists")
    }
    with snapshot.connect() as connection:
        recordings = database.one(connection, "SELECT count(DISTINCT recording) FROM members")
        isrcs = database.one(
            connection,
            "SELECT count(DISTINCT isrc) FROM (SELECT unnest(isrcs) AS isrc FROM tracks)",
        )
    sources = tuple(
        SourceStats(
            name,
            layer.tables["tracks"].rows,
            layer.declared,
            imports.coverage(layer),
            layer.rejected,
            layer.duplicates,
        )
        for name, layer in layers.items()
    )
    return Stats(**totals, recordings=recordings, isrcs=isrcs, sources=sources)
