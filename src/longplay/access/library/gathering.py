"""From holdings, catalogue and evidence to the tables of a library, in DuckDB.

One step after another makes tables in the connection; `gather` names those that are the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from longplay.access.library import arranging, crediting
from longplay.access.library.held import Holdings
from longplay.audio.tags.names import canonical
from longplay.catalogue import corrections, database, describe, ids, popularity
from longplay.catalogue.corrections import Edits, Subjects
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.search import said
from longplay.catalogue.snapshot import Snapshot

TAG_KEYS = ("COMPOSER", "CONDUCTOR")

VIEWS = ("tracks", "albums", "artists", "offers", "run_members", "redirects")
"""The snapshot's views that `gather` reads."""


def gather(
    connection: Connection, snapshot: Snapshot, held: Holdings, sounds: Sequence[Path]
) -> None:
    """Make the tables `track_rows`, `album_rows`, `artist_rows`, `credits`, `folder_rows`,
    `genre_rows`, `track_genres`, `recording_ids` and, for each kind of thing, its sources, such as
    `track_sources`, in a connection with the snapshot's `VIEWS`."""
    _register(connection, held)
    sources = _items(connection, snapshot)
    told = said.read(snapshot)
    _tracks(connection, snapshot, sources, told.edits)
    _names(connection, sources, told.edits)
    _sounds(connection, sounds)
    for step in (*crediting.STEPS, *arranging.STEPS):
        connection.execute(step)


def _register(connection: Connection, held: Holdings) -> None:
    connection.execute(_MACROS)
    for name in ("objects", "files", "carried", "batches"):
        connection.register(name, getattr(held, name))
    connection.register("embedded", held.inside)
    connection.execute(_KINDS)
    for name in ("objects", "files", "embedded"):
        connection.unregister(name)


_MACROS = f"""
CREATE MACRO levels_of(folder) AS list_filter(string_split(folder, '/'), lambda p: p <> '');
CREATE MACRO folder_key(source, levels) AS
    {ids.row_key_sql("al", "'%fo/' || array_to_string(levels, '/')", "source")};
"""

_KINDS = """
CREATE TABLE music AS SELECT f.*, o.size, o.suffix, o.access FROM files f
    JOIN objects o USING (root) WHERE o.kind = 'audio';
CREATE TABLE pictures AS SELECT f.*, o.access FROM files f JOIN objects o USING (root)
    WHERE o.kind = 'image';
CREATE TABLE inside AS SELECT e.*, o.access FROM embedded e JOIN objects o ON o.root = e.picture
    WHERE o.kind = 'image';
"""

# Which tracks there are


def _items(connection: Connection, snapshot: Snapshot) -> list[str]:
    """One row for each track that is held, whatever it is called; returns the sources whose layers
    say what they are called."""
    connection.execute(_ITEMS)
    sources = [row[0] for row in connection.sql("SELECT DISTINCT source FROM items").fetchall()]
    connection.execute(
        f"CREATE TABLE named AS SELECT track FROM tracks WHERE {_of(sources)}"
        " AND track IN (SELECT track FROM items)"
    )
    connection.execute(_NAMELESS)
    asked = connection.sql("SELECT DISTINCT recording FROM nameless WHERE recording IS NOT NULL")
    recordings = asked.to_arrow_table()["recording"]
    if len(recordings):
        shown = describe.display(snapshot, recordings.to_numpy())
        connection.register("shown", shown.select(["recording", "track", "source"]))
    else:
        connection.execute("CREATE TABLE shown (recording UBIGINT, track UBIGINT, source VARCHAR)")
    more = [row[0] for row in connection.sql("SELECT DISTINCT source FROM shown").fetchall()]
    connection.execute(_FOUND)
    return sorted({*sources, *more})


_ITEMS = """
CREATE TABLE parts AS SELECT o.source, o.path, o.track, o.start_ms, o.end_ms, o.duration_ms
    FROM offers o WHERE o.start_ms IS NOT NULL AND (o.source, o.path) IN
        (SELECT (source, path) FROM music);
CREATE TABLE items AS SELECT m.source, m.place, m.folder, m.name, m.root, m.size, m.suffix,
        m.action, m.access, coalesce(p.track, m.track) AS track, m.path, b.time AS created,
        coalesce(p.start_ms, 0) AS start_ms, p.end_ms, p.duration_ms AS part_ms
    FROM music m LEFT JOIN parts p USING (source, path)
    LEFT JOIN (SELECT batch, max(time) AS time FROM batches GROUP BY batch) b USING (batch);
"""

_NAMELESS = """
CREATE TABLE nameless AS SELECT i.* EXCLUDE (start_ms, end_ms), coalesce(r.successor, c.recording)
        AS recording, coalesce(nullif(c.start_ms, 0), i.start_ms) AS start_ms,
        coalesce(c.end_ms, i.end_ms) AS end_ms
    FROM items i LEFT JOIN carried c USING (root) LEFT JOIN redirects r USING (recording)
    WHERE i.track IS NULL OR i.track NOT IN (SELECT track FROM named);
"""

_FOUND = f"""
CREATE TABLE held AS SELECT * FROM (
    SELECT source, place, folder, name, root, size, suffix, action, access, created, path,
        start_ms, end_ms, part_ms, track, NULL::UBIGINT AS recording, source AS layer
    FROM items WHERE track IN (SELECT track FROM named)
    UNION ALL BY NAME
    SELECT n.source, n.place, n.folder, n.name, n.root, n.size, n.suffix, n.action, n.access,
        n.created, n.path, n.start_ms, n.end_ms, n.part_ms, n.recording, s.source AS layer,
        coalesce(s.track, n.track, {ids.row_key_sql("tr", "n.place", "n.source")}) AS track
    FROM nameless n LEFT JOIN shown s USING (recording))
    QUALIFY row_number() OVER (PARTITION BY track
        ORDER BY action <> 'original', size DESC, source, place, start_ms) = 1;
"""


def _of(sources: Iterable[str], column: str = "source") -> str:
    listed = ", ".join(quoted(one) for one in sources)
    return f"{column} IN ({listed})" if listed else "false"


# What they are called


_TRACK_FIELDS = {
    "title": "title",
    "artists": "names",
    "duration_ms": "duration_ms",
    "isrcs": "isrcs",
    "recording_mbid": "mbid",
    "release_date": "release_date",
    "genres": "genres",
    "explicit": "explicit",
    "popularity": "popularity",
    "listens": "listens",
    "disc_number": "disc_number",
    "track_number": "track_number",
}
_SUBJECTS = (Subjects("rec", "recording", _TRACK_FIELDS), Subjects("tr", "track", _TRACK_FIELDS))
_ALBUM_SUBJECTS = (
    Subjects(
        "al",
        "key",
        {
            "title": "title",
            "artists": "names",
            "release_date": "release_date",
            "mbid": "mbid",
            "label": "label",
        },
    ),
)
_ARTIST_SUBJECTS = (Subjects("ar", "key", {"name": "name", "mbid": "mbid"}),)


def _tracks(
    connection: Connection, snapshot: Snapshot, sources: Sequence[str], edits: Edits
) -> None:
    connection.execute(
        f"CREATE TABLE mine AS SELECT * FROM tracks WHERE {_of(sources)}"
        " AND track IN (SELECT track FROM held)"
    )
    connection.execute(
        "CREATE TABLE stands AS SELECT number, track AS standing FROM tracks WHERE"
        f" {_of(sources)} AND number IN (SELECT same_as FROM mine WHERE same_as IS NOT NULL)"
        if database.one(connection, "SELECT count(*) FROM mine WHERE same_as IS NOT NULL")
        else "CREATE TABLE stands (number UBIGINT, standing UBIGINT)"
    )
    connection.execute(_CARRYING)
    known = popularity.popularity_table(snapshot)
    connection.register("heard", known)
    connection.execute(
        "CREATE TABLE popular AS SELECT * FROM heard WHERE recording IN"
        " (SELECT recording FROM carrying)"
    )
    connection.unregister("heard")
    table = connection.sql(_SAID).to_arrow_table()
    connection.register("said", corrections.apply(table, edits, _SUBJECTS))


_CARRYING = f"""
CREATE TABLE carrying AS SELECT h.track, coalesce(r.successor, recording) AS recording FROM (
    SELECT h.track, coalesce(m.recording, {ids.minted_sql("coalesce(s.standing, t.track)")},
        h.recording, (SELECT min(c.recording) FROM carried c WHERE c.root = h.root
            AND c.start_ms = h.start_ms)) AS recording
    FROM held h LEFT JOIN mine t USING (track) LEFT JOIN stands s ON t.same_as = s.number
    LEFT JOIN (SELECT track, recording FROM run_members WHERE live) m USING (track)) h
    LEFT JOIN redirects r USING (recording);
CREATE TABLE recording_ids AS
    SELECT recording AS old, recording FROM (SELECT DISTINCT recording FROM carrying
        WHERE recording IS NOT NULL)
    UNION SELECT r.recording, r.successor FROM redirects r WHERE r.successor IN
        (SELECT recording FROM carrying);
"""

_SAID = """
SELECT h.track, c.recording, t.title, NULL::VARCHAR[] AS names, t.duration_ms, t.isrcs,
    t.recording_mbid AS mbid, t.release_date, t.genres, t.explicit, p.popularity, p.listens,
    t.disc_number, t.track_number, t.licence, t.artists AS artist_numbers, t.album AS album_number
FROM held h LEFT JOIN mine t USING (track) LEFT JOIN carrying c USING (track)
    LEFT JOIN popular p ON c.recording = p.recording
"""


def _names(connection: Connection, sources: Sequence[str], edits: Edits) -> None:
    """Albums and artists of these tracks, and everybody whom tags name."""
    albums = connection.sql(
        "SELECT album AS number, key, own_id, title, NULL::VARCHAR[] AS names, artists,"
        f" release_date, mbid, label, source FROM albums WHERE {_of(sources)}"
        " AND album IN (SELECT album FROM mine)"
    ).to_arrow_table()
    connection.register("discs", corrections.apply(albums, edits, _ALBUM_SUBJECTS))
    artists = connection.sql(
        "SELECT artist AS number, key, own_id, name, mbid, source FROM artists"
        f" WHERE {_of(sources)} AND artist IN (SELECT unnest(artists) FROM mine"
        " UNION SELECT unnest(artists) FROM discs)"
    ).to_arrow_table()
    connection.register("people", corrections.apply(artists, edits, _ARTIST_SUBJECTS))
    connection.register("tagged", _tagged(connection))


_TAGS = """
SELECT h.track, o.tags_json FROM held h JOIN offers o USING (source, path)
WHERE o.tags_json IS NOT NULL AND regexp_matches(o.tags_json,
    '(?i)compos|conduct|TCOM|TPE3|wrt|IMUS')
"""


def _tagged(connection: Connection) -> pa.Table:
    """(track, role, position, name) of composers and conductors, as the files' tags have them."""
    connection.execute(
        "CREATE TABLE tags AS SELECT track, pair[1] AS tag, pair[2] AS name, place FROM ("
        " SELECT track, unnest(pairs) AS pair, generate_subscripts(pairs, 1) AS place FROM ("
        f" SELECT track, from_json(tags_json, '[[\"VARCHAR\"]]') AS pairs FROM ({_TAGS})))"
    )
    keys = [row[0] for row in connection.sql("SELECT DISTINCT tag FROM tags").fetchall()]
    roles = [(key, canonical(key).lower()) for key in keys if canonical(key) in TAG_KEYS]
    connection.register(
        "tag_roles",
        pa.table({"tag": [one[0] for one in roles], "role": [one[1] for one in roles]},
                 schema=pa.schema([("tag", pa.string()), ("role", pa.string())])),
    )  # fmt: skip
    return connection.sql(
        "SELECT DISTINCT ON (track, role, trim(name)) track, role, place AS position,"
        " trim(name) AS name FROM tags JOIN tag_roles USING (tag) WHERE trim(name) <> ''"
    ).to_arrow_table()


def _sounds(connection: Connection, files: Sequence[Path]) -> None:
    """What capture measured of each object."""
    read = (
        f"SELECT {_SOUND_COLUMNS} FROM {database.parquet(files)} WHERE root IN"
        " (SELECT root FROM held) QUALIFY row_number() OVER (PARTITION BY root ORDER BY batch DESC)"
        " = 1"
        if files
        else _NO_SOUNDS
    )
    connection.execute(f"CREATE TABLE sounds AS {read}")
    connection.execute(_MEASURED)


_SOUND_COLUMNS = (
    "root, sample_rate, bit_depth, channels, bit_rate, duration_ms, integrated_lufs AS lufs,"
    " coalesce(true_peak_dbtp, sample_peak_dbfs) AS peak, codec, verdict"
)
_NO_SOUNDS = (
    "SELECT NULL::BLOB AS root, NULL::INTEGER AS sample_rate, NULL::SMALLINT AS bit_depth,"
    " NULL::SMALLINT AS channels, NULL::BIGINT AS bit_rate, NULL::BIGINT AS duration_ms,"
    " NULL::FLOAT AS lufs, NULL::FLOAT AS peak, NULL::VARCHAR AS codec, NULL::VARCHAR AS verdict"
    " WHERE false"
)


_MEASURED = f"""
CREATE TABLE facts AS SELECT h.track, h.source, h.place, h.folder, h.root, h.size, h.suffix,
    h.access, h.created, h.start_ms, h.end_ms, coalesce(h.layer, h.source) AS layer, s.recording,
    coalesce(nullif(trim(s.title), ''), nullif(regexp_replace(h.name, '\\.[^.]*$', ''), ''), h.name)
        AS title,
    CASE WHEN a.key IS NOT NULL THEN a.key
        ELSE {ids.row_key_sql("al", "'%/' || h.folder", "h.source")} END AS album,
    a.key IS NULL AS loose, s.names, s.artist_numbers, s.isrcs[1] AS isrc, s.mbid,
    coalesce(s.release_date, a.release_date) AS release_date, coalesce(s.genres, []) AS genres,
    s.explicit, s.popularity, s.listens, s.disc_number, s.track_number, s.licence,
    CASE WHEN h.start_ms > 0 OR h.end_ms IS NOT NULL THEN greatest(coalesce(h.part_ms,
            coalesce(h.end_ms, m.duration_ms) - h.start_ms, s.duration_ms, 0), 0)
        ELSE coalesce(m.duration_ms, s.duration_ms, 0) END AS duration_ms,
    coalesce(m.bit_rate // 1000, CASE WHEN s.duration_ms > 0 THEN h.size * 8 // s.duration_ms END)
        AS bit_rate, m.sample_rate, m.bit_depth, m.channels,
    CASE WHEN isfinite(m.lufs) THEN m.lufs END AS lufs,
    CASE WHEN isfinite(m.peak) THEN pow(10, m.peak / 20) END AS peak,
    coalesce(m.codec, h.suffix[2:]) AS codec, m.verdict
FROM held h LEFT JOIN said s USING (track) LEFT JOIN discs a ON s.album_number = a.number
    LEFT JOIN sounds m USING (root);
"""
