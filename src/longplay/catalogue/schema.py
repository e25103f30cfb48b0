"""The tables of a layer and of the joins: one place for names, types and order of columns.

`docs/formats/catalogue.md` says what each column means.
"""

from __future__ import annotations

import pyarrow as pa

VERSION = 2
"""Version of the catalogue's files; an older asks for `longplay upgrade`, a newer is refused."""

Columns = dict[str, str]

STAGED: Columns = {
    "record": "BIGINT",
    "own_id": "VARCHAR",
    "title": "VARCHAR",
    "artists": "VARCHAR[]",
    "artist_ids": "VARCHAR[]",
    "album": "VARCHAR",
    "album_id": "VARCHAR",
    "album_context": "VARCHAR",
    "album_artists": "VARCHAR[]",
    "album_mbid": "VARCHAR",
    "disc_number": "INTEGER",
    "track_number": "INTEGER",
    "duration_ms": "INTEGER",
    "isrcs": "VARCHAR[]",
    "recording_mbid": "VARCHAR",
    "upc": "VARCHAR",
    "label": "VARCHAR",
    "release_date": "VARCHAR",
    "genres": "VARCHAR[]",
    "explicit": "BOOLEAN",
    "popularity": "FLOAT",
    "listens": "DOUBLE",
    "licence": "VARCHAR",
    "reason": "VARCHAR",
    "content": "VARCHAR",
}
"""One row for each row that a source gives, before identity: what every importer fills. A row with
a `reason` is rejected, and `content` is kept of it."""

ARTISTS: Columns = {"ref": "BIGINT", "own_id": "VARCHAR", "name": "VARCHAR", "mbid": "VARCHAR"}
ALBUMS: Columns = {
    "ref": "BIGINT",
    "own_id": "VARCHAR",
    "title": "VARCHAR",
    "artist_refs": "BIGINT[]",
    "release_date": "VARCHAR",
    "upc": "VARCHAR",
    "mbid": "VARCHAR",
    "label": "VARCHAR",
}
TRACKS: Columns = {
    "own_id": "VARCHAR",
    "title": "VARCHAR",
    "artist_refs": "BIGINT[]",
    "album_ref": "BIGINT",
    "disc_number": "INTEGER",
    "track_number": "INTEGER",
    "duration_ms": "INTEGER",
    "isrcs": "VARCHAR[]",
    "recording_mbid": "VARCHAR",
    "iswcs": "VARCHAR[]",
    "release_date": "VARCHAR",
    "genres": "VARCHAR[]",
    "explicit": "BOOLEAN",
    "popularity": "FLOAT",
    "listens": "DOUBLE",
    "licence": "VARCHAR",
}
"""What `staging.Staging` takes: a `ref` is the number by which the source's rows name another."""

LAYER: dict[str, Columns] = {
    "tracks": {
        "own_id": "VARCHAR",
        "title": "VARCHAR",
        "artists": "UINTEGER[]",
        "album": "UINTEGER",
        "disc_number": "INTEGER",
        "track_number": "INTEGER",
        "duration_ms": "INTEGER",
        "isrcs": "VARCHAR[]",
        "recording_mbid": "VARCHAR",
        "iswcs": "VARCHAR[]",
        "release_date": "VARCHAR",
        "genres": "VARCHAR[]",
        "explicit": "BOOLEAN",
        "popularity": "FLOAT",
        "listens": "DOUBLE",
        "licence": "VARCHAR",
        "same_as": "UINTEGER",
        "since": "UINTEGER",
    },
    "albums": {
        "own_id": "VARCHAR",
        "title": "VARCHAR",
        "artists": "UINTEGER[]",
        "release_date": "VARCHAR",
        "upc": "VARCHAR",
        "mbid": "VARCHAR",
        "label": "VARCHAR",
    },
    "artists": {"own_id": "VARCHAR", "name": "VARCHAR", "mbid": "VARCHAR"},
    "offers": {
        "path": "BLOB",
        "kind": "VARCHAR",
        "track": "UBIGINT",
        "album": "UBIGINT",
        "start_ms": "INTEGER",
        "end_ms": "INTEGER",
        "bytes": "BIGINT",
        "mtime_ns": "BIGINT",
        "mode": "INTEGER",
        "target": "BLOB",
        "container": "VARCHAR",
        "codec": "VARCHAR",
        "duration_ms": "INTEGER",
        "bit_rate": "INTEGER",
        "lossless": "BOOLEAN",
        "has_art": "BOOLEAN",
        "tags_json": "VARCHAR",
        "problem": "VARCHAR",
    },
    "rights": {
        "subject": "VARCHAR",
        "text": "VARCHAR",
        "field": "VARCHAR",
        "place": "VARCHAR",
    },
    "rejects": {
        "place": "VARCHAR",
        "own_id": "VARCHAR",
        "reason": "VARCHAR",
        "content": "VARCHAR",
    },
    "absent": {"kind": "VARCHAR", "ref": "BIGINT"},
    "listens": {
        "kind": "VARCHAR",
        "track": "VARCHAR",
        "mbid": "VARCHAR",
        "isrc": "VARCHAR",
        "artist": "VARCHAR",
        "title": "VARCHAR",
        "listens": "DOUBLE",
        "accounts": "INTEGER",
        "local_only": "BOOLEAN",
    },
    "aliases": {"kind": "VARCHAR", "old": "VARCHAR", "new": "VARCHAR"},
}
"""A layer's Parquet files. A row's number in `tracks`, `albums` or `artists` is how the others name
it; its key (`ids.row_key`) follows from `own_id`."""

JOINS: dict[str, Columns] = {
    "members": {"track": "UBIGINT", "recording": "UBIGINT", "live": "BOOLEAN"},
    "recordings": {"recording": "UBIGINT", "minted": "UINTEGER"},
    "redirects": {"recording": "UBIGINT", "successor": "UBIGINT", "snapshot": "UINTEGER"},
    "splits": {"recording": "UBIGINT", "part": "UBIGINT", "snapshot": "UINTEGER"},
    "popularity": {
        "recording": "UBIGINT",
        "popularity": "FLOAT",
        "listens": "DOUBLE",
        "accounts": "INTEGER",
        "source": "VARCHAR",
    },
}
"""The joins' runs: what differs from what the layers say alone. Later runs override earlier ones by
the first column; `splits` only adds; `popularity` is one run, since a rank depends on all."""


def definition(columns: Columns) -> str:
    """The columns as SQL, for CREATE TABLE."""
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())


def empty(columns: Columns) -> str:
    """A SELECT that has these columns and no rows."""
    parts = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
    return f"SELECT {parts} WHERE false"


_ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BLOB": pa.binary(),
    "BIGINT": pa.int64(),
    "BIGINT[]": pa.list_(pa.int64()),
    "UBIGINT": pa.uint64(),
    "UINTEGER": pa.uint32(),
    "UINTEGER[]": pa.list_(pa.uint32()),
    "INTEGER": pa.int32(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
}


def arrow(columns: Columns) -> pa.Schema:
    """The columns as an Arrow schema."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in columns.items()])
