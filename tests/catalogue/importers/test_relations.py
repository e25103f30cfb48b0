"""Databases in many tables: links, several files, what cannot be used, and what is damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from longplay.catalogue import imports
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current
from longplay.errors import InputError
from tests.catalogue.importers.databases import MAP, database, many


def bring(catalogue: Path, *paths: Path, text: str = MAP) -> imports.Imported:
    column_map = paths[0].with_name("map.toml")
    column_map.write_text(text)
    return import_table(catalogue, "s", paths, table_map=columns.load(column_map))


def rows(catalogue: Path, query: str) -> list[tuple[Any, ...]]:
    with open_current(catalogue).connect() as connection:
        return connection.execute(query).fetchall()


def test_tables_are_joined_by_their_links(tmp_path: Path, catalogue: Path) -> None:
    path = database(
        tmp_path / "a.sqlite",
        artists=[("a1", "Ann"), ("a2", "Bob")],
        albums=[
            ("l1", " First ", "1999-05", "036000291452", None),
            ("l2", "Second", "soon", "1", "L"),
        ],
        tracks=[
            ("t1", "One", 1, 1, 1000, 0, "US-ABC-00-00001;USABC0000002", 10),
            ("t2", "Two", 2, 2, 0, 1, "nonsense", None),
            ("t3", "Three", 99, None, None, None, None, 90.5),
        ],
        credits=[(2, 1, 1), (1, 2, 0), (2, 2, 0), (3, 77, 0)],
        album_credits=[(1, 2, 0)],
        styles=[(2, "jazz"), (2, "bop"), (1, "folk")],
    )
    done = bring(catalogue, path)
    assert (done.tracks, done.albums, done.artists) == (3, 2, 2)
    assert (done.rejected, done.duplicates, done.coverage) == (0, 0, 1.0)
    assert rows(
        catalogue,
        "SELECT t.own_id, t.title, t.artists, a.title, t.duration_ms, t.isrcs, t.genres,"
        " t.explicit, t.popularity FROM named_tracks t LEFT JOIN albums a USING (album)"
        " ORDER BY t.number",
    ) == [
        ("t3", "Three", [], None, None, [], None, None, 90.5),
        (
            "t1",
            "One",
            ["Bob"],
            "First",
            1000,
            ["USABC0000001", "USABC0000002"],
            ["jazz", "bop"],
            False,
            10.0,
        ),
        ("t2", "Two", ["Bob", "Ann"], "Second", None, [], ["jazz", "bop"], True, None),
    ]
    assert rows(catalogue, "SELECT title, artists, release_date, upc, label FROM named_albums") == [
        ("First", ["Bob"], "1999-05", "00036000291452", None),
        ("Second", [], None, None, "L"),
    ]


REFERENCE = """
CREATE TABLE artists(rowid INTEGER PRIMARY KEY, id TEXT, name TEXT);
CREATE TABLE albums(rowid INTEGER PRIMARY KEY, id TEXT, name TEXT, release_date TEXT,
    external_id_upc TEXT, label TEXT);
CREATE TABLE tracks(rowid INTEGER PRIMARY KEY, id TEXT, name TEXT, album_rowid INTEGER,
    disc_number INTEGER, track_number INTEGER, duration_ms INTEGER, explicit INTEGER,
    external_id_isrc TEXT, popularity INTEGER);
CREATE TABLE track_artists(track_rowid INTEGER, artist_rowid INTEGER, ordinal INTEGER);
CREATE TABLE artist_albums(artist_rowid INTEGER, album_rowid INTEGER, index_in_album INTEGER);
CREATE TABLE artist_genres(artist_rowid INTEGER, genre TEXT);
INSERT INTO artists VALUES (7, 'a', 'Ann');
INSERT INTO albums VALUES (8, 'l', 'First', '1999-05', '036000291452', 'L');
INSERT INTO tracks VALUES (9, 't', 'One', 8, 1, 2, 1000, 0, 'USABC0000001', 50);
INSERT INTO track_artists VALUES (9, 7, 0);
INSERT INTO artist_albums VALUES (7, 8, 0);
INSERT INTO artist_genres VALUES (7, 'jazz');
"""


def test_the_reference_release_needs_no_map_of_ones_own(tmp_path: Path, catalogue: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as connection:
        connection.executescript(REFERENCE)
    shipped = Path(columns.__file__).parents[1] / "maps" / "reference.toml"
    bring(catalogue, tmp_path / "a.sqlite3", text=shipped.read_text())
    assert rows(
        catalogue,
        "SELECT t.title, t.artists, t.genres, a.title, a.artists, upc, isrcs"
        " FROM named_tracks t JOIN named_albums a USING (album)",
    ) == [("One", ["Ann"], ["jazz"], "First", ["Ann"], "00036000291452", ["USABC0000001"])]


def test_several_files_are_one_source(tmp_path: Path, catalogue: Path) -> None:
    whole = bring(tmp_path / "whole", many(tmp_path / "all.sqlite", 1000))
    halves = [many(tmp_path / "a.sqlite", 400), many(tmp_path / "b.sqlite", 600, first=400)]
    parts = bring(catalogue, *halves)
    assert (parts.tracks, parts.albums, parts.artists) == (1000, 500, 250)
    assert (whole.tracks, whole.albums, whole.artists) == (1000, 500, 250)
    query = "SELECT number, track, title, artists, album, isrcs FROM named_tracks ORDER BY number"
    assert sorted(rows(catalogue, query), key=lambda row: row[1]) == [
        (number, *rest)
        for number, *rest in sorted(rows(tmp_path / "whole", query), key=lambda row: row[1])
    ]


def test_the_same_tracks_again_are_duplicates(tmp_path: Path, catalogue: Path) -> None:
    done = bring(
        catalogue, many(tmp_path / "a.sqlite", 300), many(tmp_path / "b.sqlite", 200, first=200)
    )
    assert (done.tracks, done.duplicates, done.rejected) == (400, 100, 0)


def test_rows_that_cannot_be_used_are_kept_with_reasons(tmp_path: Path, catalogue: Path) -> None:
    path = database(
        tmp_path / "a.sqlite",
        tracks=[
            (None, "No id", 1, 1, 1, 0, None, 1),
            ("t2", "Too popular", 1, 1, 1, 0, None, 101),
            ("t3", "Backwards", 1, 1, -5, 0, None, 1),
            ("t4", "Words", 1, 1, "long", 0, None, 1),
            ("t5", "Good", 1, 1, "2000", 0, None, "7"),
            ("t6", b"Caf\xe9", 1, 1, 1, 0, None, 1),
        ],
    )
    done = bring(catalogue, path)
    assert (done.tracks, done.rejected) == (2, 4)
    assert rows(catalogue, "SELECT place, own_id, reason FROM rejects ORDER BY place") == [
        ("a.sqlite:row 1", None, "no id"),
        ("a.sqlite:row 2", "t2", "popularity: 101 is not between 0 and 100"),
        ("a.sqlite:row 3", "t3", "duration_ms: -5 is not a duration"),
        ("a.sqlite:row 4", "t4", "duration_ms: long is not a duration"),
    ]
    assert rows(catalogue, "SELECT title, duration_ms, popularity FROM tracks ORDER BY own_id") == [
        ("Good", 2000, 7.0),
        ("Caf\ufffd", 1, 1.0),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no table"),
        (b"SQLite format 3\0" + bytes(4096), "."),
        (b"no database at all" * 1000, "not a database"),
    ],
)
def test_what_is_no_database_is_told(
    tmp_path: Path, catalogue: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        bring(catalogue, path)
    assert open_current(catalogue).number == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_database_is_told(tmp_path: Path, catalogue: Path, share: float) -> None:
    bring(catalogue, many(tmp_path / "good.sqlite", 100))
    path = many(tmp_path / "a.sqlite", 20_000)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r".") as told:
        bring(catalogue, path)
    assert "\n" not in str(told.value)
    assert open_current(catalogue).number == 1
    assert rows(catalogue, "SELECT count(*) FROM tracks") == [(100,)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('table = "credits"', 'table = "nowhere"', "no table nowhere"),
        ('isrc = "isrc"', 'isrc = "irsc"', "no column tracks.irsc"),
        ('id = "id"\ntitle', "title", "must say which column is `id`"),
        ('genre = "style"', "", "must say which column is `genre`"),
        ('upc = "upc"', 'colour = "upc"', "albums has no colour"),
    ],
)
def test_a_map_that_does_not_fit_is_told(
    tmp_path: Path, catalogue: Path, old: str, new: str, says: str
) -> None:
    path = many(tmp_path / "a.sqlite", 10)
    with pytest.raises(InputError, match=says):
        bring(catalogue, path, text=MAP.replace(old, new, 1))
    assert open_current(catalogue).number == 0
