"""From staged rows to a layer: keys, duplicates, albums, artists, and what recordings match by.

An importer makes the staging tables (`begin`), fills them (`stage`, and SQL of its own), and has
them written (`write`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from longplay.catalogue import database, ids, layout, names, schema
from longplay.catalogue.database import Connection, quoted

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

ISRC = "^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$"
"""ISO 3901, without the hyphens that people write."""

MBID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

_ALBUM_ID = (
    "coalesce(album_id, album_mbid, plain_name(coalesce(album_context, album_artists[1],"
    " artists[1], '')) || chr(31) || plain_name(album))"
)
_NEATENED = {
    "isrcs": f"list_filter(list_transform(isrcs, lambda i: CASE WHEN regexp_matches(i, '{ISRC}')"
    " THEN i ELSE regexp_replace(upper(i), '[^A-Z0-9]', '', 'g') END),"
    f" lambda i: regexp_matches(i, '{ISRC}'))",
    **{
        name: f"CASE WHEN regexp_matches(lower({name}), '{MBID}') THEN lower({name}) END"
        for name in ("recording_mbid", "album_mbid")
    },
}


def begin(connection: Connection, source: str) -> None:
    """Make the staging tables for one layer of `source`."""
    connection.execute(f"SET VARIABLE source = {quoted(source)}")
    staged = {**schema.STAGED, "track": "UBIGINT", "album_own_id": "VARCHAR"}
    for table, columns in (
        ("staged", staged),
        ("staged_offers", STAGED_OFFERS),
        ("staged_rights", STAGED_RIGHTS),
        ("rejects", schema.LAYER["rejects"]),
    ):
        connection.execute(f"CREATE TABLE {table} ({schema.definition(columns)})")


def stage(connection: Connection, query: str) -> None:
    """Add rows to the layer. `query` gives the columns of `schema.STAGED`, by name."""
    neat = ", ".join(f"{expression} AS {name}" for name, expression in _NEATENED.items())
    connection.execute(
        f"INSERT INTO staged BY NAME SELECT *, {ids.row_key_sql('tr', 'own_id')} AS track,"
        f" {_ALBUM_ID} AS album_own_id FROM (SELECT * REPLACE ({neat}) FROM ({query}))"
    )


def write(
    connection: Connection, folder: Path, scratch: Path, name: str, *, count_listens: bool
) -> tuple[dict[str, layout.Part], int]:
    """Write the staged rows as the files of `layers/<name>`; returns them and the duplicates.

    `count_listens` puts the number of rows that share an id in `listens`.
    """
    duplicates = _settle(connection, count_listens)
    parts = {}
    for table, query in _queries().items():
        written = scratch / f"{table}.parquet"
        rows = database.copy(connection, query, written)
        parts[table] = layout.publish_part(
            folder, written, f"{layout.LAYERS}/{name}/{table}.parquet", rows
        )
    return parts, duplicates


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
        f"CREATE VIEW kept AS SELECT s.* REPLACE ({listens} AS listens),"
        f" CASE WHEN album_own_id IS NOT NULL THEN {ids.row_key_sql('al', 'album_own_id')} END"
        " AS album_key FROM staged s ANTI JOIN surplus USING (record)"
        " LEFT JOIN (SELECT track, times FROM repeated) USING (track)"
    )
    connection.execute(
        "CREATE TABLE credits AS SELECT * EXCLUDE (own_id),"
        " coalesce(own_id, plain_name(name)) AS own_id FROM (SELECT track, record,"
        " generate_subscripts(artists, 1) AS position, unnest(artists) AS name,"
        " unnest(CASE WHEN len(artist_ids) = len(artists) THEN artist_ids END) AS own_id FROM kept)"
        " WHERE name IS NOT NULL"
    )
    return database.one(connection, "SELECT count(*) FROM surplus WHERE NOT collides")


def _queries() -> Mapping[str, str]:
    tracks = ", ".join(
        "album_key AS album" if name == "album" else name for name in schema.LAYER["tracks"]
    )
    artist = ids.row_key_sql("ar", "own_id")
    firsts = {
        "own_id": "album_own_id", "title": "album", "artists": "coalesce(album_artists, artists)",
        "release_date": "release_date", "upc": "upc", "mbid": "album_mbid", "label": "label",
    }  # fmt: skip
    album = ", ".join(f"arg_min({column}, record) AS {name}" for name, column in firsts.items())
    offers = ", ".join(schema.LAYER["offers"])
    return {
        "tracks": f"SELECT {tracks} FROM kept ORDER BY track",
        "albums": f"SELECT album_key AS album, {album} FROM kept WHERE album_key IS NOT NULL"
        " GROUP BY album_key ORDER BY album_key",
        "artists": f"SELECT {artist} AS artist, own_id, arg_min(name, (record, position)) AS name"
        " FROM credits GROUP BY own_id ORDER BY artist",
        "track_artists": f"SELECT track, position::INTEGER AS position, {artist} AS artist"
        " FROM credits ORDER BY track, position",
        "offers": f"SELECT {offers} FROM (SELECT o.*, t.track, coalesce(t.album_key, a.album_key)"
        " AS album FROM staged_offers o LEFT JOIN kept t ON o.track_own_id = t.own_id"
        " LEFT JOIN kept a ON o.album_like = a.own_id) ORDER BY path, start_ms NULLS FIRST",
        "rights": f"SELECT {ids.text_sql('tr', ids.row_key_sql('tr', 'own_id'))} AS subject, text,"
        " field, place FROM staged_rights WHERE own_id IN (SELECT own_id FROM kept)"
        " ORDER BY ALL",
        "rejects": "SELECT * FROM rejects ORDER BY ALL",
        "keys": keys_query("kept") + " ORDER BY key, track",
    }


def keys_query(tracks: str) -> str:
    """What recordings are matched by, for a relation of tracks: ISRC and MBID as they are, and
    artist with title where neither is missing nor a placeholder (then `duration_ms` counts too)."""
    artists = ", ".join(quoted(name) for name in names.PLACEHOLDER_ARTISTS)
    return (
        "SELECT DISTINCT key, exact, duration_ms, track FROM ("
        " SELECT md5_number_upper('isrc' || chr(0) || unnest(isrcs)) AS key, true AS exact,"
        f" NULL::INTEGER AS duration_ms, track FROM {tracks}"
        " UNION ALL SELECT md5_number_upper('mbid' || chr(0) || recording_mbid), true, NULL, track"
        f" FROM {tracks} WHERE recording_mbid IS NOT NULL"
        " UNION ALL SELECT md5_number_upper('name' || chr(0) || artist || chr(0) || name), false,"
        " duration_ms, track FROM (SELECT track, duration_ms, plain_title(artists[1]) AS artist,"
        f" plain_title(title) AS name FROM {tracks})"
        f" WHERE artist <> '' AND name <> '' AND artist NOT IN ({artists})"
        f" AND NOT regexp_matches(name, {quoted(names.PLACEHOLDER_TITLE)}))"
    )
