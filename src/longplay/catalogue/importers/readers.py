"""Tables in files, each as one query: its rows in order, `problem` (why a row cannot be read, or
NULL; empty for a blank line), and the wanted columns as text.

What a format's reader refuses is kept in `rejects`; a file that is not of its format is InputError.
"""

from __future__ import annotations

import codecs
import csv
import io
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longplay import files
from longplay.catalogue.database import (
    Connection,
    identifier,
    one,
    parquet,
    path_literal,
    quoted,
)
from longplay.catalogue.importers import ranges
from longplay.catalogue.importers.columns import Format, TableMap, cell
from longplay.errors import InputError

SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "csv", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet", ".sqlite": "sqlite",
    ".sqlite3": "sqlite", ".db": "sqlite", ".db3": "sqlite",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}

MAX_HEADER_BYTES = 1024 * 1024
"""A header line names some dozens of columns; a megabyte is no header."""

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is rejected: no track has 16 MiB of metadata."""

CHUNK = 16 * 1024 * 1024
"""Bytes that are held at once while a file is decompressed."""

SPARE_BYTES = 2**30
"""What stays free on the disk while a file is decompressed to it: a bomb stops here."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file of a source: its name for people, its format, how it is compressed, and its place
    among the files."""

    name: str
    path: Path
    format: Format
    compression: str | None
    ordinal: int


@dataclass(frozen=True, slots=True)
class Raw:
    """A file as a query. `columns` are the names that the file has; None: each row has its own."""

    query: str
    columns: tuple[str, ...] | None


def recognise(path: Path, ordinal: int, stated: Format | None) -> Input:
    """What a file is, by the map's word or its name. Raises InputError."""
    if not path.is_file():
        raise InputError("is not a file", where=str(path), hint="check the path")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    inner = suffixes[-2:-1] if compression else suffixes[-1:]
    found = stated or SUFFIXES.get(inner[0] if inner else "")
    if found is None:
        known = ", ".join(get_args(Format))
        raise InputError(
            "is of no known table format", where=str(path), hint=f"say format = … in a map: {known}"
        )
    return Input(path.name, path, found, compression, ordinal)


@contextmanager
def raw(connection: Connection, source: Input, table: TableMap, scratch: Path) -> Iterator[Raw]:
    """A file as a query, for as long as the context lasts. Raises InputError."""
    if source.format in ("csv", "tsv", "jsonl"):
        if source.compression:
            _check_whole(source)
        yield _csv(source, table) if source.format != "jsonl" else _jsonl(source, table)
        return
    plain = _decompressed(source, scratch) if source.compression else source.path
    if source.format == "parquet":
        yield _parquet(connection, plain, table)
    else:
        with _sqlite(connection, plain, table) as relation:
            yield relation
    if plain is not source.path:
        plain.unlink()


def _stream(source: Input) -> pa.NativeFile:
    return pa.input_stream(str(source.path), compression=source.compression)


def _head(source: Input) -> bytes:
    try:
        with _stream(source) as stream:
            return bytes(stream.read(MAX_HEADER_BYTES))
    except OSError as error:
        raise InputError(str(error), where=str(source.path), hint="fetch it again") from error


def _check_whole(source: Input) -> None:
    """Read a compressed file to its end: DuckDB takes a truncated zstd file for a short one."""
    try:
        with _stream(source) as stream:
            while stream.read(CHUNK):
                pass
    except OSError as error:
        raise InputError(str(error), where=str(source.path), hint="fetch it again") from error


def _decompressed(source: Input, scratch: Path) -> Path:
    target = scratch / f"input-{source.ordinal}"
    try:
        with _stream(source) as stream, target.open("wb") as out:
            while chunk := stream.read(CHUNK):
                files.require_free(scratch, SPARE_BYTES)
                out.write(chunk)
    except OSError as error:
        raise InputError(str(error), where=str(source.path), hint="fetch it again") from error
    return target


# CSV and TSV


def _header(source: Input, delimiter: str | None) -> tuple[list[str], str]:
    """The names of a CSV file's columns, made unique, and its delimiter."""
    head = _head(source)
    try:
        text = head.decode(
            "utf-8-sig", errors="strict" if len(head) < MAX_HEADER_BYTES else "ignore"
        )
    except UnicodeDecodeError:
        # Only the header must be text; bad rows below are rejected one by one.
        text = head.splitlines()[0].decode("utf-8-sig", errors="replace")
    first = text.lstrip("\r\n").splitlines()[:1]
    if not first or not first[0].strip() or "\ufffd" in first[0] or "\0" in first[0]:
        raise InputError("has no header line that names its columns", where=str(source.path))
    if delimiter is None:
        delimiter = "\t" if source.format == "tsv" else max(",;\t|", key=first[0].count)
    try:
        names = next(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(str(error), where=str(source.path)) from error
    unique: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        stripped = name.strip() or f"column {number}"
        free = stripped if stripped.lower() not in unique else f"{stripped} ({number})"
        unique[free.lower()] = free
    return list(unique.values()), delimiter


def _csv(source: Input, table: TableMap) -> Raw:
    names, delimiter = _header(source, table.delimiter)
    types = ", ".join(f"{quoted('c:' + name)}: 'VARCHAR'" for name in names)
    wanted = "".join(f", {cell(name)}" for name in names if name in table.wanted)
    relation = _read_csv(
        source,
        types,
        f"header = true, delim = {quoted(delimiter)}, quote = '\"',"
        " escape = '\"', strict_mode = true",
    )
    return Raw(f"SELECT NULL::VARCHAR AS problem{wanted} FROM {relation}", tuple(names))


def _read_csv(source: Input, types: str, options: str) -> str:
    return (
        f"read_csv({path_literal(source.path)}, columns = {{{types}}}, auto_detect = false,"
        f" compression = '{source.compression or 'none'}', {options}, store_rejects = true,"
        " rejects_table = 'csv_errors', rejects_scan = 'csv_scans', rejects_limit = 0,"
        f" max_line_size = {MAX_LINE_BYTES})"
    )


def keep_rejects(connection: Connection, source: Input) -> int:
    """Move what the CSV reader refused to `rejects`; returns how many rows that were."""
    present = one(
        connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'csv_errors'"
    )
    if not present:
        return 0
    found = connection.execute(
        "INSERT INTO rejects BY NAME SELECT place, reason, content FROM"
        f" (SELECT {quoted(source.name)} || ':' || line AS place,"
        " arg_min(lower(error_type) || ': ' || error_message, column_idx) AS reason,"
        " left(any_value(csv_line), 2000) AS content FROM csv_errors GROUP BY line)"
    ).fetchone()
    connection.execute("DROP TABLE csv_errors; DROP TABLE csv_scans")
    return int(found[0]) if found else 0


def with_plain_lines(source: Input, scratch: Path) -> Input:
    """A copy of a CSV file in which every line ends alike: DuckDB takes no mixture of line ends."""
    target = scratch / f"input-{source.ordinal}.csv"
    carried = b""
    with _stream(source) as stream, target.open("wb") as out:
        while chunk := stream.read(CHUNK):
            files.require_free(scratch, SPARE_BYTES)
            data = carried + chunk
            carried = b"\r" if data.endswith(b"\r") else b""
            data = data[: len(data) - len(carried)]
            out.write(data.replace(b"\r\n", b"\n").replace(b"\r", b" "))
    return replace(source, path=target, compression=None)


def record_lines(source: Input, delimiter: str | None) -> npt.NDArray[np.int64]:
    """The line on which each record of a CSV file begins, header excluded, blank lines skipped.

    A record goes on while a cell that begins with a quote has not ended with one (RFC 4180).
    """
    lines: list[int] = []
    quoted = False
    between = _header(source, delimiter)[1].encode()
    with _stream(source) as stream, io.BufferedReader(stream, CHUNK) as reader:
        for number, line in enumerate(iter(lambda: reader.readline(MAX_LINE_BYTES), b""), 1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if not quoted and text.strip(b"\r\n"):
                lines.append(number)
            if b'"' in text:
                quoted = _goes_on(text, between, quoted)
    return np.array(lines[1:], np.int64)


def _goes_on(line: bytes, delimiter: bytes, quoted: bool) -> bool:
    """Whether the last cell of a line goes on in the next one, if the first did (`quoted`) or not.

    A quote that does not open its cell is a letter, as in `12" single`.
    """
    place = 0
    while True:
        if not quoted and line.startswith(b'"', place):
            quoted, place = True, place + 1
        while quoted:
            place = line.find(b'"', place) + 1
            if not place:
                return True
            quoted = line.startswith(b'"', place)  # doubled, it stands for itself
            place += quoted
        place = line.find(delimiter, place) + len(delimiter)
        if place < len(delimiter):
            return False


# JSON lines


def _jsonl(source: Input, table: TableMap) -> Raw:
    first = _head(source).lstrip().split(b"\n")[0].strip()
    if first == b"[" or (first.startswith(b"[") and first.endswith((b",", b"{"))):
        raise InputError(
            "is one JSON array", where=str(source.path), hint="write one object a line"
        )
    # A control character never stands in JSON, so each line is one cell.
    relation = _read_csv(
        source, "'line': 'VARCHAR'", "header = false, delim = '\x01', quote = '', escape = ''"
    )
    paths = ", ".join(
        quoted("/" + name.replace("~", "~0").replace("/", "~1")) for name in table.wanted
    )
    cells = ", ".join(
        f"cells[{place}] AS {cell(name)}" for place, name in enumerate(table.wanted, 1)
    )
    return Raw(
        "SELECT CASE WHEN trim(line) = '' OR line IS NULL THEN '' WHEN cells IS NULL"
        " THEN 'is not a JSON object' END AS problem,"
        f" {cells}"
        " FROM (SELECT line, CASE WHEN json_valid(line) THEN CASE WHEN json_type(line) = 'OBJECT'"
        f" THEN json_extract_string(line, [{paths}]) END END AS cells"
        f" FROM {relation})",
        None,
    )


# Parquet


def _parquet(connection: Connection, path: Path, table: TableMap) -> Raw:
    relation = parquet([path])
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    nested = ("[]", "STRUCT", "MAP")
    cells = {
        str(name): f"to_json({identifier(name)})::VARCHAR"
        if any(mark in str(kind) for mark in nested)
        else f"{identifier(name)}::VARCHAR"
        for name, kind, *_ in described
    }
    columns = ", ".join(
        f"{sql} AS {cell(name)}" for name, sql in cells.items() if name in table.wanted
    )
    return Raw(
        f"SELECT NULL::VARCHAR AS problem{', ' + columns if columns else ''} FROM {relation}",
        tuple(cells),
    )


# SQLite


def _describe_sqlite(path: Path, wanted: str | None) -> tuple[str, tuple[str, ...]]:
    """The table to read, and its columns."""
    try:
        with closing(sqlite3.connect(ranges.uri(path), uri=True)) as db:
            names = [
                row[0]
                for row in db.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'table'"
                    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
                )
            ]
            name = wanted or (
                "tracks" if "tracks" in names else names[0] if len(names) == 1 else ""
            )
            if name not in names:
                raise InputError(
                    f"has no table {name}" if name else f"has {len(names)} tables",
                    where=str(path),
                    hint=f"say table = … in a map: {', '.join(names[:20]) or 'it has none'}",
                )
            info = db.execute(f"PRAGMA table_info({identifier(name)})").fetchall()
    except sqlite3.Error as error:
        raise InputError(str(error), where=str(path), hint="is it an SQLite file?") from error
    return name, tuple(str(row[1]) for row in info)


@contextmanager
def _sqlite(connection: Connection, path: Path, table: TableMap) -> Iterator[Raw]:
    from adbc_driver_sqlite import dbapi

    name, columns = _describe_sqlite(path, table.table)
    used = [column for column in columns if column in table.wanted]
    # As bytes and never NULL: the driver guesses types from the first rows, and texts that are not
    # UTF-8 are for us to reject.
    cells = ", ".join(
        f"CAST(COALESCE({identifier(c)}, '') AS BLOB) AS {identifier(c)}" for c in used
    )
    with dbapi.connect(ranges.uri(path)) as db, db.cursor() as cursor:
        try:
            cursor.execute(f"SELECT {cells or 'NULL AS nothing'} FROM {identifier(name)}")
            reader = cursor.fetch_record_batch()
        except dbapi.Error as error:
            raise InputError(str(error), where=str(path), hint="is it an SQLite file?") from error
        connection.register("sqlite_rows", reader)
        try:
            yield Raw(_decoded(used), columns)
        finally:
            connection.unregister("sqlite_rows")


def _decoded(columns: Sequence[str]) -> str:
    texts = ", ".join(f"TRY(decode({identifier(c)})) AS {cell(c)}" for c in columns)
    bad = " OR ".join(f"TRY(decode({identifier(c)})) IS NULL" for c in columns) or "false"
    return (
        f"SELECT CASE WHEN {bad} THEN 'is not UTF-8' END AS problem"
        f"{', ' + texts if texts else ''} FROM sqlite_rows"
    )
