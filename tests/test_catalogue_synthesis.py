"""The synthetic catalogue is what the benchmarks say; each shard can be made alone."""

import re
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from benchmarks.catalogue_synthesis import TABLES, write_shard

from longplay.catalogue.identifiers import gtins, isrcs

TRACKS = 300_000
"""Two blocks, the second not full."""
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("synthesis") / "whole.sqlite"
    write_shard(path, TRACKS, 0, 1)
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def one(connection, query):
    return connection.execute(query).fetchone()


def test_as_many_of_each_as_in_the_reference(whole):
    counts = {name: one(whole, f"SELECT count(*) FROM {name}")[0] for name in TABLES}
    assert counts["tracks"] == TRACKS
    assert counts["albums"] == counts["artist_albums"] == TRACKS // 4
    assert counts["artists"] == TRACKS // 16
    assert 1.25 < counts["track_artists"] / TRACKS < 1.35
    unheard, best = one(whole, "SELECT avg(popularity = 0), max(popularity) FROM tracks")
    assert 0.69 < unheard < 0.71
    assert 70 < best <= 100


def test_rows_are_linked_by_rows_that_exist(whole):
    for table, column, other in (
        ("tracks", "album_rowid", "albums"),
        ("track_artists", "track_rowid", "tracks"),
        ("track_artists", "artist_rowid", "artists"),
        ("artist_albums", "album_rowid", "albums"),
        ("artist_albums", "artist_rowid", "artists"),
        ("artist_genres", "artist_rowid", "artists"),
    ):
        query = f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT rowid FROM {other})"
        assert one(whole, query) == (0,), (table, column)


def test_the_tracks_of_an_album_stand_together_and_are_numbered(whole):
    query = """
    SELECT count(*) FROM (
        SELECT total_tracks, count(*) held, max(t.rowid) - min(t.rowid) + 1 span,
            count(DISTINCT disc_number * 1000 + track_number) numbers
        FROM albums a JOIN tracks t ON t.album_rowid = a.rowid GROUP BY a.rowid)
    WHERE total_tracks = held AND held = span AND held = numbers"""
    assert one(whole, query) == (TRACKS // 4,)


def test_tracks_of_one_isrc_are_one_recording(whole):
    query = """
    SELECT count(*), sum(held), max(titles), max(artists), max(longest - shortest) FROM (
        SELECT count(*) held, count(DISTINCT name) titles, count(DISTINCT artist_rowid) artists,
            max(duration_ms) longest, min(duration_ms) shortest
        FROM tracks t JOIN track_artists a ON a.track_rowid = t.rowid AND ordinal = 0
        WHERE external_id_isrc IS NOT NULL GROUP BY external_id_isrc)"""
    recordings, held, titles, artists, apart = one(whole, query)
    assert 0.71 < recordings / held < 0.74
    assert (titles, artists) == (1, 1)
    assert 0 < apart <= 3_000


def test_identifiers_are_well_formed_and_not_repeated(whole):
    ids = [row[0] for table in ("tracks", "albums", "artists") for row in ids_of(whole, table)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-zA-Z]{22}", text) for text in ids)
    largest = max(ids, key=lambda text: [ALPHABET.index(letter) for letter in text])
    value = 0
    for letter in largest:
        value = value * 62 + ALPHABET.index(letter)
    assert 2**127 < value < 2**128
    for column, table, normal in (
        ("external_id_isrc", "tracks", isrcs),
        ("external_id_upc", "albums", gtins),
    ):
        query = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"
        codes = pa.array([row[0] for row in whole.execute(query)])
        assert normal(codes).null_count == 0
        assert len(codes) < one(whole, f"SELECT count(*) FROM {table}")[0]


def ids_of(connection, table):
    return connection.execute(f"SELECT id FROM {table}")


def test_names_are_as_long_and_as_strange_as_real_ones(whole):
    query = "SELECT avg(length(name) - length(replace(name, ' ', '')) + 1), max(name) FROM tracks"
    assert 2.5 < one(whole, query)[0] < 3.7
    names = [row[0] for row in whole.execute("SELECT name FROM tracks")]
    for pattern in (
        "[а-я]",
        "[ぁ-ヶ]",
        "[가-힣]",
        "[ا-ي]",
        "[áéíöü]",
        r"\(feat\. ",
        r"- Remastered",
    ):
        share = sum(bool(re.search(pattern, name)) for name in names) / TRACKS
        assert 0.003 < share < 0.2, pattern


def test_a_shard_made_alone_is_that_part_of_the_whole(whole, tmp_path):
    made = {name: [] for name in TABLES}
    for shard in range(2):
        path = tmp_path / f"{shard}.sqlite"
        write_shard(Path(path), TRACKS, shard, 2)
        connection = sqlite3.connect(path)
        for name, rows in made.items():
            rows.extend(connection.execute(f"SELECT * FROM {name}"))
        connection.close()
    for name, rows in made.items():
        assert rows == whole.execute(f"SELECT * FROM {name}").fetchall()
