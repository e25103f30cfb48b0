"""Who made what: artists of tracks and of albums, as one artist whatever sources call them.

SQL for `gathering`, in steps. Before: `facts` (a row a track), `discs` (albums as sources have
them), `people` (artists as sources have them), `tagged`. After: `credits(track, album, role,
position, artist, name)`, `same_artists(key, head)`, `artist_order` and what credits look like.
"""

from __future__ import annotations

from longplay.access.library.things import IGNORED_ARTICLES
from longplay.catalogue import ids

UNKNOWN = "Unknown Artist"
VARIOUS = "Various Artists"
"""Who stands for nobody, and for many."""

SORTED = f"regexp_replace({{0}}, '(?i)^(?:{'|'.join(IGNORED_ARTICLES)})\\s+(\\S)', '\\1')"
"""A name as it is sorted."""

_ALBUMS = f"""
CREATE TABLE track_names AS
    SELECT track, 'artist' AS role, generate_subscripts(names, 1) AS position,
        unnest(names) AS name, NULL::UBIGINT AS number, layer FROM facts WHERE names IS NOT NULL
    UNION ALL BY NAME SELECT track, 'artist' AS role, position, p.name, f.number, layer FROM (
        SELECT track, layer, generate_subscripts(artist_numbers, 1) AS position,
            unnest(artist_numbers) AS number FROM facts WHERE names IS NULL) f
        JOIN people p USING (number)
    UNION ALL BY NAME SELECT t.track, t.role, t.position, t.name, NULL AS number, f.layer
        FROM tagged t JOIN facts f USING (track);
DELETE FROM track_names WHERE name IS NULL OR trim(name) = '';
CREATE TABLE album_names AS
    SELECT key AS album, generate_subscripts(names, 1) AS position, unnest(names) AS name,
        NULL::UBIGINT AS number, source AS layer FROM discs WHERE names IS NOT NULL
    UNION ALL BY NAME SELECT d.album, position, p.name, d.number, layer FROM (
        SELECT key AS album, source AS layer, generate_subscripts(artists, 1) AS position,
            unnest(artists) AS number FROM discs WHERE names IS NULL) d
        JOIN people p USING (number);
DELETE FROM album_names WHERE name IS NULL OR trim(name) = '';
CREATE TABLE leads AS SELECT f.album, count(*) AS tracks,
        count(DISTINCT plain_name(n.name)) AS leads, mode(n.name) AS lead
    FROM facts f LEFT JOIN track_names n ON n.track = f.track AND n.role = 'artist'
        AND n.position = 1 GROUP BY f.album;
CREATE TABLE shares AS SELECT f.album, count(DISTINCT f.track) AS named FROM facts f
    JOIN track_names n ON n.track = f.track AND n.role = 'artist'
    WHERE (f.album, plain_name(n.name)) IN (SELECT (album, plain_name(name)) FROM album_names)
    GROUP BY f.album;
CREATE TABLE implied AS SELECT d.key AS album FROM discs d JOIN leads l ON l.album = d.key
    LEFT JOIN shares s USING (album)
    LEFT JOIN (SELECT album, string_agg(name, '; ' ORDER BY position) AS name FROM album_names
        GROUP BY album) c USING (album)
    WHERE contains(d.own_id, chr(31)) AND d.names IS NULL AND l.leads > 1
        AND coalesce(s.named, 0) * 2 <= l.tracks
        AND split_part(d.own_id, chr(31), 1) <> plain_name(coalesce(c.name, ''));
DELETE FROM album_names WHERE album IN (FROM implied);
INSERT INTO album_names SELECT album, 1, CASE WHEN leads = 1 THEN lead WHEN leads = 0 THEN
        '{UNKNOWN}' ELSE '{VARIOUS}' END, NULL, ''
    FROM leads WHERE album NOT IN (SELECT album FROM album_names);
INSERT INTO track_names SELECT track, 'artist', 1, '{UNKNOWN}', NULL, '' FROM facts
    WHERE track NOT IN (SELECT track FROM track_names WHERE role = 'artist');
"""
"""`implied`: albums whose files name no album artist, and whose first track's does not stand for
the rest."""

_MBID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_CREDITS = f"""
CREATE TABLE called AS SELECT *, plain_name(name) AS plain FROM (
    SELECT t.track, NULL::UBIGINT AS album, t.role, t.position, coalesce(p.name, t.name) AS name,
        coalesce(p.key, {ids.row_key_sql("ar", "plain_name(t.name)", "t.layer")}) AS key,
        coalesce(p.mbid, CASE WHEN regexp_full_match(p.own_id, '{_MBID}') THEN p.own_id END) AS mbid
    FROM track_names t LEFT JOIN people p USING (number)
    UNION ALL BY NAME
    SELECT NULL::UBIGINT AS track, a.album, 'album' AS role, a.position,
        coalesce(p.name, a.name) AS name,
        coalesce(p.key, {ids.row_key_sql("ar", "plain_name(a.name)", "a.layer")}) AS key,
        coalesce(p.mbid, CASE WHEN regexp_full_match(p.own_id, '{_MBID}') THEN p.own_id END) AS mbid
    FROM album_names a LEFT JOIN people p USING (number));
CREATE TABLE known AS SELECT key, plain, max(mbid) AS mbid, mode(name) AS name, count(*) AS times
    FROM called GROUP BY key, plain;
CREATE TABLE chief AS SELECT plain, arg_max(mbid, (times, mbid)) AS mbid FROM (
    SELECT plain, mbid, sum(times) AS times FROM known WHERE mbid IS NOT NULL GROUP BY plain, mbid)
    GROUP BY plain;
CREATE TABLE grouped AS SELECT k.*, coalesce(k.mbid, c.mbid, '') AS which
    FROM known k LEFT JOIN chief c USING (plain);
CREATE TABLE heads AS SELECT plain, which, arg_max(key, (times, key)) AS head,
        arg_max(name, (times, key)) AS name
    FROM grouped GROUP BY plain, which;
CREATE TABLE same_artists AS SELECT g.key, min(h.head) AS head FROM grouped g
    JOIN heads h USING (plain, which) GROUP BY g.key;
CREATE TABLE credits AS SELECT c.track, c.album, c.role, min(c.position) AS position,
        s.head AS artist, any_value(c.name) AS name
    FROM called c JOIN same_artists s USING (key) GROUP BY c.track, c.album, c.role, s.head;
"""
"""Artists of several sources, or of files with an identifier and without, are one when they are
called alike, unless two identifiers tell them apart."""

_ARTISTS = f"""
CREATE TABLE artist_named AS SELECT h.head AS artist, min(h.name) AS name,
        min(nullif(h.which, '')) AS mbid FROM heads h GROUP BY h.head;
CREATE TABLE artist_order AS SELECT row_number() OVER (ORDER BY sorted, name, artist) - 1 AS n, *
    FROM (SELECT *, plain_name(sort_name) AS sorted
        FROM (SELECT *, {SORTED.format("name")} AS sort_name FROM artist_named));
CREATE TABLE track_credits_of AS SELECT track,
    to_json(list([{ids.text_sql("ar", "artist")}, name] ORDER BY position)
        FILTER (role = 'artist')) AS artists,
    string_agg(name, ', ' ORDER BY position) FILTER (role = 'artist') AS artist,
    to_json(list([{ids.text_sql("ar", "artist")}, name] ORDER BY position)
        FILTER (role = 'composer')) AS composers,
    to_json(list([{ids.text_sql("ar", "artist")}, name] ORDER BY position)
        FILTER (role = 'conductor')) AS conductors, string_agg(DISTINCT name, ' ') AS everybody
    FROM credits WHERE track IS NOT NULL GROUP BY track;
CREATE TABLE album_credits_of AS SELECT album, min(n.sorted) AS sorted,
    to_json(list([{ids.text_sql("ar", "c.artist")}, c.name] ORDER BY position)) AS artists,
    string_agg(c.name, ', ' ORDER BY position) AS artist
    FROM credits c JOIN artist_order n ON n.artist = c.artist WHERE album IS NOT NULL
    GROUP BY album;
"""

STEPS = (_ALBUMS, _CREDITS, _ARTISTS)
