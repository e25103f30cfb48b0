"""The tables of a layer and of the joins: one place for names, types and order of columns.

`docs/formats/catalogue.md` says what each column means.
"""

from __future__ import annotations

import pyarrow as pa

VERSION = 1
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

LAYER: dict[str, Columns] = {
    "tracks": {
        "track": "UBIGINT",
        "own_id": "VARCHAR",
        "title": "VARCHAR",
        "artists": "VARCHAR[]",
        "album": "UBIGINT",
        "disc_number": "INTEGER",
        "track_number": "INTEGER",
        "duration_ms": "INTEGER",
        "isrcs": "VARCHAR[]",
        "recording_mbid": "VARCHAR",
        "release_date": "VARCHAR",
        "genres": "VARCHAR[]",
        "explicit": "BOOLEAN",
        "popularity": "FLOAT",
        "listens": "DOUBLE",
        "licence": "VARCHAR",
    },
    "albums": {
        "album": "UBIGINT",
        "own_id": "VARCHAR",
        "title": "VARCHAR",
        "artists": "VARCHAR[]",
        "release_date": "VARCHAR",
        "upc": "VARCHAR",
        "mbid": "VARCHAR",
        "label": "VARCHAR",
    },
    "artists": {"artist": "UBIGINT", "own_id": "VARCHAR", "name": "VARCHAR"},
    "track_artists": {"track": "UBIGINT", "position": "INTEGER", "artist": "UBIGINT"},
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
    "keys": {"key": "UBIGINT", "exact": "BOOLEAN", "duration_ms": "INTEGER", "track": "UBIGINT"},
}
"""A layer's Parquet files. `keys` is what `joins` matches by: an index, rebuilt with the layer."""

JOINS: dict[str, Columns] = {
    "members": {"track": "UBIGINT", "recording": "UBIGINT", "live": "BOOLEAN"},
    "recordings": {"recording": "UBIGINT", "minted": "UINTEGER"},
    "redirects": {"recording": "UBIGINT", "successor": "UBIGINT", "snapshot": "UINTEGER"},
    "splits": {"recording": "UBIGINT", "part": "UBIGINT", "snapshot": "UINTEGER"},
}
"""The joins' runs: later runs override earlier ones by the first column (`splits` only adds)."""


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
    "INTEGER": pa.int32(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
}


def arrow(columns: Columns) -> pa.Schema:
    """The columns as an Arrow schema."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in columns.items()])
