"""Small SQLite databases in many tables, in a shape that such releases have."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE artists(id TEXT, name TEXT);
CREATE TABLE albums(id TEXT, name TEXT, released, upc, label TEXT);
CREATE TABLE tracks(id, name, album, number, ms, explicit, isrc, popularity);
CREATE TABLE credits(track, artist, place);
CREATE TABLE album_credits(album, artist, place);
CREATE TABLE styles(artist, style);
"""

MAP = """
[tables.artists]
table = "artists"
columns = { id = "id", name = "name" }
[tables.albums]
table = "albums"
columns = { id = "id", title = "name", release_date = "released", upc = "upc", label = "label" }
[tables.tracks]
table = "tracks"
[tables.tracks.columns]
id = "id"
title = "name"
album = "album"
track_number = "number"
duration_ms = "ms"
explicit = "explicit"
isrc = "isrc"
popularity = "popularity"
[joins.track_artists]
table = "credits"
track = "track"
artist = "artist"
order = "place"
[joins.album_artists]
table = "album_credits"
album = "album"
artist = "artist"
order = "place"
[joins.artist_genres]
table = "styles"
artist = "artist"
genre = "style"
"""


def database(path: Path, **tables: Iterable[tuple[Any, ...]]) -> Path:
    """Write a database with these rows; text is stored as it is, bytes as text of these bytes."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLES)
        for table, rows in tables.items():
            for row in rows:
                places = ", ".join(
                    "CAST(? AS TEXT)" if isinstance(cell, bytes) else "?" for cell in row
                )
                connection.execute(f"INSERT INTO {table} VALUES ({places})", row)
    return path


def many(path: Path, tracks: int, first: int = 0) -> Path:
    """A database of so many tracks: two on an album, four to an artist."""
    numbers = range(first, first + tracks)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLES)
        connection.executemany(
            "INSERT INTO artists(rowid, id, name) VALUES (?, ?, ?)",
            ((n // 4 + 1, f"ar{n // 4}", f"Artist {n // 4}") for n in numbers if n % 4 == 0),
        )
        connection.executemany(
            "INSERT INTO albums(rowid, id, name, released) VALUES (?, ?, ?, ?)",
            ((n // 2 + 1, f"al{n // 2}", f"Album {n // 2}", "1999") for n in numbers if n % 2 == 0),
        )
        connection.executemany(
            "INSERT INTO tracks(rowid, id, name, album, number, ms, explicit, isrc, popularity)"
            " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)",
            (
                (n + 1, f"t{n}", f"Song {n}", n // 2 + 1, n % 2 + 1, 1000 * (n % 300 + 1),
                 f"USABC{n % 10_000_000:07}", n % 101)
                for n in numbers
            ),
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO credits VALUES (?, ?, 0)", ((n + 1, n // 4 + 1) for n in numbers)
        )
    return path
