"""Popularity and listens of recordings, and what is offered of each: what the planner reads."""

from __future__ import annotations

import pyarrow as pa

from longplay.catalogue.database import Connection
from longplay.catalogue.snapshot import Snapshot

_POPULARITY = """
SELECT recording, max(popularity) AS popularity, sum(listens) AS listens
FROM members JOIN tracks USING (track) GROUP BY recording
"""

_CANDIDATES = """
SELECT recording, track, album, source, path, kind, bytes, duration_ms, codec, bit_rate, lossless,
    popularity, listens
FROM (SELECT o.*, m.recording, p.popularity,
        sum(p.listens) OVER (PARTITION BY source, path) AS listens,
        row_number() OVER (PARTITION BY source, path
            ORDER BY p.popularity DESC NULLS LAST, start_ms NULLS LAST) AS place,
        max(o.bytes) OVER (PARTITION BY source, path) AS whole
    FROM offers o LEFT JOIN members m USING (track) LEFT JOIN popularity p USING (recording)
    WHERE kind NOT IN ('folder', 'symlink'))
WHERE place = 1 ORDER BY source, path
"""

_PARTS = """
SELECT source, path, recording, track, start_ms, end_ms FROM offers JOIN members USING (track)
WHERE start_ms IS NOT NULL ORDER BY source, path, start_ms
"""


def popularity_table(snapshot: Snapshot) -> pa.Table:
    """Every recording of the catalogue, offered or not: `recording` uint64, `popularity` float32
    (the highest of its tracks) and `listens` float64 (their sum); null where no source says."""
    with snapshot.connect() as connection:
        return connection.sql(f"{_POPULARITY} ORDER BY recording").to_arrow_table()


def candidates(snapshot: Snapshot) -> pa.Table:
    """One row for each offered file, by source and path: `recording`, `track`, `album` (uint64,
    null where it carries none), `source`, `path` (bytes), `kind`, `bytes`, `duration_ms`, `codec`,
    `bit_rate`, `lossless`, `popularity`, `listens`.

    A file that a CUE sheet divides stands with its most popular part and with the listens of all
    its parts, which `parts` lists.
    """
    with snapshot.connect() as connection:
        _with_popularity(connection)
        return connection.sql(_CANDIDATES).to_arrow_table()


def parts(snapshot: Snapshot) -> pa.Table:
    """The recordings that are parts of one file: `source`, `path`, `recording`, `track`,
    `start_ms` and `end_ms` (null: to the end of the file)."""
    with snapshot.connect() as connection:
        return connection.sql(_PARTS).to_arrow_table()


def _with_popularity(connection: Connection) -> None:
    connection.execute(f"CREATE TEMP TABLE popularity AS {_POPULARITY}")
