"""Letting go of old snapshots, and of the layers that only they have.

- The current snapshot stays, and those that the caller needs or that somebody is reading.
- Before a layer goes, the keys that only it had are written to `retired/`, so that their ids still
  resolve; then the snapshot files go, oldest first; then what none of the rest lists.
- Killed anywhere, the catalogue is whole: the next writer sweeps what is left.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longplay import files
from longplay.catalogue import database, ids, layout
from longplay.catalogue.copies import ROWS
from longplay.catalogue.database import quoted
from longplay.catalogue.ids import RowPrefix
from longplay.catalogue.layout import Layer, Manifest, Part
from longplay.errors import UsageError

RETIRED = "retired"
"""Folder of the keys that went with their layers, one Parquet file a pruning: `prefix`, `key`."""

_TABLES: dict[RowPrefix, str] = {prefix: table for table, prefix in ROWS.items()}


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning did: snapshots that went, that stay, and of these the ones being read; layers
    (folders) that went; ids that went with them; bytes freed."""

    removed: tuple[int, ...]
    kept: tuple[int, ...]
    reading: tuple[int, ...]
    layers: tuple[str, ...]
    retired: int
    bytes: int


def prune(folder: Path, *, keep: int = 1, needed: Iterable[int] = ()) -> Pruned:
    """Remove all snapshots but the newest `keep`, those `needed`, and those that are being read.

    Takes the writer's lock. Raises UsageError when `keep` is not at least 1.
    """
    if keep < 1:
        raise UsageError("at least one snapshot is kept", hint="--keep 1")
    with layout.writing(folder) as (current, scratch):
        there = sorted(int(path.stem) for path in (folder / layout.SNAPSHOTS).glob("*.json"))
        staying = {*there[-keep:], *needed, current.number} & set(there)
        with _unread(folder, [each for each in there if each not in staying]) as going:
            reading = tuple(each for each in there if each not in staying and each not in going)
            kept = tuple(each for each in there if each not in going)
            old = [layout.read(folder, each) for each in going]
            left = [layout.read(folder, each) for each in kept]
            gone = _only(old, left)
            retired = _retire(folder, scratch, old, left) if going else 0
            for number in going:
                _file(folder, number).unlink()
            if going:
                files.sync_folder(folder / layout.SNAPSHOTS)
            layout.sweep(folder)
    layers = {Path(part.file).parts[1] for part in gone if part.file.startswith(layout.LAYERS)}
    return Pruned(
        tuple(going), kept, reading, tuple(sorted(layers)), retired, sum(p.bytes for p in gone)
    )


def retired(folder: Path, prefix: str, key: int) -> bool:
    """Whether a track, album or artist of this key went with its layer."""
    runs = sorted((folder / RETIRED).glob("*.parquet"))
    if not runs or prefix not in _TABLES:
        return False
    with database.opened() as connection:
        query = f"SELECT count(*) FROM {database.parquet(runs)} WHERE prefix = $1 AND key = $2"
        found = connection.execute(query, [prefix, key]).fetchone()
        return bool(found and found[0])


def _file(folder: Path, number: int) -> Path:
    return folder / layout.SNAPSHOTS / f"{number:06d}.json"


@contextmanager
def _unread(folder: Path, numbers: Iterable[int]) -> Iterator[list[int]]:
    """Those of the snapshots that nobody reads; nobody can begin to while this lasts."""
    locked: dict[int, int] = {}
    try:
        for number in numbers:
            descriptor = os.open(_file(folder, number), os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            locked[number] = descriptor
        yield list(locked)
    finally:
        for descriptor in locked.values():
            os.close(descriptor)


def _parts(manifest: Manifest) -> Iterator[Part]:
    yield from manifest.parts()
    for layer in manifest.layers.values():
        yield from layer.index


def _only(old: Iterable[Manifest], left: Iterable[Manifest]) -> list[Part]:
    """The files that go: those that no snapshot lists that stays."""
    staying = {part.file for manifest in left for part in _parts(manifest)}
    going = {part.file: part for manifest in old for part in _parts(manifest)}
    return [part for name, part in going.items() if name not in staying]


def _retire(folder: Path, scratch: Path, old: list[Manifest], left: list[Manifest]) -> int:
    """Write down the keys that no layer has any more; returns how many they are."""
    selects = [
        select
        for prefix, table in _TABLES.items()
        for source in sorted({name for manifest in old for name in manifest.layers})
        if (select := _lost(folder, prefix, source, _tables(old, left, source, table)))
    ]
    if not selects:
        return 0
    runs = sorted((folder / RETIRED).glob("*.parquet"))
    known = f" EXCEPT SELECT prefix, key FROM {database.parquet(runs)}" if runs else ""
    query = f"SELECT prefix, key FROM ({' UNION ALL '.join(selects)}){known} ORDER BY prefix, key"
    with database.opened() as connection:
        written = scratch / "retired.parquet"
        rows = database.copy(connection, query, written)
    if rows:
        number = int(runs[-1].stem) + 1 if runs else 1
        layout.publish_part(folder, written, f"{RETIRED}/{number:06d}.parquet", rows)
    return rows


def _tables(
    old: list[Manifest], left: list[Manifest], source: str, table: str
) -> tuple[set[str], set[str]]:
    """The files of a source's table that go, and those that stay."""

    def named(manifests: list[Manifest]) -> set[str]:
        layers: list[Layer] = [m.layers[source] for m in manifests if source in m.layers]
        return {part.file for layer in layers for part in layer.tables.get(table, ())}

    staying = named(left)
    return named(old) - staying, staying


def _lost(folder: Path, prefix: RowPrefix, source: str, tables: tuple[set[str], set[str]]) -> str:
    """A query for the keys that only the files that go have; empty where none go."""
    going, staying = (
        [folder / name for name in sorted(names) if (folder / name).is_file()] for names in tables
    )
    if not going:
        return ""
    lost = f"SELECT own_id FROM {database.parquet(going)}"
    if staying:
        lost += f" EXCEPT SELECT own_id FROM {database.parquet(staying)}"
    key = ids.row_key_sql(prefix, "own_id", quoted(source))
    return f"SELECT {quoted(prefix)} AS prefix, {key} AS key FROM ({lost})"
