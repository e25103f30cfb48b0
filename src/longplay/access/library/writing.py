"""Writing the library's file from the tables that were gathered."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
from adbc_driver_sqlite import dbapi

from longplay.access.library import layout, texts
from longplay.access.library.arranging import GUESTS, MEMBERS
from longplay.catalogue import ids
from longplay.catalogue.database import Connection

BATCH = 65_536
"""Rows handed from one database to the other at a time."""

PAGE_BYTES = 8192
"""Of the file: some ten tracks."""


def write(connection: Connection, path: Path, facts: Mapping[str, str]) -> None:
    """Write the file at `path`, which must not exist; `path` with `-texts` is used meanwhile."""
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _be_quick(file)
        file.executescript(f"BEGIN; {layout.TABLES} {layout.TEXTS} COMMIT;")
        info = {"version": str(layout.VERSION), **facts}
        file.executemany("INSERT INTO info VALUES (?, ?)", info.items())
        file.commit()
    with closing(dbapi.connect(str(path), autocommit=True)) as target:
        _be_quick(target)
        for table, query in _TABLES.items():
            _ingest(connection, target, table, query)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        _be_quick(file)
        file.execute("BEGIN")
        for name, numbers in _lists(connection):
            file.execute("INSERT INTO list VALUES (?, ?)", (name, numbers.tobytes()))
        file.executemany("INSERT INTO info VALUES (?, ?)", _totals(connection))
        file.execute("COMMIT")
        file.executescript(layout.INDEXES)
        for kind in layout.KINDS:
            _index(connection, file, path, kind)
        file.execute("ANALYZE")


def _be_quick(file: sqlite3.Connection | dbapi.Connection) -> None:
    """Without journals: the file is synced as a whole, and what is half written is thrown away."""
    for pragma in ("journal_mode = OFF", "synchronous = OFF"):
        with closing(file.cursor()) as cursor:
            cursor.execute(f"PRAGMA {pragma}")
            cursor.fetchall()


def _ingest(connection: Connection, target: dbapi.Connection, table: str, query: str) -> None:
    reader = connection.sql(query).to_arrow_reader(BATCH)
    with target.cursor() as cursor:
        cursor.adbc_ingest(table, reader, mode="append")


def _id(prefix: str, key: str) -> str:
    return ids.text_sql(prefix, key)


_TOTALS = """SELECT coalesce(sum(bytes), 0), coalesce(sum(duration_ms), 0) FROM (
    SELECT max(size) AS bytes, sum(duration_ms) AS duration_ms FROM track_rows WHERE {0}
    GROUP BY root)"""


def _totals(connection: Connection) -> list[tuple[str, str]]:
    """How much is listed for those who hear everything, and for those who hear what is open."""
    found = []
    for prefix, which in (("", MEMBERS), ("open_", GUESTS)):
        row = connection.sql(_TOTALS.format(which)).fetchall()[0]
        found += [(f"{prefix}bytes", str(row[0])), (f"{prefix}duration_ms", str(row[1]))]
    return found


_TABLES = {
    "track": f"""SELECT n, {_id("tr", "track")} AS id,
        CASE WHEN recording IS NOT NULL THEN {_id("rec", "recording")} END AS recording, title,
        artist, artists::VARCHAR AS artists, album_title AS album, {_id("al", "album")} AS album_id,
        album_artist, album_artists::VARCHAR AS album_artists, track_number, disc_number, year,
        release_date, genres::VARCHAR AS genres, duration_ms::BIGINT AS duration_ms, size AS bytes,
        suffix, bit_rate, sample_rate, bit_depth, channels, isrc, mbid, popularity::DOUBLE
        AS popularity, listens, path, {_id("fo-", "folder_key(source, levels_of(folder))")}
        AS folder, coalesce(created, '') AS created, access::INTEGER AS access, root,
        picture AS cover, open_picture AS open_cover, gain::DOUBLE AS track_gain,
        album_gain::DOUBLE AS album_gain,
        peak::DOUBLE AS track_peak, album_peak::DOUBLE AS album_peak,
        composers::VARCHAR AS composers, conductors::VARCHAR AS conductors, licence,
        explicit::INTEGER AS explicit, start_ms::BIGINT AS start_ms, end_ms::BIGINT AS end_ms,
        album_n FROM track_rows ORDER BY n""",
    "album": f"""SELECT n, {_id("al", "album")} AS id, title, artist, artists::VARCHAR AS artists,
        year, release_date, genres::VARCHAR AS genres, tracks, open_tracks, files,
        duration_ms::BIGINT AS duration_ms, open_duration_ms::BIGINT AS open_duration_ms,
        coalesce(created, '') AS created, picture AS cover, open_picture AS open_cover, mbid, label,
        popularity::DOUBLE AS popularity, explicit::INTEGER AS explicit, discs,
        compilation::INTEGER AS compilation, first FROM album_rows
        JOIN (SELECT album_n, min(n) AS first FROM track_rows GROUP BY album_n) t
        ON t.album_n = n ORDER BY n""",
    "artist": """SELECT n, id, name, sort_name, sorted, albums, open_albums, tracks, open_tracks,
        picture AS cover, open_picture AS open_cover, mbid, roles::INTEGER AS roles,
        open_roles::INTEGER AS open_roles
        FROM artist_rows JOIN (SELECT artist, count(*) AS albums,
            count(*) FILTER (open_tracks > 0) AS open_albums FROM artist_albums GROUP BY artist) a
        USING (artist) ORDER BY n""",
    "artist_id": f"""SELECT {_id("ar", "key")} AS id, n FROM same_artists s
        JOIN artist_order o ON o.artist = s.head ORDER BY id""",
    "recording_id": f"""SELECT {_id("rec", "old")} AS id, {_id("rec", "recording")} AS recording
        FROM recording_ids ORDER BY id""",
    "artist_track": "SELECT artist, track, roles::INTEGER AS roles FROM artist_tracks ORDER BY ALL",
    "artist_album": """SELECT x.artist, row_number() OVER (PARTITION BY x.artist
            ORDER BY r.year NULLS LAST, r.title_key, r.n) AS place, x.album, x.roles::INTEGER
            AS roles FROM artist_albums x JOIN album_rows r ON r.n = x.album ORDER BY ALL""",
    "genre": """SELECT genre AS name, count(DISTINCT spot) AS tracks,
            count(DISTINCT spot) FILTER (access = 0) AS open_tracks,
            count(DISTINCT album_n) AS albums,
            count(DISTINCT album_n) FILTER (access = 0) AS open_albums
        FROM track_genres JOIN track_rows USING (track) GROUP BY genre ORDER BY genre""",
    "picture": """SELECT DISTINCT root, album FROM (
            SELECT unnest([picture, open_picture]) AS root, album_n AS album FROM track_rows
            UNION ALL SELECT unnest([picture, open_picture]), n FROM album_rows)
        WHERE root IS NOT NULL ORDER BY ALL""",
    "folder": "SELECT id, name, parent, tracks, open_tracks FROM folder_rows ORDER BY id",
}

_POPULAR = {
    "track": "SELECT n FROM track_rows ORDER BY popularity DESC NULLS LAST,"
    " listens DESC NULLS LAST, n",
    "album": "SELECT n FROM album_rows ORDER BY popularity DESC NULLS LAST, tracks DESC, n",
    "artist": "SELECT n FROM artist_rows ORDER BY popularity DESC NULLS LAST, tracks DESC, n",
}

_LISTS = {
    **{f"{kind}/popular": query for kind, query in _POPULAR.items()},
    "album/newest": "SELECT n FROM album_rows ORDER BY created DESC NULLS LAST, n",
    "album/alphabeticalByName": "SELECT n FROM album_rows ORDER BY title_key, title, n",
    "album/byYear": "SELECT n FROM album_rows ORDER BY year NULLS LAST, release_date, n",
    "album/year": "SELECT coalesce(year, -1) FROM album_rows ORDER BY n",
    "track/year": "SELECT coalesce(year, -1) FROM track_rows ORDER BY n",
    "track/again": "SELECT (choice > 1)::INTEGER FROM track_rows ORDER BY n",
    "track/album": "SELECT album_n FROM track_rows ORDER BY n",
    "track/open": "SELECT (access = 0)::INTEGER FROM track_rows ORDER BY n",
    "album/open": "SELECT (open_tracks > 0)::INTEGER FROM album_rows ORDER BY n",
    "artist/open": "SELECT open_roles::INTEGER FROM artist_rows ORDER BY n",
    "artist/roles": "SELECT roles::INTEGER FROM artist_rows ORDER BY n",
}


def _lists(connection: Connection) -> list[tuple[str, np.ndarray[tuple[int], np.dtype[np.int32]]]]:
    """Every list by its name; those of genres are called `track/genre/NAME`, those of sources
    `track/of/FOLDER`, and so on."""
    found = [
        (name, _column(connection.sql(f"SELECT * FROM ({query})").to_arrow_table()))
        for name, query in _LISTS.items()
    ]
    for prefix, query in _PARTED.items():
        found += _parted(prefix, connection.sql(query).to_arrow_table())
    return found


_PARTED = {
    "track/genre": "SELECT genre, n FROM track_genres JOIN track_rows USING (track)"
    " ORDER BY genre, n",
    "track/of": "SELECT source, n FROM track_sources ORDER BY source, n",
    "artist/of": "SELECT source, n FROM artist_sources ORDER BY source, n",
    "artist/of/roles": "SELECT source, roles::INTEGER FROM artist_sources ORDER BY source, n",
    "artist/of/open": "SELECT source, open_roles::INTEGER FROM artist_sources ORDER BY source, n",
}
"""Lists in parts, one for each genre or source, whose rows stand together."""


def _parted(
    prefix: str, table: pa.Table
) -> list[tuple[str, np.ndarray[tuple[int], np.dtype[np.int32]]]]:
    if not table.num_rows:
        return []
    parts = table[0].combine_chunks().dictionary_encode()
    bounds = np.flatnonzero(np.diff(parts.indices.to_numpy())) + 1
    numbers = np.split(table[1].to_numpy().astype("<i4"), bounds)
    names = parts.dictionary.to_pylist()
    return [(f"{prefix}/{name}", part) for name, part in zip(names, numbers, strict=True)]


def _column(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.asarray(table[0].to_numpy(), "<i4")


_SEARCHED = {
    "track": "SELECT n, title AS name, concat_ws(' ', everybody, album_artist, album_title)"
    " AS others, access = 0 AS open, popularity, listens AS weight FROM track_rows",
    "album": "SELECT n, title AS name, artist AS others, open_tracks > 0 AS open, popularity,"
    " tracks AS weight FROM album_rows",
    "artist": "SELECT n, name, '' AS others, open_tracks > 0 AS open, popularity, tracks AS weight"
    " FROM artist_rows",
}


def _index(connection: Connection, file: sqlite3.Connection, path: Path, kind: str) -> None:
    """Fill the full-text index of a kind, the most popular first."""
    scratch = path.with_name(f"{path.name}-texts")
    scratch.unlink(missing_ok=True)
    reader = connection.sql(
        f"SELECT name, others, open, sources FROM ({_SEARCHED[kind]}) JOIN (SELECT n,"
        f" list(source ORDER BY source) AS sources FROM {kind}_sources GROUP BY n) USING (n)"
        " ORDER BY popularity DESC NULLS LAST, weight DESC NULLS LAST, n"
    ).to_arrow_reader(BATCH)
    first = 1

    def batches() -> pa.RecordBatchReader:
        nonlocal first
        for batch in reader:
            words = texts.texts(
                *(batch[column] for column in ("name", "others", "open", "sources"))
            )
            rows = pa.array(np.arange(first, first + len(words)))
            first += len(words)
            yield pa.record_batch({"place": rows, "words": words})

    schema = pa.schema([("place", pa.int64()), ("words", pa.string())])
    with closing(dbapi.connect(str(scratch), autocommit=True)) as target, target.cursor() as cursor:
        _be_quick(target)
        cursor.adbc_ingest(
            "text", pa.RecordBatchReader.from_batches(schema, batches()), mode="create"
        )
    file.execute("ATTACH ? AS scratch", (str(scratch),))
    file.execute("BEGIN")
    file.execute(
        f"INSERT INTO {kind}_text (rowid, words) SELECT place, words FROM scratch.text"
        " ORDER BY place"
    )
    file.execute(f"INSERT INTO {kind}_text ({kind}_text) VALUES ('optimize')")
    file.execute("COMMIT")
    file.execute("DETACH scratch")
    scratch.unlink()
