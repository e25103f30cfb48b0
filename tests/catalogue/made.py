"""Small layers, made of dictionaries and brought in as an importer does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from longplay.catalogue import imports, schema
from longplay.catalogue.staging import Staging

Row = dict[str, Any]

ARTISTS = [
    {"ref": 1, "own_id": "a1", "name": "Ærlig"},
    {"ref": 2, "own_id": "a2", "name": "Else"},
    {"ref": 3, "own_id": "a3", "name": None},
]
ALBUMS = [
    {"ref": 10, "own_id": "b1", "title": "Først", "artist_refs": [1], "release_date": "1999-05",
     "upc": "00602445790913"},
    {"ref": 11, "own_id": "b2", "title": "Siden", "artist_refs": [2, 1], "label": "Nord"},
]  # fmt: skip
TRACKS = [
    {"own_id": "1", "title": "Blå", "artist_refs": [1], "album_ref": 10, "popularity": 40.0,
     "isrcs": ["NOABC2300001", "NOABC2300002"], "duration_ms": 181000, "explicit": False},
    {"own_id": "2", "title": "Rot; og svart", "artist_refs": [2, 1], "album_ref": 11,
     "popularity": 90.5, "genres": ["jazz", "pop"], "explicit": True, "disc_number": 1},
    {"own_id": "3", "title": None, "artist_refs": [2], "listens": 12.0, "track_number": 7},
    {"own_id": "4", "title": "Grün", "artist_refs": [], "isrcs": ["NOABC2300009"],
     "release_date": "2001"},
]  # fmt: skip


def bring(
    catalogue: Path,
    source: str = "songs",
    *,
    tracks: Sequence[Row] = TRACKS,
    albums: Sequence[Row] = ALBUMS,
    artists: Sequence[Row] = ARTISTS,
    rejects: Sequence[Row] = (),
    aliases: Sequence[Row] = (),
    licence: str | None = "CC0-1.0",
    kind: str = "table",
    declared: dict[str, int] | None = None,
) -> imports.Imported:
    """Import rows (`schema.TRACKS`, `ALBUMS`, `ARTISTS`) as a source."""

    def fill(stage: Staging) -> imports.Staged:
        stage.artists(_table(artists, schema.ARTISTS))
        stage.albums(_table(albums, schema.ALBUMS))
        stage.tracks(_table(tracks, schema.TRACKS))
        if rejects:
            stage.rejects(_table(rejects, schema.LAYER["rejects"]))
        if aliases:
            stage.aliases(_table(aliases, schema.LAYER["aliases"]))
        return imports.Staged(len(tracks) + len(rejects), {})

    return imports.run(
        catalogue,
        source,
        fill,
        kind=kind,
        licence=licence,
        declared=declared,
        may_be_empty=True,
    )


def _table(rows: Sequence[Row], columns: schema.Columns) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=schema.arrow(columns))
