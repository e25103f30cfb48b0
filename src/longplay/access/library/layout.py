"""The library's file: an SQLite database that is written once. Format: docs/formats/library.md.

Things of a kind are numbered from 0, without gaps, in the order in which they are browsed: tracks
album by album, albums by artist, artists by name. A list is the numbers of things in another order.
"""

from __future__ import annotations

from longplay.access.library.things import Role

VERSION = 5
"""Version of this file; one of another version is built again."""

ROLES: dict[Role, int] = {"album": 1, "artist": 2, "composer": 4, "conductor": 8}
"""What somebody does for music, as bits of a number."""

TABLES = """
CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE track (n INTEGER PRIMARY KEY, id TEXT NOT NULL, recording TEXT, title TEXT NOT NULL,
    artist TEXT NOT NULL, artists TEXT NOT NULL, album TEXT NOT NULL, album_id TEXT NOT NULL,
    album_artist TEXT NOT NULL, album_artists TEXT NOT NULL, track_number INTEGER,
    disc_number INTEGER, year INTEGER, release_date TEXT, genres TEXT, duration_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL, suffix TEXT NOT NULL, bit_rate INTEGER, sample_rate INTEGER,
    bit_depth INTEGER, channels INTEGER, isrc TEXT, mbid TEXT, popularity REAL, listens REAL,
    path TEXT NOT NULL, folder TEXT NOT NULL, created TEXT NOT NULL, access INTEGER NOT NULL,
    root BLOB NOT NULL, cover BLOB, open_cover BLOB, track_gain REAL, album_gain REAL,
    track_peak REAL, album_peak REAL, composers TEXT, conductors TEXT, licence TEXT,
    explicit INTEGER, start_ms INTEGER NOT NULL, end_ms INTEGER, album_n INTEGER NOT NULL);
CREATE TABLE album (n INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL,
    artist TEXT NOT NULL, artists TEXT NOT NULL, year INTEGER, release_date TEXT,
    genres TEXT NOT NULL, tracks INTEGER NOT NULL, open_tracks INTEGER NOT NULL,
    files INTEGER NOT NULL, duration_ms INTEGER NOT NULL, open_duration_ms INTEGER NOT NULL,
    created TEXT NOT NULL, cover BLOB, open_cover BLOB, mbid TEXT, label TEXT, popularity REAL,
    explicit INTEGER, discs INTEGER NOT NULL, compilation INTEGER NOT NULL,
    first INTEGER NOT NULL);
CREATE TABLE artist (n INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL,
    sort_name TEXT NOT NULL, sorted TEXT NOT NULL, albums INTEGER NOT NULL,
    open_albums INTEGER NOT NULL, tracks INTEGER NOT NULL, open_tracks INTEGER NOT NULL, cover BLOB,
    open_cover BLOB, mbid TEXT, roles INTEGER NOT NULL, open_roles INTEGER NOT NULL);
CREATE TABLE artist_id (id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE recording_id (id TEXT PRIMARY KEY, recording TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE artist_track (artist INTEGER, track INTEGER, roles INTEGER NOT NULL,
    PRIMARY KEY (artist, track)) WITHOUT ROWID;
CREATE TABLE artist_album (artist INTEGER, place INTEGER, album INTEGER NOT NULL,
    roles INTEGER NOT NULL, PRIMARY KEY (artist, place)) WITHOUT ROWID;
CREATE TABLE genre (name TEXT PRIMARY KEY, tracks INTEGER NOT NULL,
    open_tracks INTEGER NOT NULL, albums INTEGER NOT NULL, open_albums INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE folder (id TEXT PRIMARY KEY, name TEXT NOT NULL, parent TEXT, tracks INTEGER NOT NULL,
    open_tracks INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE picture (root BLOB, album INTEGER, PRIMARY KEY (root, album)) WITHOUT ROWID;
CREATE TABLE list (name TEXT PRIMARY KEY, numbers BLOB NOT NULL) WITHOUT ROWID;
"""

INDEXES = """
CREATE UNIQUE INDEX track_by_id ON track (id);
CREATE INDEX track_by_recording ON track (recording);
CREATE INDEX track_by_root ON track (root);
CREATE INDEX track_by_folder ON track (folder);
CREATE UNIQUE INDEX album_by_id ON album (id);
CREATE UNIQUE INDEX artist_by_id ON artist (id);
CREATE INDEX folder_by_parent ON folder (parent, name);
CREATE INDEX genre_by_name ON genre (name COLLATE NOCASE);
"""

KINDS = ("track", "album", "artist")
"""What is searched, each in a full-text index of its own: its row numbers are places, from 1, in
the list of the kind by popularity."""

TEXTS = "".join(
    f"""CREATE VIRTUAL TABLE {kind}_text USING fts5(words, content = '', columnsize = 0,
        detail = none, prefix = '1 2 3',
        tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* P* S* C*'");
    """
    for kind in KINDS
)

OPEN = ":open"
"""The word of what anybody may hear. No word of a name has a colon, so that none begins like it."""

EXACT = ":is:"
"""What the word begins with that is a whole name."""

INSIDE = ":in:"
"""What the words begin with that say from which sources something is; the ids of their folders
follow."""
