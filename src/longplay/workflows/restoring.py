"""`restore`: write the files of a source back as they were, names, bytes, times and modes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from longplay.archive import Archive
from longplay.errors import StoreError
from longplay.files import TEMPORARY, escape, inside
from longplay.ledger import tables
from longplay.model import Action, ObjectKey


@dataclass(frozen=True, slots=True)
class Restored:
    """What was written. `transcoded` files came back as the Opus copies that were kept of them;
    `lost` could not be written, each with the reason."""

    source: str
    files: int
    bytes: int
    transcoded: int
    quarantined: int
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    path: bytes
    location: Path
    size: int
    mtime_ns: int
    mode: int
    transcoded: bool
    quarantined: bool


def restore(
    archive: Archive,
    target: Path,
    source: str,
    *,
    wanted: Callable[[bytes], bool],
    folders: Iterator[tuple[bytes, int, int]],
    links: Iterator[tuple[bytes, bytes]],
    progress: Callable[[int, int, str], None],
) -> Restored:
    """Write the held files of `source` whose path is `wanted` below `target`.

    `folders` are (path, mode, mtime_ns) of its folders, `links` (path, target) of its symbolic
    links. A file that is there already with the same size and time is left alone, so a run that
    was cut short goes on.
    """
    target.mkdir(parents=True, exist_ok=True)
    entries = [entry for entry in _entries(archive, source) if wanted(entry.path)]
    lost, size = [], 0
    for number, entry in enumerate(entries):
        try:
            size += _write(target, entry)
        except (OSError, StoreError) as error:
            lost.append(f"{escape(entry.path)}: {getattr(error, 'strerror', None) or error}")
        progress(number + 1, len(entries), "")
    _remake(target, sorted(folders), links)
    return Restored(
        source=source,
        files=len(entries) - len(lost),
        bytes=size,
        transcoded=sum(entry.transcoded for entry in entries),
        quarantined=sum(entry.quarantined for entry in entries),
        lost=tuple(lost),
    )


def _entries(archive: Archive, source: str) -> Iterator[_Entry]:
    h, o, q = tables.holdings.c, tables.objects.c, tables.quarantine.c
    held = (
        sa.select(h.path, o.root, o.size, o.suffix, h.mtime_ns, h.mode, h.action)
        .join(tables.objects, o.root == h.root)
        .where(h.source == source, h.superseded == 0)
        .order_by(h.path)
    )
    aside = (
        sa.select(q.path, q.root, q.size, q.mtime_ns, q.mode)
        .where(q.source == source, q.root.is_not(None))
        .order_by(q.path)
    )
    with archive.ledger.read() as connection:
        for row in connection.execute(held).mappings():
            yield _held_entry(archive, row)
        for path, root, size, mtime_ns, mode in connection.execute(aside):
            yield _Entry(path, archive.quarantine / root.hex(), size, mtime_ns, mode, False, True)


def _held_entry(archive: Archive, row: sa.RowMapping) -> _Entry:
    transcoded = row["action"] == Action.OPUS
    path = row["path"]
    if transcoded:
        path = os.path.splitext(path)[0] + b".opus"  # noqa: PTH122 - names are bytes
    place = archive.store.path(ObjectKey(row["root"], row["size"]), row["suffix"])
    return _Entry(path, place, row["size"], row["mtime_ns"], row["mode"], transcoded, False)


def _write(target: Path, entry: _Entry) -> int:
    path = inside(target, entry.path)
    if path.exists():
        facts = path.stat()
        if (facts.st_size, facts.st_mtime_ns) == (entry.size, entry.mtime_ns):
            return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".longplay{TEMPORARY}")
    shutil.copyfile(entry.location, temporary)
    temporary.chmod(entry.mode)
    os.utime(temporary, ns=(entry.mtime_ns, entry.mtime_ns))
    temporary.replace(path)
    return entry.size


def _remake(
    target: Path, folders: list[tuple[bytes, int, int]], links: Iterator[tuple[bytes, bytes]]
) -> None:
    """Make the symbolic links, and the folders with their own modes and times, deepest first."""
    for path, _, _ in folders:
        inside(target, path).mkdir(parents=True, exist_ok=True)
    for path, destination in links:
        place = inside(target, path)
        if not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(os.fsdecode(destination))
    for path, mode, mtime_ns in reversed(folders):
        place = inside(target, path)
        place.chmod(mode)
        os.utime(place, ns=(mtime_ns, mtime_ns))
