"""Tables: CSV, TSV, JSON lines, Parquet and SQLite, with a column map or with our column names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from longplay.catalogue import database, imports, inline, licences
from longplay.catalogue.database import Connection, quoted
from longplay.catalogue.importers import columns, readers, relations
from longplay.catalogue.importers.columns import TableMap
from longplay.catalogue.importers.readers import Input
from longplay.catalogue.importers.relation_map import RelationMap
from longplay.catalogue.staging import Staging
from longplay.errors import InputError, RightsError

Check = Callable[[str, str], None]
Progress = Callable[[int, int, str], None]


def _accept(_text: str, _where: str) -> None:
    """Take any licence text: for tables whose licences nobody relies on."""


def _quiet(_done: int, _total: int, _words: str) -> None:
    """Show no progress."""


def import_table(
    folder: Path,
    source: str,
    paths: Sequence[Path],
    *,
    table_map: TableMap | RelationMap | None = None,
    licence: str | None = None,
    declared: Mapping[str, int] | None = None,
    check_rights: Check = _accept,
    progress: Progress = _quiet,
) -> imports.Imported:
    """Import the files of one source as its layer in the catalogue at `folder`.

    Without a map, columns are known by `columns.DEFAULT_NAMES`. `licence` is that of the metadata
    itself; `declared` the number of rows by table that the source says there are (else the files'
    own count). `check_rights(text, where)` is called for each distinct text of the `licence` column
    and raises RightsError to stop the import. `progress(done, total, words)` counts files, or
    the rows of a database in many tables.

    Raises InputError when a file is not of its format or no row of it is good, RightsError,
    LockedError; then nothing changes. Rows that cannot be used are kept in `rejects` with reasons.
    """

    if not paths:
        raise InputError("no file to import", where=source)
    run = partial(imports.run, folder, source, licence=licence, declared=declared, origin=paths)
    if isinstance(table_map, RelationMap):
        return run(
            lambda stage: relations.fill(stage, paths, table_map, check_rights, progress),
            kind="table",
        )
    counted = table_map is not None and table_map.count_listens
    kind = licences.COUNTED if counted else "table"
    return run(
        lambda stage: _fill(stage, paths, table_map, check_rights, progress),
        kind=kind,
        licences=licences.exceptions(licence, kind),
        count_listens=counted,
    )


def _fill(
    stage: Staging,
    paths: Sequence[Path],
    table_map: TableMap | None,
    check_rights: Check,
    progress: Progress,
) -> imports.Staged:
    """Stage the rows of tables that have a track each."""
    connection, scratch = stage.connection, stage.scratch
    connection.execute("CREATE TABLE inputs (ordinal BIGINT, name VARCHAR)")
    connection.execute("CREATE TABLE lines (record BIGINT, line BIGINT)")
    refused = 0
    for ordinal, path in enumerate(paths):
        progress(ordinal, len(paths), path.name)
        found = readers.recognise(path, ordinal, table_map.format if table_map else None)
        connection.execute("INSERT INTO inputs VALUES (?, ?)", [ordinal, path.name])
        with _told(path):
            refused += _stage_any(connection, found, table_map, scratch)
    count = database.one(connection, "SELECT count(*) FROM staged") + refused
    _reject(connection)
    _require_rows(connection, paths, count)
    _keep_rights(connection, check_rights)
    progress(len(paths), len(paths), "")
    return imports.Staged(count, {"tracks": count})


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell DuckDB's errors about a file as one line."""
    try:
        yield
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):
        raise  # our own SQL is wrong, not the file
    except duckdb.Error as error:
        line = str(error).strip().splitlines()[0][:300]
        raise InputError(line, where=str(path), hint="is it whole, and of this format?") from error


def _stage_any(connection: Connection, source: Input, given: TableMap | None, scratch: Path) -> int:
    try:
        return _stage(connection, source, given, scratch)
    except duckdb.InvalidInputException as error:
        if "state machine" not in str(error):
            raise
    connection.execute("DROP TABLE IF EXISTS csv_errors; DROP TABLE IF EXISTS csv_scans")
    return _stage(connection, readers.with_plain_lines(source, scratch), given, scratch)


def _stage(connection: Connection, source: Input, given: TableMap | None, scratch: Path) -> int:
    """Stage one file's rows; returns how many its reader refused."""
    table = given or columns.default(None)
    with readers.raw(connection, source, table, scratch) as raw:
        if raw.columns is not None:
            table = given or columns.default(raw.columns)
            _require_columns(source, table, raw.columns)
        # A table first: only so are rows numbered in file order and still read in parallel.
        connection.execute(f"CREATE OR REPLACE TABLE raw AS {raw.query}")
        inline.stage(connection, columns.select(table, source.ordinal))
        connection.execute("DROP TABLE raw")
    refused = readers.keep_rejects(connection, source)
    if "licence" in table.columns and source.format in ("csv", "tsv"):
        _number_lines(connection, source, table.delimiter, refused)
    return refused


def _require_columns(source: Input, table: TableMap, present: Sequence[str]) -> None:
    missing = [name for name in table.wanted if name not in present]
    if missing or "id" not in table.columns:
        raise InputError(
            f"has no column {missing[0] if missing else 'id'}",
            where=str(source.path),
            hint=f"it has {', '.join(present)[:200]}; name yours in a map (--map)",
        )


def _number_lines(
    connection: Connection, source: Input, delimiter: str | None, refused: int
) -> None:
    """Note on which line each record stands: a statement of rights is evidence by its line.

    Where that is not certain, nothing is noted, and the number of the record has to do.
    """
    if refused:
        first = database_text(
            connection,
            "SELECT place || ': ' || reason FROM rejects WHERE place LIKE"
            f" {quoted(source.name + ':%')} ORDER BY try_cast(split_part(place, ':', -1)"
            " AS BIGINT)",
        )
        raise RightsError(
            f"a row of a table with licences cannot be read ({first})",
            where=source.name,
            hint="correct that line; nothing was imported",
        )
    numbers = readers.record_lines(source, delimiter)
    records_of_file = f"FROM staged WHERE record >> 40 = {source.ordinal}"
    if database.one(connection, f"SELECT count(*) {records_of_file}") != len(numbers):
        return
    records = np.arange(1, len(numbers) + 1, dtype=np.int64) + (source.ordinal << 40)
    connection.register("numbered", pa.table({"record": records, "line": numbers}))
    connection.execute("INSERT INTO lines SELECT * FROM numbered")
    connection.unregister("numbered")


def database_text(connection: Connection, query: str) -> str:
    """The single text that a query answers with first."""
    found = connection.execute(query).fetchone()
    return str(found[0]) if found else ""


def _reject(connection: Connection) -> None:
    """Move staged rows that have a reason to `rejects`."""
    connection.execute(
        "INSERT INTO rejects BY NAME SELECT name || ':row ' || (record & (1::BIGINT << 40) - 1)"
        " AS place, own_id, reason, content FROM staged JOIN inputs ON record >> 40 = ordinal"
        " WHERE reason IS NOT NULL"
    )
    connection.execute("DELETE FROM staged WHERE reason IS NOT NULL")


def _require_rows(connection: Connection, paths: Sequence[Path], count: int) -> None:
    """A table of which nothing can be used is the wrong file, or has the wrong map."""
    if count and not database.one(connection, "SELECT count(*) FROM staged"):
        why = database_text(connection, "SELECT reason FROM rejects ORDER BY place LIMIT 1")
        raise InputError(
            f"none of its {count} rows can be used: {why}",
            where=str(paths[0]),
            hint="is this the right format and map? nothing was imported",
        )


def _keep_rights(connection: Connection, check: Check) -> None:
    """Check each text of the licence column where it first stands, then keep all of them."""
    connection.execute(
        "CREATE VIEW licensed AS SELECT own_id, licence, record, name || ':' ||"
        " coalesce(line::VARCHAR, 'row ' || (record & (1::BIGINT << 40) - 1)) AS place FROM staged"
        " JOIN inputs ON record >> 40 = ordinal LEFT JOIN lines USING (record)"
        " WHERE licence IS NOT NULL"
    )
    distinct = connection.execute(
        "SELECT licence, arg_min(place, record) FROM licensed GROUP BY licence ORDER BY min(record)"
    )
    for text, place in iter(distinct.fetchone, None):
        check(str(text), str(place))
    connection.execute(
        "INSERT INTO staged_rights SELECT own_id, licence, 'licence', place FROM licensed"
    )
