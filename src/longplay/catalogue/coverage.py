"""How much is known, and how much of what the sources say there is: `catalogue stats`."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.catalogue import database, imports
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.layout import Layer
from longplay.catalogue.snapshot import Snapshot

MISSING = 1000
"""Missing ids that are listed of each source; they are counted however many they are."""

COUNTED = ("tracks", "albums", "artists", "listens")
"""Tables that are counted for each source."""


@dataclass(frozen=True, slots=True)
class TableStats:
    """One table of a source: rows held, rows that the source declares (if it does), and the share
    of them that is held; a row that repeats an id is held as the first one."""

    table: str
    rows: int
    declared: int | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows were rejected, and how many."""

    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class SourceStats:
    """One source. `input` rows were read, and always `input` = `rows` + `duplicates` + `rejected`
    (tracks held, rows that repeat an id, rows that could not be used, by `reasons`).

    `missing` counts the ids that were rejected and that no other row brought; `missing_ids` lists
    the first of them.
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
    layers = snapshot.manifest.layers
    with snapshot.connect() as connection:
        return Stats(
            tracks=sum(layer.rows("tracks") for layer in layers.values()),
            albums=sum(layer.rows("albums") for layer in layers.values()),
            artists=sum(layer.rows("artists") for layer in layers.values()),
            recordings=_recordings(connection, snapshot),
            # By their hashes, which takes a fifth of the memory: of 200 million, two are the same
            # with a chance of one in a thousand.
            isrcs=database.one(
                connection,
                "SELECT count(DISTINCT hash(isrc)) FROM (SELECT unnest(isrcs) AS isrc FROM tracks)",
            ),
            sources=tuple(_source(connection, layer) for layer in layers.values()),
        )


def _recordings(connection: Connection, snapshot: Snapshot) -> int:
    if not any(snapshot.manifest.joins["members"]):
        # No two layers share a recording: each is the one that a track stands for.
        return database.one(connection, "SELECT count(*) FROM tracks WHERE same_as IS NULL")
    return database.one(connection, "SELECT count(DISTINCT recording) FROM members")


def _source(connection: Connection, layer: Layer) -> SourceStats:
    source = quoted(layer.source)
    reasons: list[tuple[str, int]] = []
    missing: list[tuple[str, int]] = []
    if layer.rejected:
        reasons = connection.execute(
            f"SELECT reason, count(*) FROM rejects WHERE source = {source} GROUP BY reason"
            " ORDER BY count(*) DESC, reason"
        ).fetchall()
        missing = connection.execute(
            "SELECT own_id, count(*) OVER () FROM (SELECT DISTINCT own_id FROM rejects WHERE source"
            f" = {source} AND own_id IS NOT NULL) ANTI JOIN (SELECT own_id FROM tracks WHERE source"
            f" = {source}) USING (own_id) ORDER BY own_id LIMIT {MISSING}"
        ).fetchall()
    return SourceStats(
        name=layer.source,
        rows=layer.rows("tracks"),
        declared=layer.declared,
        coverage=imports.coverage(layer),
        rejected=layer.rejected,
        duplicates=layer.duplicates,
        input=layer.input,
        format=layer.format,
        licence=layer.licence,
        tables=tuple(_table(layer, table) for table in COUNTED if layer.rows(table)),
        reasons=tuple(Reason(*row) for row in reasons),
        missing=missing[0][1] if missing else 0,
        missing_ids=tuple(own_id for own_id, _ in missing),
    )


def _table(layer: Layer, table: str) -> TableStats:
    """Sources declare how many rows they give, and rows are tracks."""
    if table != "tracks":
        return TableStats(table, layer.rows(table), None, None)
    return TableStats(table, layer.rows(table), layer.declared, imports.coverage(layer))
