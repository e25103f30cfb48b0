"""The tables of `people.sqlite3`, version 1. docs/formats/people.md says what they mean."""

from __future__ import annotations

VERSION = 1
"""Version of these tables, as `PRAGMA user_version`; a newer one is refused untouched."""

APPLICATION = 0x4C505045
"""`PRAGMA application_id`: "LPPE"."""

TABLES = """
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('admin', 'member', 'guest')),
    password TEXT NOT NULL,
    must_change INTEGER NOT NULL DEFAULT 0,
    disabled INTEGER NOT NULL DEFAULT 0,
    language TEXT,
    created TEXT NOT NULL
) STRICT;
CREATE TABLE api_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    hash BLOB NOT NULL UNIQUE,
    label TEXT NOT NULL,
    created TEXT NOT NULL
) STRICT;
CREATE INDEX api_key_account ON api_key (account);
CREATE TABLE app_password (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    sealed BLOB NOT NULL,
    label TEXT NOT NULL,
    created TEXT NOT NULL
) STRICT;
CREATE INDEX app_password_account ON app_password (account);
CREATE TABLE session (
    hash BLOB PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    created TEXT NOT NULL,
    expires TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account, created);
CREATE INDEX session_expires ON session (expires);
CREATE TABLE throttle (
    key BLOB PRIMARY KEY,
    failures INTEGER NOT NULL,
    until REAL NOT NULL,
    seen REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX throttle_seen ON throttle (seen);
CREATE TABLE playlist (
    id TEXT PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    name TEXT NOT NULL,
    comment TEXT NOT NULL,
    public INTEGER NOT NULL,
    created TEXT NOT NULL,
    changed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX playlist_account ON playlist (account, name);
CREATE INDEX playlist_public ON playlist (public, name);
CREATE TABLE playlist_entry (
    playlist TEXT NOT NULL REFERENCES playlist ON DELETE CASCADE,
    position INTEGER NOT NULL,
    track TEXT NOT NULL,
    PRIMARY KEY (playlist, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE star (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    thing TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (account, thing)
) STRICT, WITHOUT ROWID;
CREATE TABLE rating (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    thing TEXT NOT NULL,
    stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    PRIMARY KEY (account, thing)
) STRICT, WITHOUT ROWID;
CREATE TABLE queue (
    account INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    place INTEGER,
    position_ms INTEGER NOT NULL,
    changed TEXT NOT NULL,
    client TEXT NOT NULL
) STRICT;
CREATE TABLE queue_entry (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    position INTEGER NOT NULL,
    track TEXT NOT NULL,
    PRIMARY KEY (account, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE bookmark (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    track TEXT NOT NULL,
    position_ms INTEGER NOT NULL,
    comment TEXT NOT NULL,
    created TEXT NOT NULL,
    changed TEXT NOT NULL,
    PRIMARY KEY (account, track)
) STRICT, WITHOUT ROWID;
CREATE TABLE play (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    track TEXT NOT NULL,
    time TEXT NOT NULL,
    client TEXT NOT NULL,
    UNIQUE (account, time, track)
) STRICT;
CREATE TABLE play_count (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    track TEXT NOT NULL,
    plays INTEGER NOT NULL,
    last TEXT NOT NULL,
    PRIMARY KEY (account, track)
) STRICT, WITHOUT ROWID;
CREATE TABLE playing (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    client TEXT NOT NULL,
    track TEXT NOT NULL,
    started TEXT NOT NULL,
    reported TEXT NOT NULL,
    position_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    rate REAL NOT NULL,
    PRIMARY KEY (account, client)
) STRICT, WITHOUT ROWID;
CREATE TABLE fed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    play INTEGER NOT NULL
) STRICT;
INSERT INTO fed VALUES (1, 0);
"""
