"""From a dump's tables to rows of the catalogue: joins in DuckDB, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from longplay.catalogue import database
from longplay.catalogue.database import Connection
from longplay.catalogue.importers.musicbrainz.spool import Spooled
from longplay.catalogue.importers.musicbrainz.tables import REDIRECTS, TABLES

BATCH = 122_880
"""Rows that are handed over at once."""

MAX_GENRES = 5
"""Genres that a track gets: those with most votes. Beyond, there are mostly single votes."""

_SQL = {"int": "BIGINT", "text": "VARCHAR", "uuid": "VARCHAR", "bool": "BOOLEAN"}

_PREPARED = (
    "CREATE TABLE mb.credits AS SELECT artist_credit AS credit, list(artist ORDER BY position)"
    " AS refs FROM mb.artist_credit_name GROUP BY ALL",
    # A year without its month comes after that year's dates.
    "CREATE TABLE mb.dates AS SELECT release, min_by(text, sorting) AS date FROM (SELECT release,"
    " format('{:04d}', year) || CASE WHEN month BETWEEN 1 AND 12 THEN format('-{:02d}', month)"
    " || CASE WHEN day BETWEEN 1 AND 31 THEN format('-{:02d}', day) ELSE '' END ELSE '' END"
    " AS text, year * 10000 + coalesce(month, 99) * 100 + coalesce(day, 99) AS sorting"
    " FROM (FROM mb.release_country UNION ALL BY NAME FROM mb.release_unknown_country)"
    " WHERE year BETWEEN 1 AND 9999) GROUP BY release",
    "CREATE TABLE mb.labels AS SELECT release, string_agg(name, '; ' ORDER BY id) AS label FROM"
    " (SELECT min(rl.id) AS id, release, l.name FROM mb.release_label rl"
    " JOIN mb.label l ON rl.label = l.id GROUP BY release, l.name) GROUP BY release",
    "CREATE TABLE mb.groups AS SELECT release_group, min(date) AS date FROM mb.release"
    " JOIN mb.dates ON release = id GROUP BY release_group",
    "CREATE TABLE mb.codes AS SELECT recording, list(isrc ORDER BY isrc) AS isrcs FROM mb.isrc"
    " GROUP BY recording",
    "CREATE TABLE mb.works AS SELECT entity0 AS recording, list_sort(list_distinct(list(iswc)))"
    " AS iswcs FROM mb.l_recording_work JOIN mb.iswc ON work = entity1 WHERE iswc IS NOT NULL"
    " GROUP BY entity0",
    "CREATE TABLE mb.names AS SELECT id, name FROM mb.tag WHERE"
    " name IN (SELECT lower(name) FROM mb.genre) OR NOT EXISTS (FROM mb.genre)",
    *(
        f"CREATE TABLE mb.{kind}_genres AS SELECT {kind} AS id,"
        f" list(name ORDER BY count DESC, name)[:{MAX_GENRES}] AS genres FROM mb.{kind}_tag"
        f" JOIN mb.names ON tag = id WHERE count > 0 GROUP BY {kind}"
        for kind in ("recording", "release_group")
    ),
    *(
        f"CREATE TABLE mb.{kind}_licences AS SELECT entity0 AS id, list(DISTINCT url) AS urls"
        f" FROM mb.l_{kind}_url l JOIN mb.link ON l.link = link.id"
        " JOIN mb.link_type lt ON link.link_type = lt.id JOIN mb.url ON entity1 = url.id"
        " WHERE lt.name = 'license' AND NOT ended GROUP BY entity0"
        for kind in ("recording", "release")
    ),
    "CREATE TABLE mb.placed AS SELECT recording, count(DISTINCT release) AS releases"
    " FROM mb.track LEFT JOIN mb.medium ON medium = id GROUP BY recording",
)

_ARTISTS = (
    "SELECT id AS ref, gid AS own_id, name, gid AS mbid FROM mb.artist UNION ALL"
    # Credited, but not in the dump: as the first credit has it.
    " SELECT artist, 'artist ' || artist, min_by(name, artist_credit), NULL"
    " FROM mb.artist_credit_name WHERE artist NOT IN (SELECT id FROM mb.artist) GROUP BY artist"
    " ORDER BY ref"
)

_ALBUMS = (
    "SELECT r.id AS ref, gid AS own_id, name AS title, refs AS artist_refs, date AS release_date,"
    " nullif(barcode, '') AS upc, gid AS mbid, label FROM mb.release r"
    " LEFT JOIN mb.credits ON credit = artist_credit LEFT JOIN mb.dates d ON d.release = r.id"
    " LEFT JOIN mb.labels l ON l.release = r.id ORDER BY ref"
)

_RECORDING_FACTS = (
    " LEFT JOIN mb.codes c ON c.recording = r.id LEFT JOIN mb.works w ON w.recording = r.id"
    " LEFT JOIN mb.recording_genres rg ON rg.id = r.id"
    " LEFT JOIN mb.recording_licences rl ON rl.id = r.id"
)

_TRACKS = (
    "SELECT t.gid AS own_id, coalesce(nullif(t.name, ''), r.name) AS title, refs AS artist_refs,"
    " m.release AS album_ref, m.position::INTEGER AS disc_number,"
    " t.position::INTEGER AS track_number,"
    " CASE WHEN t.length > 0 THEN t.length WHEN r.length > 0 THEN r.length END::INTEGER"
    " AS duration_ms, isrcs, r.gid AS recording_mbid, iswcs,"
    " coalesce(d.date, g.date) AS release_date, coalesce(rg.genres, gg.genres) AS genres,"
    " coalesce(rl.urls, al.urls) AS urls, CASE WHEN rl.urls IS NULL THEN 'l_release_url' ELSE"
    " 'l_recording_url' END AS stated, coalesce(p.releases, 0) AS releases"
    " FROM mb.track t LEFT JOIN mb.recording r ON r.id = t.recording"
    " LEFT JOIN mb.medium m ON m.id = t.medium LEFT JOIN mb.release a ON a.id = m.release"
    " LEFT JOIN mb.credits ON credit = t.artist_credit LEFT JOIN mb.dates d ON d.release = a.id"
    " LEFT JOIN mb.groups g ON g.release_group = a.release_group"
    " LEFT JOIN mb.release_group_genres gg ON gg.id = a.release_group"
    " LEFT JOIN mb.release_licences al ON al.id = a.id"
    f" LEFT JOIN mb.placed p ON p.recording = t.recording{_RECORDING_FACTS}"
    " UNION ALL BY NAME SELECT r.gid AS own_id, r.name AS title, refs AS artist_refs,"
    " CASE WHEN length > 0 THEN length END::INTEGER AS duration_ms, isrcs,"
    " r.gid AS recording_mbid, iswcs, rg.genres, rl.urls, 'l_recording_url' AS stated,"
    " 0 AS releases FROM mb.recording r LEFT JOIN mb.credits ON credit = r.artist_credit"
    f"{_RECORDING_FACTS} WHERE r.id NOT IN (SELECT recording FROM mb.track)"
)


def prepare(connection: Connection, tables: Mapping[str, Spooled]) -> None:
    """Make what the questions below ask: a view for each table, empty where the dump has none."""
    connection.execute("CREATE SCHEMA mb")
    for name, table in TABLES.items():
        if name in tables:
            query = f"FROM {database.parquet([tables[name].path])}"
        else:
            columns = ", ".join(f"NULL::{_SQL[c.kind]} AS {c.name}" for c in table.columns)
            query = f"SELECT {columns} WHERE false"
        connection.execute(f"CREATE VIEW mb.{name} AS {query}")
    for statement in _PREPARED:
        connection.execute(statement)


def artists(connection: Connection) -> Iterator[pa.RecordBatch]:
    """The artists, by their MusicBrainz row ids."""
    return _batches(connection, _ARTISTS)


def albums(connection: Connection) -> Iterator[pa.RecordBatch]:
    """The releases, each with its earliest date and its labels."""
    return _batches(connection, _ALBUMS)


def tracks(connection: Connection) -> Iterator[pa.RecordBatch]:
    """The tracks, then the recordings that are on no release; those on most releases first.

    Beside the columns of a staged track there are `urls` (of licences) and `stated` (where).
    """
    return _batches(connection, f"SELECT * FROM ({_TRACKS}) ORDER BY releases DESC, recording_mbid")


def redirects(connection: Connection) -> Iterator[pa.RecordBatch]:
    """Merged identifiers: `kind`, `old`, `new`."""
    for name in REDIRECTS:
        if name != "track":
            kind = "album" if name == "release" else name
            yield from _batches(
                connection,
                f"SELECT '{kind}' AS kind, g.gid AS old, n.gid AS new"
                f" FROM mb.{name}_gid_redirect g JOIN mb.{name} n ON n.id = new_id ORDER BY old",
            )


def declared(connection: Connection) -> int:
    """How many tracks the dump itself says there are: what its mediums say, and the recordings on
    no release."""
    return database.one(connection, "SELECT coalesce(sum(track_count), 0) FROM mb.medium") + (
        database.one(
            connection,
            "SELECT count(*) FROM mb.recording WHERE id NOT IN (SELECT recording FROM mb.track)",
        )
    )


def _batches(connection: Connection, query: str) -> Iterator[pa.RecordBatch]:
    # A cursor of its own: what is staged meanwhile asks questions on the connection.
    cursor = connection.cursor()
    try:
        yield from cursor.sql(query).to_arrow_reader(BATCH)
    finally:
        cursor.close()
