"""The same work in DuckDB (native file) and SQLite FTS5, from the same SQLite files.

What each has to offer at its best: both hold one flat table in order of descending popularity, so
that the ten best are the first ten. DuckDB: LIKE on a folded column (no full-text extension without
a download), ART indexes on id and ISRC. SQLite: FTS5 with prefixes of two and three letters and no
positions, over an external content table whose rowid is the place in that order; B-trees on id and
ISRC.
"""

import argparse
import json
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import adbc_driver_sqlite.dbapi as adbc
import duckdb

from benchmarks.catalogue_latency import measured
from benchmarks.catalogue_queries import IDENTIFIERS, KINDS, WHOLE, Questions, load
from benchmarks.catalogue_synthesis import TABLES

SCANS = 40
"""Queries of a kind that a full scan is asked, of those that the others are."""
WORDS = tuple(kind for kind in KINDS if kind not in IDENTIFIERS)
MEMORY = "8GB"
"""What each may use, as the goal of our import says."""

FLAT = """
SELECT row_number() OVER () AS rank, * FROM (
    SELECT t.id, t.name AS title, n.names AS artists, a.name AS album,
        substr(a.release_date, 1, 4) AS year, t.duration_ms, t.external_id_isrc AS isrc,
        t.popularity, t.explicit
    FROM tracks t JOIN albums a ON a.rowid = t.album_rowid
    LEFT JOIN names n ON n.track_rowid = t.rowid
    ORDER BY t.popularity DESC, t.rowid)
"""
COLUMNS = "id, title, artists, album, year, duration_ms, isrc, popularity, explicit"

Ask = Callable[[str], list[Any]]


def few(made: Questions) -> Questions:
    """As many questions as a full scan can be asked in bearable time."""
    return Questions(made.kind, made.asked[:SCANS], made.before[:2])


def load_duckdb(path: Path, shards: Sequence[Path]) -> None:
    """Builds the native file: tables from the shards, the flat table, its indexes."""
    with duckdb.connect(str(path)) as made:
        made.execute(f"SET memory_limit = '{MEMORY}'")
        for name, columns in TABLES.items():
            made.execute(f"CREATE TEMP TABLE {name}({columns.replace('INTEGER', 'BIGINT')})")
        for shard in shards:
            with adbc.connect(str(shard)) as source, source.cursor() as cursor:
                for name in TABLES:
                    cursor.execute(f"SELECT * FROM {name}")
                    batches = cursor.fetch_record_batch()
                    made.register("batches", batches)
                    made.execute(f"INSERT INTO {name} SELECT * FROM batches")
                    made.unregister("batches")
        made.execute(
            "CREATE TEMP VIEW names AS SELECT track_rowid,"
            " string_agg(name, '; ' ORDER BY ordinal) AS names"
            " FROM track_artists l JOIN artists a ON a.rowid = l.artist_rowid GROUP BY track_rowid"
        )
        made.execute(
            "CREATE TABLE flat AS SELECT *,"
            " lower(strip_accents(concat_ws(' ', title, artists, album))) AS folded"
            f" FROM ({FLAT})"
        )
        made.execute("CREATE INDEX by_id ON flat(id)")
        made.execute("CREATE INDEX by_isrc ON flat(isrc)")


def ask_duckdb(path: Path) -> dict[str, Ask]:
    connection = duckdb.connect(str(path), read_only=True)
    connection.execute(f"SET memory_limit = '{MEMORY}'")

    def search(text: str) -> list[Any]:
        parts = text.split()
        wanted = " AND ".join(["folded LIKE '%' || lower(strip_accents(?)) || '%'"] * len(parts))
        query = f"SELECT {COLUMNS} FROM flat WHERE {wanted} ORDER BY rank LIMIT 10"
        return connection.execute(query, parts).fetchall()

    def by(column: str) -> Ask:
        query = f"SELECT {COLUMNS} FROM flat WHERE {column} = ?"
        return lambda text: connection.execute(query, [text]).fetchall()

    return {**dict.fromkeys(WORDS, search), "id": by("id"), "ISRC": by("isrc")}


def load_sqlite(path: Path, shards: Sequence[Path]) -> None:
    """Builds one SQLite file: the flat table, its indexes, and FTS5 over it."""
    made = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000000", "threads=2"):
        made.execute(f"PRAGMA {pragma}")
    for name, columns in TABLES.items():
        made.execute(f"CREATE TEMP TABLE {name}({columns})")
    for shard in shards:
        made.execute("ATTACH ? AS shard", [str(shard)])
        for name in TABLES:
            made.execute(f"INSERT INTO temp.{name} SELECT * FROM shard.{name}")
        made.execute("DETACH shard")
    # Links lie in order of track and ordinal, so that no sort is needed.
    made.execute(
        "CREATE TEMP TABLE names AS SELECT track_rowid, group_concat(name, '; ') AS names"
        " FROM track_artists l CROSS JOIN artists a ON a.rowid = l.artist_rowid"
        " GROUP BY track_rowid"
    )
    made.execute("CREATE INDEX temp.of_track ON names(track_rowid)")
    made.execute(
        "CREATE TABLE flat(rank INTEGER PRIMARY KEY, id TEXT, title TEXT, artists TEXT,"
        " album TEXT, year TEXT, duration_ms INTEGER, isrc TEXT, popularity INTEGER,"
        " explicit INTEGER)"
    )
    made.execute(f"INSERT INTO flat {FLAT}")
    made.execute("CREATE INDEX by_id ON flat(id)")
    made.execute("CREATE INDEX by_isrc ON flat(isrc)")
    made.execute(
        "CREATE VIRTUAL TABLE words USING fts5(title, artists, album, content='flat',"
        " content_rowid='rank', detail=none, prefix='2 3',"
        " tokenize='unicode61 remove_diacritics 2')"
    )
    made.execute("INSERT INTO words(words) VALUES ('rebuild')")
    made.close()


def ask_sqlite(path: Path, sorted_in_query: bool = False) -> dict[str, Ask]:
    """With `sorted_in_query` as who did not lay the rows in order would have to ask."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.execute("PRAGMA mmap_size = 100000000000")

    wanted = (
        f"SELECT {COLUMNS} FROM flat WHERE rank IN"
        " (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid LIMIT 10) ORDER BY rank"
    )
    if sorted_in_query:
        columns = ", ".join(f"flat.{name}" for name in COLUMNS.split(", "))
        wanted = (
            f"SELECT {columns} FROM words JOIN flat ON flat.rank = words.rowid"
            " WHERE words MATCH ? ORDER BY flat.popularity DESC LIMIT 10"
        )

    def words(text: str, after: str = "") -> list[Any]:
        query = " ".join(f'"{word}"' for word in re.findall(r"\w+", text)) + after
        return connection.execute(wanted, [query]).fetchall()

    def beginning(text: str) -> list[Any]:
        return words(text, "*")

    def by(column: str) -> Ask:
        query = f"SELECT {COLUMNS} FROM flat WHERE {column} = ?"
        return lambda text: connection.execute(query, [text]).fetchall()

    searches = {kind: words if kind in WHOLE else beginning for kind in WORDS}
    return {**searches, "id": by("id"), "ISRC": by("isrc")}


PEERS = {
    "DuckDB": (load_duckdb, ask_duckdb, "flat.duckdb"),
    "SQLite FTS5": (load_sqlite, ask_sqlite, "flat.sqlite"),
}


def compared(name: str, folder: Path, shards: Sequence[Path], asked: Path) -> dict[str, Any]:
    """Build time, size and latencies of one peer."""
    build, ask, file = PEERS[name]
    path = folder / file
    path.unlink(missing_ok=True)
    start, busy = time.perf_counter(), time.process_time()
    build(path, shards)
    seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    questions = load(asked)
    scanned = name == "DuckDB"
    kinds = timed(ask(path), questions, WORDS if scanned else ())
    found = {"seconds": seconds, "cpu": cpu, "bytes": path.stat().st_size, "kinds": kinds}
    if not scanned:
        searches = {kind: questions[kind] for kind in WORDS}
        found["sorted"] = timed(ask_sqlite(path, sorted_in_query=True), searches, WORDS)
    return found


def timed(asks: dict[str, Ask], questions: dict[str, Questions], slow: Sequence[str]) -> Any:
    """Latencies of every kind; of the slow ones fewer questions."""
    return {
        kind: measured(asks[kind], few(made) if kind in slow else made)
        for kind, made in questions.items()
        if kind in asks
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("shards", type=Path, nargs="+")
    chosen = parser.parse_args(arguments)
    made = compared(chosen.name, chosen.folder, chosen.shards, chosen.questions)
    print(json.dumps(made, ensure_ascii=False))


if __name__ == "__main__":
    main()
