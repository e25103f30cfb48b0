"""From a dump to one Parquet file a table: only needed columns, bad rows aside, all counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from longplay.catalogue.importers.musicbrainz import archive, copytext
from longplay.catalogue.importers.musicbrainz.archive import Member
from longplay.catalogue.importers.musicbrainz.tables import SCHEMAS, TABLES, Table
from longplay.errors import InputError

BLOCK = 16 * 2**20
"""Bytes of a table that are parsed at once: about one row group."""

MAX_ROW = 2**20
"""Bytes of a row: the longest that people wrote into these tables have some kilobytes."""

MAX_REJECTED = 1_000_000
"""Rows of one table without use after which, if there are no more good ones, it is none of ours:
each is kept with its reason, and a small archive can hold any number of empty lines."""

MAX_KEPT = 300
"""Characters that are kept of a rejected row."""

Reject = Callable[[pa.Table], None]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Spooled:
    """A table's file, and how many rows the dump gave for it: those held, those rejected."""

    path: Path
    place: str
    held: int
    rejected: int


@dataclass(slots=True)
class _Counts:
    held: int = 0
    rejected: int = 0
    rejects: list[tuple[int, str, str]] = field(default_factory=list)


def spool(
    paths: Sequence[Path], folder: Path, reject: Reject, progress: Callable[[int, int], None]
) -> dict[str, Spooled]:
    """Write each table of the dumps that we read to `folder`; returns them by name.

    `reject` gets the rows that cannot be used, `progress` the bytes read and their total. Raises
    InputError for what is no dump, is damaged or cut short, has a schema that we do not know, has a
    table twice, or one with more rows of no use than `MAX_REJECTED` and than good ones.
    """
    try:
        total = sum(map(archive.size, paths))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(error.filename)) from error
    done = 0

    def count(length: int) -> None:
        nonlocal done
        done += length
        progress(min(done, total), total)

    found: dict[str, Spooled] = {}
    for path in paths:
        before = len(found)
        for member in archive.members(path, count):
            if member.name == "SCHEMA_SEQUENCE":
                _check_schema(member)
            elif member.name in TABLES:
                if member.name in found:
                    raise InputError(
                        f"has table {member.name}, as {found[member.name].place} does",
                        where=member.place,
                        hint="give each archive once",
                    )
                found[member.name] = _table(member, TABLES[member.name], folder, reject)
        if len(found) == before:
            raise InputError(
                "holds no table of MusicBrainz that is read",
                where=str(path),
                hint="mbdump.tar.bz2 has the core tables, mbdump-derived.tar.bz2 the tags",
            )
    return found


def _check_schema(member: Member) -> None:
    said = b"".join(member.chunks)[:64].strip().decode(errors="replace")
    if not (said.isascii() and said.isdigit() and int(said) in SCHEMAS):
        raise InputError(
            f"has schema {said[:20]!r}; known are {SCHEMAS.start} to {SCHEMAS.stop - 1}",
            where=member.place,
            hint="a newer Longplay may know it",
        )


def _table(member: Member, table: Table, folder: Path, reject: Reject) -> Spooled:
    path = folder / f"{member.name}.parquet"
    counts = _Counts()
    with pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1) as writer:
        for data in _blocks(member, counts):
            buffer = np.frombuffer(data, np.uint8)
            position = 0
            while position < len(data):
                batch, taken = _parse(buffer[position:], table, counts)
                if not taken:
                    break
                position += taken
                writer.write_batch(batch)
                _flush(member, counts, reject)
    _flush(member, counts, reject)
    return Spooled(path, member.place, counts.held, counts.rejected)


def _blocks(member: Member, counts: _Counts) -> Iterator[bytes]:
    """A table's bytes in blocks of whole rows; rows without end are rejected here."""
    pieces: list[bytes] = []
    length, skipping = 0, False
    for given in member.chunks:
        chunk = given
        if skipping:
            _, newline, chunk = chunk.partition(b"\n")
            skipping = not newline
        pieces.append(chunk)
        length += len(chunk)
        if length < BLOCK:
            continue
        block = b"".join(pieces)
        end = _last_row_end(block)
        if len(block) - end > MAX_ROW:
            yield block[:end]
            _note(counts, block[end : end + MAX_KEPT], f"a row of more than {MAX_ROW} bytes")
            end, skipping = len(block), True
        else:
            yield block[:end]
        pieces, length = [block[end:]], len(block) - end
    block = b"".join(pieces)
    end = _last_row_end(block)
    yield block[:end]
    if block[end:] and not skipping:
        _note(counts, block[end : end + MAX_KEPT], "the table ends within this row")


def _last_row_end(block: bytes) -> int:
    """Where the last whole row ends: at a line end that no backslash escapes."""
    end = block.rfind(b"\n")
    while end > 0:
        before = block[max(0, end - MAX_KEPT) : end]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            break
        end = block.rfind(b"\n", 0, end)
    return end + 1


def _parse(
    buffer: npt.NDArray[np.uint8], table: Table, counts: _Counts
) -> tuple[pa.RecordBatch, int]:
    """The next rows of a block, and how many bytes they took."""
    wanted = np.array([column.position for column in table.columns], np.int64)
    rows, taken, begins, ends, lines, codes = copytext.split(
        buffer, wanted, np.array(table.widths, np.int64), copytext.MAX_ROWS
    )
    arrays = []
    for index, column in enumerate(table.columns):
        place = (buffer, begins[index], ends[index], codes, index, column.nullable)
        arrays.append(_column(column.kind, place, rows))
    batch = pa.record_batch(arrays, schema=table.schema)
    bad = np.flatnonzero(codes)
    ended = 0
    for row in bad.tolist():
        content = buffer[lines[row] : min(lines[row + 1], lines[row] + MAX_KEPT)].tobytes()
        if content == b"\\.\n":
            ended += 1  # the mark that ends the data in a COPY statement
            continue
        counts.rejects.append(
            (
                counts.held + counts.rejected + row + 1,
                _why(int(codes[row]), table),
                content.decode("utf-8", "replace").rstrip("\n"),
            )
        )
    counts.held += rows - len(bad)
    counts.rejected += len(bad) - ended
    return (batch.filter(pa.array(codes == 0)) if len(bad) else batch), taken


def _column(kind: str, place: tuple[object, ...], rows: int) -> pa.Array:
    if kind == "int":
        values, known = copytext.integers(*place)  # type: ignore[arg-type]
        return pa.array(values, mask=~known)
    if kind == "bool":
        flags, known = copytext.truths(*place)  # type: ignore[arg-type]
        return pa.array(flags, mask=~known)
    if kind == "uuid":
        data, known = copytext.gids(*place)  # type: ignore[arg-type]
        offsets = np.arange(0, 36 * rows + 1, 36, dtype=np.int32)
    else:
        data, offsets, known = copytext.texts(*place)  # type: ignore[arg-type]
    valid = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(
        pa.string(), rows, [valid, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def _why(code: int, table: Table) -> str:
    wrong, which = divmod(code, copytext.COLUMNS)
    if wrong == copytext.WIDTH:
        expected = " or ".join(map(str, table.widths))
        return f"{which} columns instead of {expected}"
    name = table.columns[which].name
    return {
        copytext.NULL: f"no {name}",
        copytext.NUMBER: f"{name} is no number",
        copytext.TEXT: f"{name} is no text in UTF-8",
        copytext.GID: f"{name} is no UUID",
        copytext.TRUTH: f"{name} is neither t nor f",
    }[wrong]


def _note(counts: _Counts, content: bytes, reason: str) -> None:
    counts.rejects.append(
        (counts.held + counts.rejected + 1, reason, content.decode("utf-8", "replace"))
    )
    counts.rejected += 1


def _flush(member: Member, counts: _Counts, reject: Reject) -> None:
    if not counts.rejects:
        return
    numbers, reasons, contents = zip(*counts.rejects, strict=True)
    places = [f"{member.place}:row {number}" for number in numbers]
    reject(pa.table({"place": places, "reason": reasons, "content": contents}))
    counts.rejects.clear()
    if counts.rejected > max(counts.held, MAX_REJECTED):
        raise InputError(
            f"only {counts.held} of its first {counts.held + counts.rejected} rows can be used:"
            f" {reasons[0]}",
            where=member.place,
            hint="is the dump of a newer schema? nothing was imported",
        )
