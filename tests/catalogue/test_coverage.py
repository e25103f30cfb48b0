"""What is held against what is declared; every row is accounted for."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from longplay.catalogue import coverage
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current
from tests.catalogue import made

REJECTS = [
    {"place": "a:7", "own_id": "7", "reason": "no duration", "content": "x"},
    {"place": "a:8", "own_id": "8", "reason": "no duration", "content": "x"},
    {"place": "a:9", "own_id": "1", "reason": "not a count", "content": "x"},
    {"place": "a:10", "own_id": None, "reason": "no id", "content": "x"},
]


def test_every_row_is_accounted_for(catalogue: Path) -> None:
    tracks = [*made.TRACKS, made.TRACKS[0]]
    made.bring(catalogue, tracks=tracks, rejects=REJECTS, declared={"tracks": 20, "albums": 4})
    found = coverage.stats(open_current(catalogue))
    (songs,) = found.sources
    assert (songs.input, songs.rows, songs.duplicates, songs.rejected) == (9, 4, 1, 4)
    assert songs.input == songs.rows + songs.duplicates + songs.rejected
    assert songs.coverage == pytest.approx(5 / 20)
    assert {each.reason: each.rows for each in songs.reasons} == {
        "no duration": 2, "not a count": 1, "no id": 1,
    }  # fmt: skip
    assert (songs.missing, songs.missing_ids) == (2, ("7", "8"))
    tables = {each.table: (each.rows, each.declared) for each in songs.tables}
    assert tables == {"tracks": (4, 20), "albums": (2, 4), "artists": (3, None)}
    assert (found.tracks, found.albums, found.artists, found.isrcs) == (4, 2, 3, 3)


def test_what_rows_refer_to_and_is_not_there_is_missing(catalogue: Path) -> None:
    tracks = [*made.TRACKS, {"own_id": "5", "artist_refs": [2, 77], "album_ref": 99}]
    albums = [*made.ALBUMS, {"ref": 12, "own_id": "b3", "artist_refs": [78, 77]}]
    made.bring(catalogue, tracks=tracks, albums=albums)
    (songs,) = coverage.stats(open_current(catalogue)).sources
    missing = {each.table: (each.missing, each.missing_ids) for each in songs.tables}
    assert missing == {
        "tracks": (0, ()),
        "albums": (1, ("99",)),
        "artists": (2, ("77", "78")),
    }


def test_a_null_reference_is_none_whatever_numbers_there_are(catalogue: Path) -> None:
    albums = [{"ref": -1, "own_id": "m", "title": "Minus"}, {"ref": 5, "own_id": "f"}]
    tracks = [{"own_id": "1", "title": "Alone"}, {"own_id": "2", "album_ref": -1}]
    made.bring(catalogue, tracks=tracks, albums=albums)
    with open_current(catalogue).connect() as connection:
        rows = connection.execute(
            "SELECT t.own_id, a.title FROM tracks t LEFT JOIN albums a USING (album) ORDER BY 1"
        ).fetchall()
    assert rows == [("1", None), ("2", "Minus")]


def test_recordings_are_counted_once_over_all_sources(catalogue: Path) -> None:
    made.bring(catalogue)
    assert coverage.stats(open_current(catalogue)).recordings == 4
    made.bring(catalogue, "other", tracks=made.TRACKS[:2])
    assert coverage.stats(open_current(catalogue)).recordings == 4


def test_counts_are_those_of_the_tables(catalogue: Path) -> None:
    chance = random.Random(7)
    for step in range(14):
        tracks = [
            {
                "own_id": str(number),
                "isrcs": [f"NOABC23{chance.randrange(12):05d}" for _ in range(chance.randrange(3))],
            }
            for number in chance.sample(range(20), 12)
        ]
        made.bring(catalogue, chance.choice("abc"), tracks=tracks, albums=[], artists=[])
        found = coverage.stats(open_current(catalogue))
        with open_current(catalogue).connect() as connection:
            counted = connection.execute(
                "SELECT (SELECT count(DISTINCT recording) FROM members),"
                " (SELECT count(DISTINCT isrc) FROM (SELECT unnest(isrcs) AS isrc FROM tracks))"
            ).fetchall()
        assert [(found.recordings, found.isrcs)] == counted, step


def test_nothing_is_known_of_an_empty_catalogue(catalogue: Path) -> None:
    found = coverage.stats(open_current(catalogue))
    assert (found.tracks, found.recordings, found.isrcs, found.sources) == (0, 0, 0, ())


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "shipped", "lines"),
    [("spotify_songs.csv.zst", "spotify_songs", 32_833), ("nigerian_tracks.csv", None, 790),
     ("liked_tracks_kofort9.csv.zst", "liked_tracks", 7_785),
     ("salami_metadata.csv.zst", "salami_metadata", 1_446)],
)  # fmt: skip
def test_the_sum_balances_over_real_catalogues(
    data: Path, catalogue: Path, name: str, shipped: str | None, lines: int
) -> None:
    maps = Path(coverage.__file__).parent / "maps"
    table_map = columns.load(maps / f"{shipped or 'nigerian_tracks'}.toml")
    import_table(catalogue, "real", [data / "catalogues" / name], table_map=table_map)
    (real,) = coverage.stats(open_current(catalogue)).sources
    assert real.input == lines == real.rows + real.duplicates + real.rejected
    assert sum(each.rows for each in real.reasons) == real.rejected
