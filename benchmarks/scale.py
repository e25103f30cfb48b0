"""Three questions to one snapshot's Parquet files, asked of DuckDB and of PySpark: same answers?

    python -m venv spark && spark/bin/pip install pyspark duckdb     (and a Java of 17 or later)
    spark/bin/python benchmarks/scale.py my-archive/catalogue

Nothing of Longplay is imported: it reads the files as any other program would.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Rows = list[tuple[Any, ...]]
Files = dict[str, list[str]]

QUESTIONS = {
    "the artists with most tracks": """
        SELECT a.name, count(*) AS tracks FROM
            (SELECT explode(artists) AS artist FROM tracks) c JOIN artists a ON c.artist = a.row
        GROUP BY a.row, a.name ORDER BY tracks DESC, a.name LIMIT 10
    """,
    "tracks and their mean length by decade of release": """
        SELECT decade, count(*) AS tracks, cast(floor(avg(duration_ms)) AS BIGINT) AS mean_ms FROM
            (SELECT cast(substring(coalesce(t.release_date, b.release_date), 1, 3) AS INT) * 10
                AS decade, duration_ms FROM tracks t LEFT JOIN albums b ON t.album = b.row)
        WHERE decade IS NOT NULL GROUP BY decade ORDER BY decade
    """,
    "recordings, and the share of popularity that the first hundredth has": """
        SELECT count(*) AS recordings, sum(CASE WHEN place <= total / 100 THEN popularity END)
            AS first, sum(popularity) AS whole FROM
            (SELECT popularity, total, row_number() OVER (ORDER BY popularity DESC, recording)
                AS place FROM
                (SELECT recording, popularity, count(*) OVER () AS total FROM
                    (SELECT coalesce(same_as, row) AS recording,
                        max(cast(floor(coalesce(popularity, 0)) AS BIGINT)) AS popularity
                     FROM tracks GROUP BY coalesce(same_as, row))))
    """,
}
"""In the SQL that both speak, but for `explode`, which DuckDB calls `unnest`. Rows of a layer name
each other by row number: `row` is that number, which both engines know of a Parquet file."""


def snapshot_files(catalogue: Path, source: str | None) -> Files:
    """The files of the source with most tracks (or of `source`), by table, from the manifest."""
    number = (catalogue / "current").read_text().strip()
    manifest = json.loads((catalogue / "snapshots" / f"{number}.json").read_text())
    layers = manifest["layers"]

    def tracks(name: str) -> int:
        return sum(part["rows"] for part in layers[name]["tables"].get("tracks", []))

    chosen = layers[source or max(layers, key=tracks)]["tables"]
    return {
        table: [str(catalogue / part["file"]) for part in chosen[table]]
        for table in ("tracks", "albums", "artists")
    }


def firsts(files: list[str], rows_of: Callable[[str], int]) -> list[int]:
    """The row number that each of a table's files begins with."""
    starts = [0]
    for file in files[:-1]:
        starts.append(starts[-1] + rows_of(file))
    return starts


def ask_duckdb(files: Files) -> tuple[list[Rows], list[float]]:
    """Every question's rows, and the seconds that each took."""
    import duckdb

    connection = duckdb.connect()

    def rows_of(file: str) -> int:
        found = connection.execute("SELECT num_rows FROM parquet_file_metadata($1)", [file])
        return int(found.fetchall()[0][0])

    for table, parts in files.items():
        union = " UNION ALL ".join(
            f"SELECT *, (file_row_number + {first})::BIGINT AS row"
            f" FROM read_parquet('{file}', file_row_number = true)"
            for file, first in zip(parts, firsts(parts, rows_of), strict=True)
        )
        connection.execute(f"CREATE VIEW {table} AS {union}")
    return timed(lambda query: connection.execute(query.replace("explode(", "unnest(")).fetchall())


def ask_spark(files: Files, memory: str) -> tuple[list[Rows], list[float]]:
    """The same of PySpark in local mode, on all cores of this machine."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    spark = (
        SparkSession.builder.master("local[*]")
        .appName("longplay-scale")
        .config("spark.driver.memory", memory)
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "16")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for table, parts in files.items():
        starts = firsts(parts, lambda file: spark.read.parquet(file).count())
        frames = [
            spark.read.parquet(file).select(
                "*", (f.col("_metadata.row_index") + first).alias("row")
            )
            for file, first in zip(parts, starts, strict=True)
        ]
        whole = frames[0]
        for frame in frames[1:]:
            whole = whole.unionByName(frame)
        whole.createOrReplaceTempView(table)
    try:
        return timed(lambda query: [tuple(row) for row in spark.sql(query).collect()])
    finally:
        spark.stop()


def timed(ask: Callable[[str], Rows]) -> tuple[list[Rows], list[float]]:
    answers, seconds = [], []
    for query in QUESTIONS.values():
        started = time.monotonic()
        answers.append(ask(query))
        seconds.append(time.monotonic() - started)
    return answers, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--source", help="else the one with most tracks")
    parser.add_argument("--memory", default="3g", help="Spark's, e.g. 3g")
    options = parser.parse_args()
    files = snapshot_files(options.catalogue.resolve(), options.source)
    one, one_seconds = ask_duckdb(files)
    other, other_seconds = ask_spark(files, options.memory)
    for at, words in enumerate(QUESTIONS):
        same = one[at] == other[at]
        print(f"\n{words}: {'the same' if same else 'NOT THE SAME'}")
        print(f"  DuckDB {one_seconds[at]:.2f} s, PySpark {other_seconds[at]:.2f} s")
        for row in one[at][:5]:
            print("  ", *row, sep="  ")
        if not same:
            print("  PySpark:", *other[at][:5], sep="\n    ")
    return 0 if one == other else 1


if __name__ == "__main__":
    sys.exit(main())
