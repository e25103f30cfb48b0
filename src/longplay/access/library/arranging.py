"""What lies where: genres, covers, albums and tracks in their order, folders, what artists have.

SQL for `gathering`, in steps, after those of `crediting`.
"""

from __future__ import annotations

from longplay.access.library.crediting import SORTED
from longplay.access.library.layout import ROLES
from longplay.catalogue import ids
from longplay.catalogue.database import quoted
from longplay.model import Verdict
from longplay.planning.candidates import LOSSLESS_RATES

REFERENCE_LUFS = -18.0
"""What ReplayGain 2.0 brings music to."""
_BIT = f"CASE role {' '.join(f'WHEN {quoted(name)} THEN {bit}' for name, bit in ROLES.items())} END"

_BETTER = (
    f"verdict IS DISTINCT FROM {quoted(Verdict.WHOLE)}, NOT"
    f" regexp_matches(lower(codec), '^(?:{'|'.join(LOSSLESS_RATES)})'), bit_rate DESC NULLS LAST,"
    " size DESC, source, place, start_ms, track"
)
"""The order of files of one recording, the best first: as plans choose among them."""

_SPOTS = f"""
CREATE TABLE placed AS SELECT f.*, CASE WHEN discs > 1 THEN disc_number END AS disc FROM facts f
    JOIN (SELECT album, count(DISTINCT coalesce(disc_number, 1)) AS discs FROM facts GROUP BY album)
    USING (album);
CREATE TABLE spots AS SELECT track, spot, first_value(track_number) OVER best AS spot_number,
    min(place) OVER one AS spot_place, min(start_ms) OVER one AS spot_start,
    row_number() OVER best AS choice,
    row_number() OVER (PARTITION BY spot, access ORDER BY {_BETTER}) AS choice_alike
    FROM (SELECT *, min(track) OVER (PARTITION BY album, disc, recording,
            CASE WHEN recording IS NULL THEN track END, CASE WHEN repeats THEN track_number END,
            CASE WHEN repeats AND track_number IS NULL THEN start_ms END) AS spot
        FROM (SELECT *, max(times) OVER (PARTITION BY album, disc, recording) > 1 AS repeats
            FROM (SELECT *, count(*) OVER (PARTITION BY album, disc, recording, source, folder,
                suffix) AS times FROM placed)))
    WINDOW one AS (PARTITION BY spot), best AS (PARTITION BY spot ORDER BY {_BETTER});
DROP TABLE placed;
"""
"""Files of the same recording at the same place of an album (an original and a smaller copy of it,
say) have one spot; `choice` numbers them, the best first, and `choice_alike` those of one access
class among themselves. Each is a track by its id, and lists have one of them. Copies in another
folder or encoding have one spot whatever number their tags say, which is that of the best; only
where one folder has a recording more than once in one encoding do numbers tell its places apart."""

_GENRES = """
CREATE TABLE genre_names AS SELECT track, trim(unnest(genres)) AS name FROM facts;
CREATE TABLE spelled AS SELECT plain_name(name) AS plain, mode(name) AS name FROM genre_names
    WHERE name <> '' GROUP BY ALL;
CREATE TABLE track_genres AS SELECT DISTINCT g.track, s.name AS genre FROM genre_names g
    JOIN spelled s ON s.plain = plain_name(g.name);
CREATE TABLE track_genre_lists AS SELECT track, to_json(list(genre ORDER BY genre)) AS genres
    FROM track_genres GROUP BY track;
"""

_FRONT = r"'(?i)^(?:folder|cover|front|album|albumart)[^/]*\.'"

_COVERS = f"""
CREATE TABLE folder_pictures AS SELECT place, arg_min(root, (best, name)) AS picture,
    arg_min(root, (best, name)) FILTER (access = 0) AS open_picture FROM (
    SELECT album AS place, root, name, access, NOT regexp_matches(name, {_FRONT}) AS best
        FROM pictures WHERE album IS NOT NULL
    UNION ALL SELECT {ids.row_key_sql("al", "'%/' || folder", "source")}, root, name, access,
        NOT regexp_matches(name, {_FRONT}) FROM pictures) GROUP BY place;
CREATE TABLE own_pictures AS SELECT root, arg_min(picture, (best, picture)) AS picture,
    arg_min(picture, (best, picture)) FILTER (access = 0) AS open_picture FROM (
    SELECT *, CASE role WHEN 'front cover' THEN 0 WHEN 'other' THEN 1 WHEN 'media' THEN 2 ELSE 3
        END AS best FROM inside WHERE root IN (SELECT root FROM held)) GROUP BY root;
CREATE TABLE album_pictures AS SELECT f.album,
    coalesce(any_value(p.picture), mode(o.picture)) AS picture,
    coalesce(any_value(p.open_picture), mode(o.open_picture)) AS open_picture
    FROM facts f LEFT JOIN folder_pictures p ON p.place = f.album
    LEFT JOIN own_pictures o USING (root) GROUP BY f.album;
"""
"""`open_picture` is the one for those who see what is open alone."""

_CLEAN = (
    "coalesce(nullif(trim(regexp_replace({0}, '[/\\\\\\x00-\\x1f:*?\"<>|]', '_', 'g'), ' .'), ''),"
    " '_')"
)
"""A name as a part of a path."""

MEMBERS, GUESTS = "choice = 1", "access = 0 AND choice_alike = 1"
"""What is listed for those who hear everything, and for those who hear what is open alone."""

_ORDERED = f"""
CREATE TABLE album_sums AS SELECT album, count(*) AS files, count(*) FILTER ({MEMBERS}) AS tracks,
        count(*) FILTER ({GUESTS}) AS open_tracks,
        sum(duration_ms) FILTER ({MEMBERS}) AS duration_ms,
        coalesce(sum(duration_ms) FILTER ({GUESTS}), 0) AS open_duration_ms,
        max(created) AS created, min(release_date) AS release_date, max(popularity) AS popularity,
        bool_or(explicit) AS explicit, count(DISTINCT coalesce(disc_number, 1)) AS discs,
        max(peak) AS peak, {REFERENCE_LUFS} - 10 * log10(sum(duration_ms * pow(10, lufs / 10))
            FILTER (lufs IS NOT NULL) / nullif(sum(duration_ms) FILTER (lufs IS NOT NULL), 0))
            AS gain, any_value(folder) AS folder, any_value(source) AS source
    FROM facts JOIN spots USING (track) GROUP BY album;
CREATE TABLE album_genre_lists AS SELECT album, to_json(list(genre ORDER BY times DESC, genre))
        AS genres FROM (SELECT f.album, g.genre, count(*) AS times FROM track_genres g
        JOIN facts f USING (track) GROUP BY ALL) GROUP BY album;
CREATE TABLE album_rows AS SELECT row_number() OVER (ORDER BY c.sorted, year, title_key, album) - 1
        AS n, * EXCLUDE (sorted) FROM (
    SELECT s.album, coalesce(nullif(trim(d.title), ''), nullif(regexp_replace(s.folder, '^.*/', ''),
            ''), s.source) AS title, c.artist, c.artists, c.sorted,
        coalesce(d.release_date, s.release_date) AS release_date,
        try_cast(left(coalesce(d.release_date, s.release_date), 4) AS SMALLINT) AS year,
        coalesce(g.genres, '[]') AS genres, s.* EXCLUDE (album, release_date, folder, source),
        p.picture, p.open_picture, d.mbid, d.label,
        plain_name({SORTED.format("coalesce(d.title, s.folder)")})
            AS title_key, coalesce(i.album IS NOT NULL OR plain_name(c.artist) IN ('various',
            'various artists', 'va'), false) AS compilation
    FROM album_sums s LEFT JOIN discs d ON d.key = s.album
        LEFT JOIN album_credits_of c USING (album) LEFT JOIN album_genre_lists g USING (album)
        LEFT JOIN album_pictures p USING (album) LEFT JOIN implied i USING (album)) c;
CREATE TABLE track_rows AS SELECT row_number() OVER (ORDER BY a.n,
        CASE WHEN a.discs > 1 THEN disc_number END NULLS FIRST, spot_number NULLS LAST,
        spot_place, spot_start, spot, choice) - 1 AS n, f.* EXCLUDE (genres, names, verdict),
    s.spot, s.choice, s.choice_alike,
    a.n AS album_n, a.title AS album_title, a.artist AS album_artist, a.artists AS album_artists,
    c.artist, coalesce(c.artists, '[]') AS artists, c.composers, c.conductors, c.everybody,
    g.genres,
    coalesce(o.picture, a.picture) AS picture,
    coalesce(o.open_picture, a.open_picture) AS open_picture, a.gain AS album_gain,
    a.peak AS album_peak,
    {REFERENCE_LUFS} - f.lufs AS gain,
    try_cast(left(f.release_date, 4) AS SMALLINT) AS year,
    concat({_CLEAN.format("a.artist")}, '/', {_CLEAN.format("a.title")}, '/',
        CASE WHEN a.discs > 1 AND f.disc_number IS NOT NULL THEN f.disc_number || '-' ELSE '' END,
        CASE WHEN f.track_number IS NOT NULL THEN lpad(f.track_number::VARCHAR, 2, '0') || ' '
            ELSE '' END, {_CLEAN.format("f.title")}, f.suffix) AS path
    FROM facts f JOIN spots s USING (track) JOIN album_rows a USING (album)
        LEFT JOIN track_credits_of c USING (track)
        LEFT JOIN track_genre_lists g USING (track) LEFT JOIN own_pictures o USING (root);
"""

_FOLDERS = f"""
CREATE TABLE places AS SELECT source, levels_of(folder) AS levels, count(*) AS tracks,
    count(*) FILTER (access = 0) AS open_tracks FROM facts GROUP BY ALL;
CREATE TABLE folder_rows AS SELECT {ids.text_sql("fo-", "folder_key(source, levels)")} AS id,
    CASE WHEN len(levels) = 0 THEN source ELSE levels[-1] END AS name,
    CASE WHEN len(levels) > 0 THEN {ids.text_sql("fo-", "folder_key(source, levels[:-2])")} END
        AS parent, tracks, open_tracks
    FROM (SELECT source, levels[:depth] AS levels, sum(tracks)::BIGINT AS tracks,
        sum(open_tracks)::BIGINT AS open_tracks
        FROM (SELECT *, unnest(range(0, len(levels) + 1)) AS depth FROM places) GROUP BY ALL);
"""

_COUNTED = f"""
CREATE TABLE artist_tracks AS SELECT o.n AS artist, t.n AS track, bit_or(r.bit) AS roles,
        any_value(t.album_n) AS album, any_value(t.access) AS access, any_value(t.spot) AS spot
    FROM (
    SELECT artist, track, {_BIT} AS bit FROM credits WHERE track IS NOT NULL
    UNION ALL SELECT c.artist, f.track, {ROLES["album"]} FROM credits c JOIN facts f USING (album)
        WHERE c.album IS NOT NULL) r
    JOIN artist_order o ON o.artist = r.artist JOIN track_rows t ON t.track = r.track
    GROUP BY o.n, t.n;
CREATE TABLE artist_albums AS SELECT artist, album, bit_or(roles) AS roles, count(*) AS tracks,
    count(*) FILTER (access = 0) AS open_tracks FROM artist_tracks GROUP BY artist, album;
CREATE TABLE artist_rows AS SELECT o.n, {ids.text_sql("ar", "o.artist")} AS id, o.name, o.sort_name,
    o.sorted, o.mbid, s.*, p.picture, p.open_picture, h.popularity FROM artist_order o
    JOIN (SELECT artist, bit_or(roles) AS roles, count(DISTINCT spot) AS tracks,
        coalesce(bit_or(roles) FILTER (access = 0), 0) AS open_roles,
        count(DISTINCT spot) FILTER (access = 0) AS open_tracks
        FROM artist_tracks GROUP BY artist) s
        ON s.artist = o.n
    LEFT JOIN (SELECT x.artist, arg_max(r.picture, (coalesce(r.popularity, 0), -r.n))
            FILTER (r.picture IS NOT NULL) AS picture,
        arg_max(r.open_picture, (coalesce(r.popularity, 0), -r.n))
            FILTER (r.open_picture IS NOT NULL) AS open_picture
        FROM artist_albums x JOIN album_rows r ON r.n = x.album GROUP BY x.artist) p
        ON p.artist = o.n
    LEFT JOIN (SELECT x.artist, max(t.popularity) AS popularity FROM artist_tracks x
        JOIN track_rows t ON t.n = x.track GROUP BY x.artist) h ON h.artist = o.n;
"""

_SOURCES = f"""
CREATE TABLE sources AS SELECT source, {ids.text_sql("fo-", "folder_key(source, [])")} AS id
    FROM (SELECT DISTINCT source FROM facts);
CREATE TABLE track_sources AS SELECT t.n, s.id AS source FROM track_rows t JOIN sources s
    USING (source);
CREATE TABLE album_sources AS SELECT DISTINCT t.album_n AS n, s.source FROM track_rows t
    JOIN track_sources s USING (n);
CREATE TABLE artist_sources AS SELECT x.artist AS n, s.source, bit_or(x.roles) AS roles,
    coalesce(bit_or(x.roles) FILTER (x.access = 0), 0) AS open_roles
    FROM artist_tracks x JOIN track_sources s ON s.n = x.track GROUP BY ALL;
"""
"""Of which sources things are; a source is called as its folder is."""

STEPS = (_SPOTS, _GENRES, _COVERS, _ORDERED, _FOLDERS, _COUNTED, _SOURCES)
