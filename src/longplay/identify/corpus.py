"""A corpus as others keep it: folders, lists, tars, Parquet, Arrow; nothing of it is unpacked.

What is read here is a stranger's. Tars are listed, and tables are read, in confined workers; of a
tar's member only its place is told, and what would climb out of a folder, or is no plain file, is
refused by name. A compressed tar is laid out in a temporary file that is bounded and removed.
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from longplay.audio.tags import kind_of
from longplay.errors import InputError, MediaError
from longplay.files import escape, free, inside
from longplay.identify.listening import Heard, Sound, listen
from longplay.model import Kind
from longplay.settings import Limits

TARS = (".tar",)
COMPRESSED = (".tar.gz", ".tgz")
TABLES = (".parquet", ".arrow")
ZIPS = (".zip", ".7z", ".rar", ".tar.bz2", ".tar.xz", ".tar.zst")
SHARDS = (*TARS, *COMPRESSED, *TABLES, *ZIPS)

HEAD = 64
"""Bytes by which a file is told to be sound."""

MAX_LIST = 2**30
"""Bytes of a list of files: ten million paths."""

MAX_MEMBERS = 2_000_000
"""Members of one tar; shards have some thousands."""

INFLATION = 100
"""How many times its size a compressed tar may become; sound hardly shrinks at all."""

COPY_BYTES = 2**20
ROWS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Refused:
    """Something of the corpus that cannot be heard, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A part of a table with embedded sound: one row group or record batch, or one `row` of it."""

    name: str
    path: Path
    part: int
    limits: Limits
    row: int | None = None
    chromaprint: bool = False
    printed_s: float = math.inf

    @property
    def size(self) -> int:
        """Bytes of the whole file: a bound of what is in it."""
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member of a tar lies; `why` it is refused, if it is."""

    name: str
    start: int
    length: int
    why: str = ""


def files(corpus: Path) -> Iterator[Path | Refused]:
    """The files of a folder, in order of names; or those that a list names; or the one that it is.
    Links are not followed. Raises InputError where there is nothing."""
    if corpus.is_dir():
        yield from _walk(corpus)
    elif not corpus.exists():
        raise InputError("is not there", where=str(corpus), hint="check the path")
    elif is_shard(corpus) or kind_of(os.fsencode(corpus.name), _head(corpus)) is Kind.AUDIO:
        yield corpus
    else:
        yield from _listed(corpus)


def is_shard(path: Path) -> bool:
    """Whether a file holds many others."""
    return path.name.lower().endswith(SHARDS)


def is_plain_sound(path: Path) -> bool:
    """Whether a file claims to be sound, by its name or its beginning."""
    return kind_of(os.fsencode(path.name), _head(path)) is Kind.AUDIO


def _walk(folder: Path) -> Iterator[Path | Refused]:
    try:
        entries = sorted(os.scandir(folder), key=lambda one: one.name)
    except OSError as error:
        yield Refused(escape(os.fsencode(folder)), f"cannot be read: {error.strerror}")
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        elif entry.is_file(follow_symlinks=False):
            yield path
        else:
            why = "is a link" if entry.is_symlink() else "is not a regular file"
            yield Refused(escape(os.fsencode(path)), why)


def _listed(corpus: Path) -> Iterator[Path | Refused]:
    with corpus.open("rb") as source:
        data = source.read(MAX_LIST + 1)
    if len(data) > MAX_LIST or b"\0" in data:
        raise InputError(
            "is no list of files",
            where=str(corpus),
            hint="a list has one path a line; a table needs --manifest-only",
        )
    for line in data.splitlines():
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        path = corpus.parent / os.fsdecode(text)
        try:
            regular = stat.S_ISREG(path.stat().st_mode)
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            yield Refused(escape(text), f"cannot be read: {words}")
            continue
        yield path if regular else Refused(escape(text), "is not a regular file")


def _head(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with open(descriptor, "rb") as source:  # noqa: PTH123 - a descriptor
        return source.read(HEAD)


def laid_out(path: Path, folder: Path) -> Path:
    """A compressed tar as a plain one in `folder`, which the caller removes. Raises InputError for
    one that is damaged, or that unpacks to far more than it is."""
    most = min(path.stat().st_size * INFLATION, free(folder) // 2)
    target = folder / "laid-out.tar"
    done = 0
    try:
        with gzip.open(path, "rb") as source, target.open("wb") as out:
            while data := source.read(COPY_BYTES):
                done += len(data)
                if done > most:
                    raise InputError(
                        f"unpacks to more than {most:,} bytes, {INFLATION} times its size or"
                        " half the free space: it was not read"
                    )
                out.write(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be unpacked: {error}") from error
    return target


def members(path: Path) -> list[Member]:
    """Where the members of a tar lie, for a confined worker: a hostile header costs that alone.
    Raises InputError."""
    found = []
    try:
        with tarfile.open(path, "r:") as tar:
            for one in tar:
                tar.members = []  # type: ignore[attr-defined] # it would remember all of them
                if not one.isdir():
                    found.append(_member(one))
                if len(found) > MAX_MEMBERS:
                    raise InputError(f"has more than {MAX_MEMBERS:,} members")
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        if not found:
            raise InputError(f"is no tar, or damaged: {error}") from error
        found.append(Member("", 0, 0, f"is damaged after {len(found):,} members: {error}"))
    size = path.stat().st_size
    return [
        one
        if one.start + one.length <= size
        else Member(one.name, 0, 0, "is cut off by the end of its tar")
        for one in found
    ]


def _member(one: tarfile.TarInfo) -> Member:
    name = os.fsencode(one.name)
    try:
        inside(Path("/"), name.removeprefix(b"./"))
    except InputError:
        return Member(escape(name), 0, 0, "its path leaves its folder")
    if not one.isreg() or one.issparse():
        return Member(escape(name), 0, 0, "is not a regular file")
    return Member(escape(name), one.offset_data, one.size)


def is_sound(member: Member, path: Path) -> bool:
    """Whether a member claims to be sound, by its name or its beginning."""
    with path.open("rb") as source:
        source.seek(member.start)
        head = source.read(min(HEAD, member.length))
    return kind_of(os.fsencode(member.name), head) is Kind.AUDIO


def parts(path: Path) -> int:
    """Row groups or record batches of a table with sound in it, for a confined worker. Raises
    InputError for one that has none."""
    try:
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as table:
                _column(table.schema_arrow)
                return int(table.num_row_groups)
        with _batches(path) as (schema, batches):
            _column(schema)
            return sum(1 for _ in batches)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"is no table, or damaged: {str(error)[:200]}") from error


def hear_rows(rows: Rows) -> list[tuple[str, Heard | str]]:
    """What a worker hears in a part of a table: for each row its name, and what was heard, or why
    nothing. Raises InputError."""
    found: list[tuple[str, Heard | str]] = []
    try:
        for number, value in enumerate(_values(rows)):
            if rows.row is None or number == rows.row:
                name, data = _bytes_of(value, number)
                found.append((f"{rows.name}/{rows.part}/{name}", _heard(data, rows)))
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"is damaged: {str(error)[:200]}") from error
    return found


def count_rows(rows: Rows) -> int:
    """Rows of a part, for a confined worker."""
    return sum(1 for _ in _values(rows))


def _heard(data: bytes | None, rows: Rows) -> Heard | str:
    if data is None:
        return "has no bytes in it, only a path or nothing"
    try:
        sound = Sound(
            "",
            None,
            rows.limits,
            data=data,
            chromaprint=rows.chromaprint,
            printed_s=rows.printed_s,
        )
        return listen(sound)
    except (MediaError, InputError) as error:
        return str(error)


def _values(rows: Rows) -> Iterator[Any]:
    if rows.path.suffix.lower() == ".parquet":
        with pq.ParquetFile(rows.path, memory_map=True, pre_buffer=False) as table:
            name = _column(table.schema_arrow)
            for batch in table.iter_batches(ROWS_AT_ONCE, [rows.part], [name]):
                for value in batch.column(0):
                    yield value.as_py()
        return
    with _batches(rows.path) as (schema, batches):
        name = _column(schema)
        for number, batch in enumerate(batches):
            if number == rows.part:
                for value in batch.column(batch.schema.get_field_index(name)):
                    yield value.as_py()
                return


class _batches:  # noqa: N801 - used as a function
    """An Arrow file, or a stream as `datasets` writes: its schema and record batches."""

    def __init__(self, path: Path) -> None:
        self._source = pa.memory_map(str(path), "r")

    def __enter__(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        try:
            reader = pa.ipc.open_file(self._source)
        except pa.ArrowInvalid:
            self._source.seek(0)
            stream = pa.ipc.open_stream(self._source)
            return stream.schema, iter(stream)
        every = (reader.get_batch(number) for number in range(reader.num_record_batches))
        return reader.schema, every

    def __exit__(self, *_: object) -> None:
        self._source.close()


def _column(schema: pa.Schema) -> str:
    """The column that has sound: a struct with `bytes`, or bytes by an audio's name."""
    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            inner = kind.field("bytes").type
            if pa.types.is_binary(inner) or pa.types.is_large_binary(inner):
                return str(field.name)
    for field in schema:
        plain = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
        if plain and field.name in ("audio", "bytes", "sound", "mp3", "flac", "wav", "content"):
            return str(field.name)
    raise InputError("has no column of sound: neither a struct with bytes, nor bytes named audio")


def _bytes_of(value: Any, number: int) -> tuple[str, bytes | None]:
    if isinstance(value, dict):
        path = value.get("path")
        name = escape(path.encode("utf-8", "surrogatepass")) if isinstance(path, str) else ""
        data = value.get("bytes")
    else:
        name, data = "", value
    return f"{number}{f' {name}' if name else ''}", data if isinstance(data, bytes) else None
