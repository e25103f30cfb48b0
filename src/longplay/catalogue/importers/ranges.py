"""Tables of an SQLite file as Arrow columns, read in ranges of rows side by side."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeAlias, TypeVar

import pyarrow as pa

from longplay.catalogue.database import identifier
from longplay.errors import InputError

RANGE = 1_000_000
"""Rows that are read at once: with all that is made of them, some hundred megabytes."""

FEWEST = 10_000
"""Rows that a range of `RANGE` numbers has at least, else it is widened: a table with gaps must
not become millions of ranges."""

READERS = 2
"""Ranges read at once."""

INFERENCE_ROWS = 1 << 20
"""Rows from which the driver tells a column's type: all of a range, since types vary by row."""

LEAST_ROW_BYTES = 6
"""What the smallest row takes: its place on the page, its size, its number and its header."""

HOT = bytes.fromhex("d9d505f920a163d7")
"""How a rollback journal begins that is still needed (https://sqlite.org/fileformat2.html)."""

Span: TypeAlias = tuple[int, int]
"""Row numbers, from the first to the last."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def uri(path: Path) -> str:
    """The file, read-only; immutable, so that no journal is looked for or made.

    Raises InputError where a journal beside it has what the file itself does not have yet.
    """
    found = path.resolve()
    log, journal = (found.with_name(found.name + suffix) for suffix in ("-wal", "-journal"))
    if log.exists() and log.stat().st_size:
        raise InputError(
            f"has changes that are only in {log.name}",
            where=str(path),
            hint=f"fold them in: sqlite3 {path} 'PRAGMA wal_checkpoint(TRUNCATE)'",
        )
    if journal.exists() and _starts(journal) == HOT:
        raise InputError(
            f"was left in the middle of a change, which {journal.name} undoes",
            where=str(path),
            hint=f"let SQLite undo it: sqlite3 {path} .schema",
        )
    return f"{found.as_uri()}?mode=ro&immutable=1"


def _starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(HOT))


def damaged(path: Path, error: Exception) -> InputError:
    """What is said of a file that SQLite cannot read."""
    return InputError(str(error).strip(), where=str(path), hint="is it a whole SQLite file?")


def columns_of(path: Path, table: str) -> list[str]:
    """The columns of a table, none where there is no such table. Raises InputError.

    Views and virtual tables do not count: what they compute may never end.
    """
    query = (
        "SELECT c.name FROM sqlite_schema t, pragma_table_info(t.name) c"
        " WHERE t.type = 'table' AND t.rootpage > 0 AND t.name = ? COLLATE NOCASE"
    )
    try:
        with closing(sqlite3.connect(uri(path), uri=True)) as connection:
            return [str(name) for (name,) in connection.execute(query, [table])]
    except sqlite3.Error as error:
        raise damaged(path, error) from error


def most(path: Path, table: str) -> int:
    """How many rows a table has at most: as many as its numbers, and as its file can hold."""
    try:
        with closing(sqlite3.connect(uri(path), uri=True)) as connection:
            bounds = _bounds(connection, table)
    except sqlite3.Error as error:
        raise damaged(path, error) from error
    if bounds is None:
        return 0
    return min(bounds[1] - bounds[0] + 1, path.stat().st_size // LEAST_ROW_BYTES)


def spans(path: Path, table: str) -> Iterator[Span]:
    """Ranges of row numbers that cover a table, in order; none is empty or has more than `RANGE`
    rows. Raises InputError."""
    try:
        with closing(sqlite3.connect(uri(path), uri=True)) as connection:
            bounds = _bounds(connection, table)
            if bounds is None:
                return
            start, high = bounds
            while start <= high:
                first = _number(connection, table, start, 0)
                if first is None:
                    return
                last = _last(connection, table, first, high)
                yield first, last
                start = last + 1
    except sqlite3.Error as error:
        raise damaged(path, error) from error


def _bounds(connection: sqlite3.Connection, table: str) -> Span | None:
    """The lowest and the highest row number, None where there are no rows."""
    query = f"SELECT (SELECT min(rowid) FROM {identifier(table)}), max(rowid) FROM"
    low, high = connection.execute(f"{query} {identifier(table)}").fetchone()
    return None if low is None else (int(low), int(high))


def _last(connection: sqlite3.Connection, table: str, first: int, high: int) -> int:
    """The last number of the range that begins at row `first`."""
    wide = min(first + RANGE - 1, high)
    probe = _number(connection, table, first, FEWEST)
    if probe is None:
        return high
    if probe <= wide:
        return wide
    # Few of these numbers are rows. Counting them is slow, but only here.
    following = _number(connection, table, first, RANGE)
    return high if following is None else following - 1


def _number(connection: sqlite3.Connection, table: str, start: int, skipped: int) -> int | None:
    """The number of the row that comes `skipped` rows after the first one from `start`."""
    found = connection.execute(
        f"SELECT rowid FROM {identifier(table)} WHERE rowid >= ? ORDER BY rowid LIMIT 1 OFFSET ?",
        [start, skipped],
    ).fetchone()
    return int(found[0]) if found else None


def read(
    path: Path, table: str, columns: Sequence[str], span: Span, *, texts: Sequence[str] = ()
) -> pa.RecordBatch:
    """Columns of the rows of one range, in order of row number; each of whatever type it has, but
    those in `texts` as text, since whole numbers beside others would lose digits.

    Raises InputError.
    """
    from adbc_driver_sqlite import dbapi

    cells = (f"CAST({identifier(c)} AS TEXT)" if c in texts else identifier(c) for c in columns)
    listed = ", ".join(f"{cell} AS {identifier(f'c{i}')}" for i, cell in enumerate(cells))
    query = f"SELECT {listed} FROM {identifier(table)} WHERE rowid BETWEEN {span[0]} AND {span[1]}"
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


def each(items: Iterable[Item], work: Callable[[Item], Answer]) -> Iterator[Answer]:
    """`work(item)` for each item, some at a time; the answers in order."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting: list[Future[Answer]] = []
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > READERS:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
