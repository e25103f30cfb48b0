"""Copies of a catalogue that leave it: their tables, their manifest, and ids as columns of text.

A copy is a folder of Parquet files (or one SQLite file) with `manifest.json`, which lists them with
their SHA-256; `docs/export.md` describes it for those who receive one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay import files
from longplay.catalogue import ids
from longplay.catalogue.ids import RowPrefix
from longplay.errors import InputError, UsageError

VERSION = 1
"""Version of the copies' format; a newer one is refused."""

MANIFEST, SUMS, ATTRIBUTIONS = "manifest.json", "SHA256SUMS", "ATTRIBUTIONS.txt"

MAX_MANIFEST_BYTES = 16 * 2**20
"""A manifest has some hundred bytes a file and a source; 16 MiB is tens of thousands of them."""

HASH_CHUNK = 2**20
"""Bytes of a file that are held at once while it is hashed."""

_TEXTS = pa.list_(pa.string())
TABLES: dict[str, pa.Schema] = {
    "artists": pa.schema(
        [("id", pa.string()), ("source", pa.string()), ("own_id", pa.string()),
         ("name", pa.string()), ("mbid", pa.string())]
    ),
    "albums": pa.schema(
        [("id", pa.string()), ("source", pa.string()), ("own_id", pa.string()),
         ("title", pa.string()), ("artists", _TEXTS), ("artist_ids", _TEXTS),
         ("release_date", pa.string()), ("upc", pa.string()), ("mbid", pa.string()),
         ("label", pa.string())]
    ),
    "tracks": pa.schema(
        [("id", pa.string()), ("recording", pa.string()), ("source", pa.string()),
         ("own_id", pa.string()), ("title", pa.string()), ("artists", _TEXTS),
         ("artist_ids", _TEXTS), ("album_id", pa.string()), ("disc_number", pa.int32()),
         ("track_number", pa.int32()), ("duration_ms", pa.int32()), ("isrcs", _TEXTS),
         ("recording_mbid", pa.string()), ("iswcs", _TEXTS), ("release_date", pa.string()),
         ("genres", _TEXTS), ("explicit", pa.bool_()), ("popularity", pa.float32()),
         ("listens", pa.float64()), ("licence", pa.string())]
    ),
    "redirects": pa.schema([("id", pa.string()), ("successor", pa.string())]),
}  # fmt: skip
"""What a copy holds, in the order in which it is written; `tombstones` come with differences."""

TOMBSTONES = pa.schema(
    [("kind", pa.string()), ("id", pa.string()), ("source", pa.string()), ("own_id", pa.string())]
)
"""Rows that went: `kind` is the table they were in."""

Keys = npt.NDArray[np.uint64]

Terms = Literal["any", "non-commercial", "own"]
"""What a copy may be used for: by anybody for anything, not for commerce, or by its maker alone
(then no licence is asked)."""


KINDS = ("full", "sample", "difference")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a copy: its name in the folder, rows, and proof of its content."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class State:
    """One source's rows in one table, whatever their order: how many, and a sum over them."""

    rows: int
    digest: str


NONE = State(0, f"{0:032x}")
"""The state of a table without rows."""

ROWS: dict[str, RowPrefix] = {"artists": "ar", "albums": "al", "tracks": "tr"}
"""The tables whose rows are a source's, with the prefix of their ids."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A source in a copy: its licence and what that asks for, the columns that were held back, what
    the source declares, and the state of its tables."""

    source: str
    licence: str | None
    attributions: tuple[str, ...]
    withheld: tuple[str, ...]
    declared: dict[str, int]
    tables: dict[str, State]


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy's manifest. `kind` is `full`, `sample` or `difference`; `base` are the sources as they
    must be before a difference is applied; `terms` says for which use licences were asked."""

    kind: str
    snapshot: int
    made: str
    terms: Terms
    sources: tuple[Origin, ...]
    withheld: dict[str, int]
    files: tuple[File, ...] = ()
    since: int | None = None
    base: dict[str, dict[str, State]] = field(default_factory=dict)

    def paths(self, folder: Path, table: str) -> list[Path]:
        """The files of a table."""
        return [folder / each.file for each in self.files if each.file == f"{table}.parquet"]


def read(folder: Path) -> Copy:
    """The manifest of the copy in `folder`. Raises InputError."""
    path = folder / MANIFEST
    try:
        document = json.loads(files.read_bounded(path, MAX_MANIFEST_BYTES))
        if document["version"] > VERSION:
            raise InputError(
                f"was made by a newer Longplay (version {document['version']} of copies)",
                where=str(path),
                hint="install that version; nothing was touched",
            )
        return _from_document(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("is no manifest of a copy of a catalogue", where=str(path)) from error


def _from_document(document: dict[str, Any]) -> Copy:
    def states(tables: dict[str, Any]) -> dict[str, State]:
        given = {
            table: State(_count(tables[table]["rows"]), _of(str, tables[table]["digest"]))
            for table in tables
        }
        return dict.fromkeys(ROWS, NONE) | given

    facts = {name: document[name] for name in Copy.__slots__}
    origins = tuple(
        Origin(
            _of(str, one["source"]),
            None if one["licence"] is None else _of(str, one["licence"]),
            tuple(_of(str, each) for each in _of(list, one["attributions"])),
            tuple(_of(str, each) for each in _of(list, one["withheld"])),
            {_of(str, table): _count(rows) for table, rows in one["declared"].items()},
            states(one["tables"]),
        )
        for one in facts["sources"]
    )
    known = {f"{table}.parquet" for table in (*TABLES, "tombstones")} | {"catalogue.sqlite3"}
    listed = tuple(
        File(_of(str, one["file"]), _count(one["rows"]), _count(one["bytes"]), one["sha256"])
        for one in _of(list, facts["files"])
    )
    if not {one.file for one in listed} <= known:
        raise ValueError("a file that no copy has")
    facts["snapshot"], facts["made"] = _count(facts["snapshot"]), _of(str, facts["made"])
    facts["since"] = None if facts["since"] is None else _count(facts["since"])
    facts["withheld"] = {_of(str, name): _count(rows) for name, rows in facts["withheld"].items()}
    if facts["terms"] not in get_args(Terms) or facts["kind"] not in KINDS:
        raise ValueError("a kind of copy that is not known")
    base = {str(source): states(tables) for source, tables in facts["base"].items()}
    return Copy(**{**facts, "sources": origins, "files": listed, "base": base})


Value = TypeVar("Value")


def _of(kind: type[Value], value: object) -> Value:
    """A value of a manifest, which is of that kind. Raises TypeError."""
    if not isinstance(value, kind):
        raise TypeError(f"{kind.__name__} is needed")
    return value


def _count(value: object) -> int:
    """A number of rows or bytes, or of a snapshot. Raises TypeError, ValueError."""
    if isinstance(value, bool) or not 0 <= _of(int, value) < 2**63:
        raise ValueError("a number is needed")
    return _of(int, value)


def verify(folder: Path, copy: Copy) -> None:
    """Read every file of a copy and compare. Raises InputError for the first that differs."""
    for each in copy.files:
        path = folder / each.file
        if not path.is_file() or described(path, each.rows) != each:
            raise InputError(
                "is missing or damaged",
                where=str(path),
                hint="get the copy again; nothing was changed",
            )


def described(path: Path, rows: int) -> File:
    """A file of a copy with its length and SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
        return File(path.name, rows, file.tell(), digest.hexdigest())


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder that exists whole or not at all: written beside `target`, then renamed to it.

    What a killed command left of it is removed first. Raises UsageError when `target` is a file,
    or a folder with anything in it.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            "is there already", where=str(target), hint="name a folder that is new, or empty"
        )
    half = target.with_name(f".{target.name}{files.TEMPORARY}")
    half.mkdir(parents=True, exist_ok=True)
    with files.writer_lock(half / ".lock", "copy"):
        _empty(half)
        try:
            yield half
            (half / ".lock").unlink()
            for path in half.iterdir():
                _sync(path)
            files.sync_folder(half)
            half.replace(target)
            files.sync_folder(target.parent)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ".lock":
            path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(folder: Path, copy: Copy) -> Copy:
    """Write the manifest, the checksums for `sha256sum -c`, and the attributions."""
    files.write_json(folder / MANIFEST, {"version": VERSION, **asdict(copy)})
    sums = "".join(f"{each.sha256}  {each.file}\n" for each in copy.files)
    files.write_durably(folder / SUMS, sums.encode())
    files.write_durably(folder / ATTRIBUTIONS, _attributions(copy).encode())
    return copy


_TERMS = {
    "own": "For its maker's own use only: no licence was asked when this copy was made.",
    "non-commercial": "Not for commercial use: some of these licences forbid that.",
}


def _attributions(copy: Copy) -> str:
    lines = [f"From snapshot {copy.snapshot} of a catalogue kept with Longplay, {copy.made}.", ""]
    for origin in copy.sources:
        lines += [
            f"{origin.source}",
            f"  licence: {origin.licence or 'unknown'}",
            *(f"  {each}" for each in origin.attributions),
            *([f"  held back: {', '.join(origin.withheld)}"] if origin.withheld else []),
        ]
    if copy.terms != "any":
        lines += ["", _TERMS[copy.terms]]
    return "\n".join(lines) + "\n"


def texts(prefix: str, keys: Keys) -> pa.Array:
    """`ids.text` for a column of keys, as a column."""
    alphabet = np.frombuffer(ids.ALPHABET.encode(), np.uint8)
    width = len(prefix) + ids.LETTERS
    letters = np.empty((len(keys), width), np.uint8)
    letters[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    for place, shift in enumerate(range(60, -1, -5)):
        letters[:, len(prefix) + place] = alphabet[
            (keys >> np.uint64(shift) & np.uint64(31)).astype(np.intp)
        ]
    offsets = np.arange(0, (len(keys) + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(
        len(keys), pa.py_buffer(offsets), pa.py_buffer(letters.reshape(-1))
    )


def keys(prefix: str, column: pa.Array) -> Keys:
    """The keys of a column of ids without nulls: what `texts` undoes. Raises InputError."""
    width = len(prefix) + ids.LETTERS
    column = pa.concat_arrays([column])  # of its own buffers, from their beginning
    lengths = pc.binary_length(column).to_numpy(zero_copy_only=False)
    if column.null_count or (lengths != width).any():
        raise InputError(f"a column of {prefix} ids has something else in it")
    data = np.frombuffer(column.buffers()[2] or b"", np.uint8, count=len(column) * width)
    heads, letters = np.split(data.reshape(len(column), width), [len(prefix)], axis=1)
    values = np.full(256, 255, np.uint8)
    values[np.frombuffer(ids.ALPHABET.encode(), np.uint8)] = np.arange(32)
    found = values[letters].astype(np.uint64)
    if (found == 255).any() or (heads != np.frombuffer(prefix.encode(), np.uint8)).any():
        raise InputError(f"a column of {prefix} ids has something else in it")
    made = np.zeros(len(column), np.uint64)
    for place in range(ids.LETTERS):
        made = made << np.uint64(5) | found[:, place]
    return made


def conform(table: str, columns: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
    """A batch of a table of a copy; columns that are missing are null."""
    schema = TABLES[table]
    made = [
        columns[one.name] if one.name in columns else pa.nulls(rows, one.type) for one in schema
    ]
    return pa.record_batch(
        [each if each.type == one.type else each.cast(one.type)
         for each, one in zip(made, schema, strict=True)],
        schema=schema,
    )  # fmt: skip
