"""The catalogue's folder: which files make a snapshot, and how the next one becomes visible.

- A file is written once, under a name that no snapshot lists yet, and synced.
- A snapshot file lists its files with rows, bytes and SHA-256; the pointer is swapped last.
- What no snapshot up to the current one lists is rubbish, and the next writer sweeps it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from longplay import clock, files
from longplay.catalogue import schema
from longplay.errors import ArchiveError

LAYERS, JOINS, SNAPSHOTS, SCRATCH = "layers", "joins", "snapshots", "scratch"
INDEX = "index"
"""The folder below a layer's that holds what can be rebuilt from its tables."""

POINTER = "current"
LOCK = "writer.lock"

MAX_SNAPSHOT_BYTES = 64 * 2**20
"""A snapshot lists some hundred bytes a file; 64 MiB is a hundred thousand layers."""

HASH_CHUNK = 2**20
"""Bytes of a file that are held at once while it is hashed."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a snapshot: its path below the catalogue's folder, and proof of its content."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One source's tables. `input` counts the rows that the source gave, and
    `input = tracks + duplicates + rejected` always; `declared` is by table what the
    source says it has; `licences` are those of tables that are under another licence than the rest.
    `index` can be rebuilt from the tables. `origin` are the paths or the address that it came
    from; `isrcs` counts distinct ones, where that was done."""

    source: str
    format: str
    licence: str | None
    input: int
    duplicates: int
    rejected: int
    declared: dict[str, int]
    tables: dict[str, tuple[Part, ...]]
    index: tuple[Part, ...] = ()
    licences: dict[str, str] = field(default_factory=dict)
    origin: tuple[str, ...] = ()
    isrcs: int | None = None

    @property
    def subject(self) -> str:
        """The table that the source is about, whose rows `input` counts."""
        return "listens" if self.format == "listens" else "tracks"

    def rows(self, table: str) -> int:
        """Rows of a table."""
        return sum(part.rows for part in self.tables.get(table, ()))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One snapshot: its number, its layers by source, and the runs of each join table by age."""

    number: int
    made: str
    layers: dict[str, Layer] = field(default_factory=dict)
    joins: dict[str, tuple[Part, ...]] = field(
        default_factory=lambda: dict.fromkeys(schema.JOINS, ())
    )

    def parts(self) -> Iterator[Part]:
        """Every file that the snapshot consists of; not the indexes, which can be rebuilt."""
        for layer in self.layers.values():
            for table in layer.tables.values():
                yield from table
        for runs in self.joins.values():
            yield from runs


EMPTY = Manifest(0, "")


def current_number(folder: Path) -> int:
    """The number of the current snapshot, 0 where there is none yet. Raises ArchiveError."""
    pointer = folder / POINTER
    if not pointer.exists():
        return 0
    content = files.read_bounded(pointer, 100)
    if not content.strip().isdigit():
        raise ArchiveError(
            "the catalogue's pointer is damaged",
            where=str(pointer),
            hint=f"bring it back from a backup; it holds the number of a file in {SNAPSHOTS}/",
        )
    return int(content)


def read(folder: Path, number: int) -> Manifest:
    """The snapshot of that number; 0 is the empty one. Raises ArchiveError."""
    if number == 0:
        return EMPTY
    path = _snapshot_path(folder, number)
    try:
        document = json.loads(files.read_bounded(path, MAX_SNAPSHOT_BYTES))
        if document["version"] > schema.VERSION:
            raise ArchiveError(
                f"was made by a newer Longplay (catalogue version {document['version']})",
                where=str(path),
                hint="install that version; nothing was touched",
            )
        if document["version"] < schema.VERSION:
            raise ArchiveError(
                f"was made by an older Longplay (catalogue version {document['version']})",
                where=str(path),
                hint="move the folder `catalogue` away and import the sources again",
            )
        return _from_document(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(
            "the snapshot is damaged", where=str(path), hint=_remedy(folder, number)
        ) from error


def _remedy(folder: Path, number: int) -> str:
    """What to do about a snapshot file that cannot be read."""
    if number == current_number(folder):
        return "bring it back from a backup"
    # Whatever else only that snapshot has is swept by the next command that writes.
    return (
        "bring it back from a backup, or remove it: then only what that old snapshot says is lost"
    )


def _snapshot_path(folder: Path, number: int) -> Path:
    return folder / SNAPSHOTS / f"{number:06d}.json"


def _from_document(document: dict[str, Any]) -> Manifest:
    layers = {name: _layer(facts) for name, facts in document["layers"].items()}
    joins = {
        name: tuple(Part(**part) for part in document["joins"].get(name, ()))
        for name in schema.JOINS
    }
    return Manifest(document["number"], document["made"], layers, joins)


def _layer(facts: dict[str, Any]) -> Layer:
    tables = {
        name: tuple(Part(**part) for part in parts) for name, parts in facts["tables"].items()
    }
    index = tuple(Part(**part) for part in facts["index"])
    origin = tuple(facts.get("origin", ()))
    return Layer(**{**facts, "tables": tables, "index": index, "origin": origin})


@contextmanager
def writing(folder: Path) -> Iterator[tuple[Manifest, Path]]:
    """Be the catalogue's only writer: the current snapshot, and an empty folder for scratch.

    Sweeps first what a killed writer left, and last what this one did not publish.
    """
    with files.writer_lock(folder / LOCK, "catalogue"):
        current = read(folder, current_number(folder))
        sweep(folder)
        scratch = folder / SCRATCH
        scratch.mkdir()
        try:
            yield current, scratch
        finally:
            sweep(folder)


def sweep(folder: Path) -> None:
    """Remove every file that no snapshot up to the current one lists. Needs the writer's lock."""
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    number = current_number(folder)
    names = {f"{each:06d}.json" for each in range(1, number + 1)}
    files.sweep(folder / SNAPSHOTS, names)
    files.sweep(folder, set(), pattern=f"{POINTER}.*{files.TEMPORARY}")
    kept: dict[Path, set[str]] = {}
    for path in sorted((folder / SNAPSHOTS).glob("*.json")):
        manifest = read(folder, int(path.stem))
        index = (part for layer in manifest.layers.values() for part in layer.index)
        for part in (*manifest.parts(), *index):
            whole = folder / part.file
            kept.setdefault(whole.parent, set()).add(whole.name)
    files.sweep(folder / JOINS, kept.get(folder / JOINS, set()))
    for layer in (folder / LAYERS).glob("*"):
        if layer not in kept:
            shutil.rmtree(layer)
            continue
        files.sweep(layer, kept[layer])
        if (layer / INDEX).is_dir():
            files.sweep(layer / INDEX, kept.get(layer / INDEX, set()))


@contextmanager
def held(folder: Path, number: int) -> Iterator[None]:
    """Keep a snapshot from being pruned while it is read, by a shared lock on its file.

    Raises ArchiveError when it is gone already.
    """
    if number == 0:
        yield
        return
    try:
        descriptor = os.open(_snapshot_path(folder, number), os.O_RDONLY)
    except FileNotFoundError as error:
        raise ArchiveError(f"snapshot {number} was pruned", where=str(folder)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def publish_part(folder: Path, written: Path, name: str, rows: int) -> Part:
    """Sync a file written under scratch, and move it to `name` below the catalogue's folder."""
    digest = hashlib.sha256()
    with written.open("rb+") as file:
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
        os.fsync(file.fileno())
        size = file.tell()
    final = folder / name
    final.parent.mkdir(parents=True, exist_ok=True)
    files.publish(written, final)
    files.sync_folder(final.parent.parent)
    return Part(name, rows, size, digest.hexdigest())


def commit(folder: Path, manifest: Manifest) -> None:
    """Write the snapshot file, then swap the pointer: from here on, readers see it."""
    document = {"version": schema.VERSION, **asdict(manifest)}
    files.write_json(_snapshot_path(folder, manifest.number), document)
    files.write_durably(folder / POINTER, f"{manifest.number:06d}\n".encode())


def following(current: Manifest) -> tuple[int, str]:
    """The number and the time of the snapshot after `current`."""
    return current.number + 1, clock.timestamp()
