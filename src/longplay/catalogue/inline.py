"""Rows that name their artists and albums themselves, as tables and tags do.

They are staged in DuckDB, where repeated ids are counted, and artists and albums told apart.
"""

from __future__ import annotations

from longplay.catalogue import database, ids, schema
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.staging import Staging

STAGED_OFFERS: schema.Columns = {
    **{
        name: kind
        for name, kind in schema.LAYER["offers"].items()
        if name not in ("track", "album")
    },
    "track_own_id": "VARCHAR",
    "album_like": "VARCHAR",
}
"""Offers before identity: `track_own_id` is the track carried, `album_like` one of its album."""

STAGED_RIGHTS: schema.Columns = {
    "own_id": "VARCHAR",
    "text": "VARCHAR",
    "field": "VARCHAR",
    "place": "VARCHAR",
}

BATCH = 65_536
"""Rows that are handed on at once."""

_ALBUM_ID = (
    "coalesce(album_id, album_mbid, plain_name(coalesce(album_context, album_artists[1],"
    " artists[1], '')) || chr(31) || plain_name(album))"
)


def begin(connection: Connection, source: str) -> None:
    """Make the staging tables of an import for `source`."""
    connection.execute(f"SET VARIABLE source = {quoted(source)}")
    staged = {**schema.STAGED, "track": "UBIGINT", "album_own_id": "VARCHAR"}
    for table, columns in (
        ("staged", staged),
        ("staged_offers", STAGED_OFFERS),
        ("staged_rights", STAGED_RIGHTS),
        *((table, schema.LAYER[table]) for table in ("rejects", "absent", "listens", "aliases")),
    ):
        connection.execute(f"CREATE TABLE {table} ({schema.definition(columns)})")


def stage(connection: Connection, query: str) -> None:
    """Add rows. `query` gives the columns of `schema.STAGED`, by name."""
    connection.execute(
        f"INSERT INTO staged BY NAME SELECT *, {ids.row_key_sql('tr', 'own_id')} AS track,"
        f" {_ALBUM_ID} AS album_own_id FROM ({query})"
    )


def hand_over(stage: Staging, *, count_listens: bool) -> int:
    """Put the staged rows into `stage`: of each id the first. Returns how many repeated an id.

    `count_listens` puts the number of rows that share an id in `listens`.
    """
    connection = stage.connection
    duplicates = _settle(connection, count_listens)
    connection.execute(_NAMED)
    for kind, query in _QUERIES.items():
        reader = connection.sql(query).to_arrow_reader(BATCH)
        for batch in reader:
            getattr(stage, kind)(batch)
    connection.execute("DELETE FROM staged")
    return duplicates


def _settle(connection: Connection, count_listens: bool) -> int:
    """Collapse rows of one id (the first wins), and reject those whose keys collide."""
    connection.execute(
        "CREATE TABLE repeated AS SELECT track, min(record) AS record,"
        " arg_min(own_id, record) AS own_id, count(*)::DOUBLE AS times"
        " FROM staged GROUP BY track HAVING count(*) > 1"
    )
    connection.execute(
        "CREATE TABLE surplus AS SELECT s.record, s.own_id <> r.own_id AS collides"
        " FROM staged s JOIN repeated r USING (track) WHERE s.record <> r.record"
    )
    connection.execute(
        "INSERT INTO rejects BY NAME SELECT own_id, title AS content,"
        " 'its key is that of another id' AS reason, NULL AS place"
        " FROM staged WHERE record IN (SELECT record FROM surplus WHERE collides)"
    )
    listens = "coalesce(times, 1)" if count_listens else "listens"
    connection.execute(
        f"CREATE TABLE kept AS SELECT s.* REPLACE ({listens} AS listens)"
        " FROM staged s ANTI JOIN surplus USING (record)"
        " LEFT JOIN (SELECT track, times FROM repeated) USING (track)"
    )
    return database.one(connection, "SELECT count(*) FROM surplus WHERE NOT collides")


_NAMED = """
CREATE TABLE credits AS SELECT record, position, name, coalesce(own_id, plain_name(name)) AS own_id
    FROM (SELECT record, generate_subscripts(artists, 1) AS position, unnest(artists) AS name,
        unnest(CASE WHEN len(artist_ids) = len(artists) THEN artist_ids END) AS own_id FROM kept)
    WHERE name IS NOT NULL;
CREATE TABLE first_rows AS SELECT album_own_id, min(record) AS record FROM kept
    WHERE album_own_id IS NOT NULL GROUP BY album_own_id;
CREATE TABLE album_credits AS SELECT record, position, name,
        coalesce(own_id, plain_name(name)) AS own_id
    FROM (SELECT record, generate_subscripts(album_artists, 1) AS position,
        unnest(album_artists) AS name FROM kept SEMI JOIN first_rows USING (record))
    LEFT JOIN (SELECT record, name, min(own_id) AS own_id FROM credits GROUP BY ALL)
        USING (record, name)
    WHERE name IS NOT NULL;
INSERT INTO album_credits SELECT c.record, c.position, c.name, c.own_id FROM credits c
    SEMI JOIN first_rows USING (record) ANTI JOIN album_credits a ON c.record = a.record;
CREATE TABLE named AS SELECT row_number() OVER (ORDER BY first) AS ref, own_id, name FROM
    (SELECT own_id, min((record, position)) AS first, arg_min(name, (record, position)) AS name
        FROM (SELECT * FROM credits UNION ALL SELECT * FROM album_credits) GROUP BY own_id);
"""
_QUERIES = {
    "artists": "SELECT ref, own_id, name FROM named ORDER BY ref",
    "albums": """
        SELECT row_number() OVER (ORDER BY a.record) AS ref, album_own_id AS own_id, album AS title,
            artist_refs, release_date, upc, album_mbid AS mbid, label
        FROM first_rows a JOIN kept USING (record, album_own_id) LEFT JOIN
            (SELECT record, list(ref ORDER BY position) AS artist_refs FROM album_credits
                JOIN named USING (own_id) GROUP BY record) USING (record) ORDER BY ref
    """,
    "tracks": """
        SELECT k.own_id, title, artist_refs, album_ref, disc_number, track_number, duration_ms,
            isrcs, recording_mbid, release_date, genres, explicit, popularity, listens, licence
        FROM kept k LEFT JOIN (SELECT album_own_id, row_number() OVER (ORDER BY record) AS album_ref
                FROM first_rows) USING (album_own_id)
            LEFT JOIN (SELECT record, list(ref ORDER BY position) AS artist_refs FROM credits
                JOIN named USING (own_id) GROUP BY record) USING (record) ORDER BY record
    """,
}


def small_tables() -> dict[str, str]:
    """The queries for the layer's small tables, after `hand_over`."""
    album = (
        f"CASE WHEN {{0}}.album_own_id IS NOT NULL THEN"
        f" {ids.row_key_sql('al', '{0}.album_own_id')} END"
    )
    offers = ", ".join(schema.LAYER["offers"])
    return {
        "offers": f"SELECT {offers} FROM (SELECT o.*, t.track,"
        f" coalesce({album.format('t')}, {album.format('a')})"
        " AS album FROM staged_offers o LEFT JOIN kept t ON o.track_own_id = t.own_id"
        " LEFT JOIN kept a ON o.album_like = a.own_id) ORDER BY path, start_ms NULLS FIRST",
        "rights": f"SELECT {ids.text_sql('tr', ids.row_key_sql('tr', 'own_id'))} AS subject, text,"
        " field, place FROM staged_rights ORDER BY ALL",
        "rejects": "SELECT * FROM rejects ORDER BY ALL",
        "absent": "SELECT * FROM absent ORDER BY ALL",
        "listens": "SELECT * FROM listens ORDER BY ALL",
        "aliases": "SELECT DISTINCT * FROM aliases ORDER BY ALL",
    }
