"""How much is known, and how much of what the sources say there is: `catalogue stats`."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.catalogue import corrections, counting, imports
from longplay.catalogue.database import Connection
from longplay.catalogue.layout import Layer
from longplay.catalogue.snapshot import Snapshot

MISSING = 1000
"""Missing ids that are listed of each source; they are counted however many they are."""

COUNTED = ("tracks", "albums", "artists", "listens")
"""Tables that are counted for each source."""


@dataclass(frozen=True, slots=True)
class TableStats:
    """One table of a source: rows held, rows that the source declares (if it does), and the share
    of them that is held; a row that repeats an id is held as the first one.

    `missing` counts what is known to be lacking, and `missing_ids` lists the first: of what the
    source is about the ids that were rejected and that no other row brought, of artists and albums
    the source's own references to rows that it does not have.
    """

    table: str
    rows: int
    declared: int | None
    coverage: float | None
    missing: int
    missing_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows were rejected, and how many."""

    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class SourceStats:
    """One source. `input` rows were read, and always `input` = `rows` + `duplicates` + `rejected`
    (tracks held, rows that repeat an id, rows that could not be used, by `reasons`).

    `declared`, `coverage`, `missing` and `missing_ids` are those of the table that it is about.
    """

    name: str
    rows: int
    declared: int | None
    coverage: float | None
    rejected: int
    duplicates: int
    input: int
    format: str
    licence: str | None
    tables: tuple[TableStats, ...]
    reasons: tuple[Reason, ...]
    missing: int
    missing_ids: tuple[str, ...]


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
    layers = {
        name: layer
        for name, layer in snapshot.manifest.layers.items()
        if name != corrections.SOURCE
    }
    with snapshot.connect("tracks", "rejects", "absent") as connection:
        return Stats(
            tracks=sum(layer.rows("tracks") for layer in layers.values()),
            albums=sum(layer.rows("albums") for layer in layers.values()),
            artists=sum(layer.rows("artists") for layer in layers.values()),
            recordings=counting.recordings(snapshot),
            isrcs=counting.isrcs(snapshot),
            sources=tuple(_source(connection, layer) for layer in layers.values()),
        )


def _source(connection: Connection, layer: Layer) -> SourceStats:
    reasons: list[tuple[str, int]] = []
    if layer.rejected:
        reasons = connection.execute(
            "SELECT reason, count(*) FROM rejects WHERE source = ? GROUP BY reason"
            " ORDER BY count(*) DESC, reason",
            [layer.source],
        ).fetchall()
    tables = {table: _table(connection, layer, table) for table in COUNTED}
    subject = tables[layer.subject]
    return SourceStats(
        name=layer.source,
        rows=layer.rows("tracks"),
        declared=subject.declared,
        coverage=subject.coverage,
        rejected=layer.rejected,
        duplicates=layer.duplicates,
        input=layer.input,
        format=layer.format,
        licence=layer.licence,
        tables=tuple(each for each in tables.values() if each.rows or each.declared),
        reasons=tuple(Reason(*row) for row in reasons),
        missing=subject.missing,
        missing_ids=subject.missing_ids,
    )


def _table(connection: Connection, layer: Layer, table: str) -> TableStats:
    missing: list[tuple[str, int]] = []
    if layer.rejected and table == layer.subject:
        missing = connection.execute(
            "SELECT own_id, count(*) OVER () FROM (SELECT DISTINCT own_id FROM rejects"
            " WHERE source = $source AND own_id IS NOT NULL) ANTI JOIN"
            " (SELECT own_id FROM tracks WHERE source = $source) USING (own_id)"
            f" ORDER BY own_id LIMIT {MISSING}",
            {"source": layer.source},
        ).fetchall()
    elif layer.rows("absent"):
        missing = connection.execute(
            "SELECT ref::VARCHAR, count(*) OVER () FROM absent WHERE source = ? AND kind = ?"
            f" ORDER BY ref LIMIT {MISSING}",
            [layer.source, table],
        ).fetchall()
    return TableStats(
        table,
        layer.rows(table),
        layer.declared.get(table),
        imports.coverage(layer, table),
        missing[0][1] if missing else 0,
        tuple(own_id for own_id, _ in missing),
    )
