"""A stream cut into batches of texts: the lines of a file, or the objects of one JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from longplay.catalogue.database import Connection
from longplay.catalogue.importers.listens.streams import Member, Readable, told
from longplay.errors import InputError

CHUNK = 16 * 2**20
"""Bytes that are read and worked on at once."""

MAX_LINE_BYTES = 2**20
"""A longer line is rejected: one listen is some hundred bytes, at most 10 KiB."""

MAX_DOCUMENT_BYTES = 128 * 2**20
"""A longer JSON document is refused: services cut what they send into files of some 12 MB."""

BATCH = 200_000
"""Objects of a document that are worked on at once."""

HEAD_BYTES = 64 * 1024
"""What the form of a history is told by."""

NOT_UTF8, TOO_LONG = "is not UTF-8", f"is longer than {MAX_LINE_BYTES} bytes"


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a stream, and the stream with them in front again."""

    start: bytes
    stream: Readable


class _Rejoined:
    """Bytes that were read before, then the rest of the stream."""

    def __init__(self, start: bytes, rest: Readable) -> None:
        self._start, self._rest = start, rest

    def read(self, size: int, /) -> bytes:
        if self._start:
            piece, self._start = self._start[:size], self._start[size:]
            return piece
        return bytes(self._rest.read(size))


def head(member: Member) -> Head:
    """Look at the beginning of a history. Raises InputError when it cannot be read."""
    with told(member.path):
        start = b""
        while len(start) < HEAD_BYTES and (more := member.stream.read(HEAD_BYTES - len(start))):
            start += more
    start = start.removeprefix(b"\xef\xbb\xbf")
    return Head(start, _Rejoined(start, member.stream))


def line_batches(member: Member, stream: Readable) -> Iterator[pa.Table]:
    """The lines of a stream, some megabytes at a time: `row` (from 1), `line` (null where it cannot
    be read) and `problem` (then: why). Blank lines are left out."""
    row, rest, skipping = 1, b"", False
    while True:
        with told(member.path):
            data = bytes(stream.read(CHUNK))
        if not data:
            break
        if skipping:
            cut = data.find(b"\n")
            if cut < 0:
                continue
            data, skipping = data[cut + 1 :], False
        data = rest + data
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if end:
            yield _lines(data[:end], row)
            row += data.count(b"\n", 0, end)
        if len(rest) > MAX_LINE_BYTES:
            yield _rows([row], [None], [TOO_LONG])
            row, rest, skipping = row + 1, b"", True
    if rest:
        yield _lines(rest, row)


def _lines(data: bytes, first: int) -> pa.Table:
    """The lines of whole bytes, which share their memory: each keeps its line end."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets == 10) + 1
    if not len(ends) or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    lines = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data))
    rows = np.arange(first, first + len(ends))
    lengths = np.diff(offsets)
    try:
        lines.validate(full=True)
    except pa.ArrowInvalid:
        return _slowly(data.split(b"\n"), first)
    if lengths.max() > MAX_LINE_BYTES:
        return _slowly(data.split(b"\n"), first)
    kept = _not_blank(octets, offsets)
    return pa.table(
        {"row": rows, "line": lines, "problem": pa.nulls(len(rows), pa.string())}
    ).filter(pa.array(kept))


def _not_blank(octets: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which lines hold more than a line end."""
    lengths = np.diff(offsets)
    first = octets[offsets[:-1]]
    blank: np.ndarray = (lengths == 1) & (first == 10) | (lengths == 2) & (first == 13)
    return ~blank


def _slowly(lines: list[bytes], first: int) -> pa.Table:
    """Lines of which some are not UTF-8 or too long, one by one."""
    rows: list[int] = []
    texts: list[str | None] = []
    problems: list[str | None] = []
    for row, line in enumerate(lines, first):
        if not line.strip():
            continue
        text, problem = None, TOO_LONG if len(line) > MAX_LINE_BYTES else None
        if problem is None:
            try:
                text = line.decode()
            except UnicodeDecodeError:
                problem = NOT_UTF8
        rows.append(row)
        texts.append(text)
        problems.append(problem)
    return _rows(rows, texts, problems)


def _rows(rows: list[int], texts: list[str | None], problems: list[str | None]) -> pa.Table:
    return pa.table(
        {
            "row": pa.array(rows, pa.int64()),
            "line": pa.array(texts, pa.string()),
            "problem": pa.array(problems, pa.string()),
        }
    )


def document_batches(
    connection: Connection, member: Member, stream: Readable
) -> Iterator[pa.Table]:
    """The objects of one JSON array, as `line_batches` gives lines. Raises InputError when the
    document is no such array, is cut off, or is too long."""
    data = bytearray()
    while len(data) <= MAX_DOCUMENT_BYTES:
        with told(member.path):
            piece = stream.read(CHUNK)
        if not piece:
            break
        data += piece
    else:
        raise InputError(f"is longer than {MAX_DOCUMENT_BYTES} bytes", where=member.name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(NOT_UTF8, where=member.name) from error
    try:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE objects AS SELECT generate_subscripts(parts, 1) AS row,"
            " unnest(parts)::VARCHAR AS line FROM (SELECT from_json(?, '[\"JSON\"]') AS parts)",
            [text],
        )
    except duckdb.Error as error:
        line = str(error).splitlines()[0][:200]
        raise InputError(
            f"is not a JSON list: {line}", where=member.name, hint="is it whole?"
        ) from error
    found = connection.sql("SELECT row, line, NULL::VARCHAR AS problem FROM objects ORDER BY row")
    rows = found.to_arrow_table()
    connection.execute("DROP TABLE objects")
    for start in range(0, rows.num_rows, BATCH):
        yield rows.slice(start, BATCH)
