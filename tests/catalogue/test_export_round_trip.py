"""A catalogue that leaves as SQLite comes in again as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longplay.catalogue import export
from longplay.catalogue.importers import columns
from longplay.catalogue.importers.table import import_table
from longplay.catalogue.snapshot import open_current
from tests.catalogue import made
from tests.catalogue.test_export import rows

MAP = """
format = "sqlite"
[tables.artists]
table = "artists"
key = "rowid"
columns = { id = "own_id", name = "name" }
[tables.albums]
table = "albums"
key = "rowid"
[tables.albums.columns]
id = "own_id"
title = "title"
release_date = "release_date"
upc = "upc"
label = "label"
[tables.tracks]
table = "tracks"
key = "rowid"
[tables.tracks.columns]
id = "own_id"
title = "title"
album = "album_rowid"
disc_number = "disc_number"
track_number = "track_number"
duration_ms = "duration_ms"
isrc = "isrc"
release_date = "release_date"
recording_mbid = "recording_mbid"
licence = "licence"
explicit = "explicit"
popularity = "popularity"
listens = "listens"
[joins.track_artists]
table = "track_artists"
track = "track_rowid"
artist = "artist_rowid"
order = "position"
[joins.album_artists]
table = "album_artists"
album = "album_rowid"
artist = "artist_rowid"
order = "position"
"""


def test_the_table_importer_reads_the_sqlite_file_again(catalogue: Path, tmp_path: Path) -> None:
    one_isrc = {**made.TRACKS[0], "isrcs": ["NOABC2300001"]}
    made.bring(catalogue, tracks=[one_isrc, *made.TRACKS[1:]])
    export.export(open_current(catalogue), tmp_path / "lite", sqlite=True)
    (tmp_path / "map.toml").write_text(MAP)
    again = tmp_path / "again"
    import_table(
        again,
        "songs",
        [tmp_path / "lite" / "catalogue.sqlite3"],
        table_map=columns.load(tmp_path / "map.toml"),
        licence="CC0-1.0",
    )
    export.export(open_current(catalogue), tmp_path / "one")
    export.export(open_current(again), tmp_path / "two")
    for table in ("tracks", "albums", "artists"):
        one, two = (
            sorted((comparable(row) for row in rows(tmp_path / name, table)), key=str)
            for name in ("one", "two")
        )
        assert one == two


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Empty lists and none are the same; maps of several tables have genres by artist only."""
    return {name: value or None for name, value in row.items() if name != "genres"}
