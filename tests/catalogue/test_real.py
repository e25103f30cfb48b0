"""The real tables and folders: nothing of them is lost without being counted."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pyarrow as pa
import pytest

import longplay.catalogue
from longplay.catalogue import coverage
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.importers.tags import import_tags
from longplay.catalogue.snapshot import open_current

pytestmark = pytest.mark.real

MAPS = sorted(
    path
    for path in (Path(longplay.catalogue.__file__).parent / "maps").glob("*.toml")
    if path.stem != "reference"  # of several tables
)
HELD = {
    "bbc_radio_playlist_history": 7_902,
    "hit_predictor": 40_560,
    "jamendo_55k": 55_701,
    "liked_tracks": 7_785,
    "nigerian_tracks": 641,
    "playlist_archive": 70_744,
    "salami_internetarchive_index": 476,
    "salami_metadata": 1_446,
    "spotify_songs": 28_356,
}
"""Distinct ids of each table, counted with `csv` and a set."""


def counted(path: Path) -> int:
    compression = "zstd" if path.suffix == ".zst" else None
    with pa.input_stream(str(path), compression=compression) as stream:
        text = stream.read().decode()
    return sum(1 for row in csv.reader(io.StringIO(text)) if row) - 1


def test_every_real_table_balances(data: Path, catalogue: Path) -> None:
    assert {path.stem for path in MAPS} == set(HELD)
    for path in MAPS:
        (table,) = (data / "catalogues").glob(f"{path.stem}*.csv*")
        done = import_table(catalogue, path.stem, [table], table_map=columns.load(path))
        assert done.tracks + done.duplicates + done.rejected == counted(table)
        assert done.tracks == HELD[path.stem]
        assert done.rejected == 0
    found = coverage.stats(open_current(catalogue))
    assert found.tracks == sum(HELD.values())
    assert found.recordings < found.tracks
    with open_current(catalogue).connect() as connection:
        shared = connection.execute(
            "SELECT count(*) FROM (SELECT recording FROM members JOIN tracks USING (track)"
            " GROUP BY recording HAVING count(DISTINCT source) > 1)"
        ).fetchone()
        genres = connection.execute(
            "SELECT genres FROM tracks WHERE source = 'nigerian_tracks' AND title = 'Move'"
        ).fetchall()
        plays = connection.execute(
            "SELECT sum(listens) FROM tracks WHERE source = 'bbc_radio_playlist_history'"
        ).fetchone()
    assert shared is not None
    assert shared[0] > 9_000
    assert genres == [(["afrobeats", "nigerian pop"],)]
    assert plays == (9950,)


@pytest.mark.parametrize("name", ["audio", "broken"])
def test_every_real_file_is_offered(data: Path, catalogue: Path, name: str) -> None:
    root = data / name
    done = import_tags(catalogue, name, root)
    expected = {
        os.path.relpath(os.path.join(os.fsencode(folder), entry), os.fsencode(root))  # noqa: PTH118 - bytes
        for folder, folders, files in os.walk(os.fsencode(root))
        for entry in (*folders, *files)
    }
    with open_current(catalogue).connect() as connection:
        offers = connection.execute("SELECT path, kind, bytes, track FROM offers").fetchall()
    assert {path for path, *_ in offers} == expected
    sound = [offer for offer in offers if offer[1] == "audio"]
    assert done.rejected == 0
    assert done.tracks == len(sound) == len({offer[3] for offer in sound})
