"""Tables of an SQLite file as Arrow columns, read in ranges of rows side by side."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from longplay.catalogue.database import identifier
from longplay.errors import InputError

RANGE = 1_000_000
"""Rows that are read at once: with all that is made of them, some hundred megabytes."""

READERS = 2
"""Ranges read at once."""

INFERENCE_ROWS = 1 << 20
"""Rows from which the driver tells a column's type: all of a range, since types vary by row."""

Answer = TypeVar("Answer")


def uri(path: Path) -> str:
    """The file, read-only; immutable, so that no journal is looked for or made."""
    return f"{path.resolve().as_uri()}?mode=ro&immutable=1"


def damaged(path: Path, error: Exception) -> InputError:
    """What is said of a file that SQLite cannot read."""
    return InputError(str(error).strip(), where=str(path), hint="is it a whole SQLite file?")


def columns_of(path: Path, table: str) -> list[str]:
    """The columns of a table, none where there is no such table. Raises InputError."""
    try:
        with closing(sqlite3.connect(uri(path), uri=True)) as connection:
            rows = connection.execute("SELECT name FROM pragma_table_info(?)", [table])
            return [str(name) for (name,) in rows]
    except sqlite3.Error as error:
        raise damaged(path, error) from error


def spans(path: Path, table: str) -> list[tuple[int, int]]:
    """Ranges of row numbers, from the first and below the second, that cover a table."""
    try:
        with closing(sqlite3.connect(uri(path), uri=True)) as connection:
            query = f"SELECT (SELECT min(rowid) FROM {identifier(table)}), max(rowid) FROM"
            low, high = connection.execute(f"{query} {identifier(table)}").fetchone()
    except sqlite3.Error as error:
        raise damaged(path, error) from error
    if low is None:
        return []
    return [(start, min(start + RANGE, high + 1)) for start in range(low, high + 1, RANGE)]


def read(path: Path, table: str, columns: Sequence[str], span: tuple[int, int]) -> pa.RecordBatch:
    """Columns of the rows of one range, in order of row number; each of whatever type it has.

    Raises InputError.
    """
    from adbc_driver_sqlite import dbapi

    listed = ", ".join(f"{identifier(c)} AS {identifier(f'c{i}')}" for i, c in enumerate(columns))
    query = (
        f"SELECT {listed} FROM {identifier(table)} WHERE rowid >= {span[0]} AND rowid < {span[1]}"
    )
    try:
        with dbapi.connect(uri(path)) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(
                **{"adbc.sqlite.query.batch_rows": str(INFERENCE_ROWS)}
            )
            cursor.execute(f"{query} ORDER BY rowid")
            found = cursor.fetch_arrow_table().combine_chunks()
    except dbapi.Error as error:
        raise damaged(path, error) from error
    if not found.num_rows:
        return pa.RecordBatch.from_arrays(
            [pa.nulls(0, pa.string()) for _ in columns], names=list(columns)
        )
    return pa.RecordBatch.from_arrays(found.to_batches()[0].columns, names=list(columns))


def each(
    spans: Sequence[tuple[int, int]], work: Callable[[int, tuple[int, int]], Answer]
) -> Iterator[Answer]:
    """`work(place, span)` for each span, some at a time; the answers in order."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting = []
        for place, span in enumerate(spans):
            waiting.append(pool.submit(work, place, span))
            if len(waiting) > READERS:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
