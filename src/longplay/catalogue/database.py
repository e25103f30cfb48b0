"""DuckDB for the catalogue: one place where a connection gets its limits."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from longplay.catalogue import names

MEMORY = "2GB"
"""What DuckDB may hold; beyond it sorts and joins spill to the scratch folder."""

SPILL = "200GB"
"""What may be spilled: a catalogue of 256 M rows sorts within it; a runaway query does not fill
every disk."""

ROW_GROUP = 122_880
"""Rows in a Parquet row group: DuckDB's own default, small enough to skip most of a sorted file."""

Connection = duckdb.DuckDBPyConnection


@contextmanager
def opened(scratch: Path | None = None) -> Iterator[Connection]:
    """A connection with the catalogue's limits and macros, closed at the end.

    With `scratch`, tables lie in a file there; without, in memory; spills go to a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="longplay-", dir=scratch) as spill:
        connection = duckdb.connect(
            str(scratch / "staged.duckdb") if scratch else ":memory:",
            config={
                "memory_limit": MEMORY,
                "temp_directory": spill,
                "max_temp_directory_size": SPILL,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            connection.execute("SET enable_progress_bar = false")
            names.register(connection)
            yield connection
        finally:
            connection.close()


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def path_literal(path: Path) -> str:
    """A path as an SQL literal that DuckDB does not take for a pattern."""
    return quoted(re.sub(r"([*?\[])", r"[\1]", str(path)))


def parquet(paths: Iterable[Path], *options: str) -> str:
    """`read_parquet` of these files: no column is taken from names of folders such as `year=7`."""
    listed = f"[{', '.join(path_literal(path) for path in paths)}]"
    return f"read_parquet({', '.join([listed, 'hive_partitioning = false', *options])})"


def copy(connection: Connection, query: str, target: Path) -> int:
    """Write a query's rows to a Parquet file in their order; returns how many there were."""
    found = connection.execute(
        f"COPY ({query}) TO {quoted(str(target))}"
        f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
    ).fetchone()
    return int(found[0]) if found else 0


def one(connection: Connection, query: str) -> int:
    """The single number that a query answers with."""
    # All of it: an answer that is not read to its end keeps the connection from other work.
    found = connection.execute(query).fetchall()
    return int(found[0][0]) if found and found[0][0] is not None else 0
