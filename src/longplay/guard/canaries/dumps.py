"""The texts of a leaked copy, whatever it was made into: Parquet, SQLite, CSV, JSON, or lines.

Bounded, as leaks come from anywhere: a file is read in pieces, long cells are passed over, and what
cannot be read is told.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, cast
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from longplay.errors import InputError

PIECE = 1 << 16
"""Characters of a text file that are read at once. A line is cut at twice that: no cell of it is
longer than the 128 Ki that the csv module takes, a limit that is the whole process's."""

CELL = 10_000
"""Characters of a cell; there are no titles beyond."""

BATCH = 10_000
"""Rows of a table that are read at once."""

_STRING = re.compile(r'"([^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+)"')


def texts(path: Path) -> Iterator[str]:
    """All texts of a file, or of all files of a folder, row by row. Raises InputError for what
    cannot be opened."""
    if path.is_dir():
        for each in sorted(one for one in path.rglob("*") if one.is_file()):
            yield from texts(each)
        return
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head[:4] == b"PAR1":
            yield from _parquet(path)
        elif head == b"SQLite format 3\0":
            yield from _sqlite(path)
        else:
            with path.open("rb") as file:
                unpacked = gzip.GzipFile(fileobj=file) if head[:2] == b"\x1f\x8b" else file
                yield from _lines(cast(IO[bytes], unpacked), head)
    except (OSError, EOFError, zlib.error, UnicodeError, pa.ArrowException, sqlite3.Error) as error:
        raise InputError(
            f"cannot be read: {error}", where=str(path), hint="take an undamaged copy of it"
        ) from error


def _parquet(path: Path) -> Iterator[str]:
    with pq.ParquetFile(path, memory_map=False) as file:
        for batch in file.iter_batches(BATCH):
            columns = [_cells(column) for column in batch.columns if _says(column.type)]
            for row in zip(*columns, strict=True):
                for cell in row:
                    yield from _within(cell)


def _says(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _says(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _cells(column: pa.Array) -> list[object]:
    return list(column.to_pylist())


def _within(cell: object) -> Iterator[str]:
    for one in cell if isinstance(cell, list) else [cell]:
        if isinstance(one, str) and len(one) <= CELL:
            yield one


def _sqlite(path: Path) -> Iterator[str]:
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        asked = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        for (name,) in connection.execute(asked).fetchall():
            quoted = '"' + name.replace('"', '""') + '"'
            for row in connection.execute(f"SELECT * FROM {quoted}"):
                for cell in row:
                    yield from _within(cell)


def _lines(file: IO[bytes], head: bytes) -> Iterator[str]:
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with io.TextIOWrapper(file, encoding, errors="replace", newline="") as reading:
        first = reading.read(PIECE)
        if first.lstrip()[:1] in ("{", "["):
            yield from _json(first, reading)
        else:
            yield from _cells_of(first, reading)


def _json(piece: str, reading: IO[str]) -> Iterator[str]:
    """Every string of a JSON text, or of one a line, without looking at what it is part of."""
    while piece:
        end = 0
        for match in _STRING.finditer(piece):
            end = match.end()
            if len(match[1]) <= CELL:
                yield from _unescaped(match)
        more, rest = reading.read(PIECE), piece[end:]
        if len(rest) > PIECE:  # no text of a catalogue; it goes on, but need not be kept
            rest = '"' + ("\\" if rest.endswith("\\") else "") if '"' in rest else ""
        piece = rest + more if more else ""


def _unescaped(match: re.Match[str]) -> Iterator[str]:
    if "\\" not in match[1]:
        yield match[1]
        return
    try:
        yield json.loads(match[0])
    except ValueError:  # an escape that JSON does not have
        return


def _cells_of(first: str, reading: IO[str]) -> Iterator[str]:
    """Every cell of a CSV; the delimiter is what the first line has most of."""
    line = first.partition("\n")[0]
    delimiter = max("\t,;|", key=line.count)
    for row in _rows(csv.reader(_bounded(first, reading), delimiter=delimiter)):
        for cell in row:
            if len(cell) <= CELL:
                yield cell
                if ";" in cell:
                    yield from (part.strip() for part in cell.split(";"))


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            yield next(reader)
        except csv.Error:
            continue
        except StopIteration:
            return


def _bounded(first: str, reading: IO[str]) -> Iterator[str]:
    """Lines, those without an end in pieces."""
    rest = first
    while True:
        *whole, rest = rest.split("\n")
        yield from (f"{one}\n" for one in whole)
        if len(rest) > PIECE:
            yield f"{rest}\n"
            rest = ""
        more = reading.read(PIECE)
        if not more:
            if rest:
                yield rest
            return
        rest += more
