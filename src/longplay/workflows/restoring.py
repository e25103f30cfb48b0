"""`restore`: write the files of a source back as they were, names, bytes, times and modes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from longplay.archive import Archive
from longplay.capture.places import set_aside_name
from longplay.errors import StoreError
from longplay.files import TEMPORARY, escape, inside, mtime_ns
from longplay.ledger import tables
from longplay.model import Action, ObjectKey
from longplay.torrent.merkle import ObjectHasher

PIECE = 256 * 1024
"""Bytes copied at once while they are proved."""


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
    source_path: bytes
    path: bytes
    root: bytes
    opened: Callable[[], BinaryIO]
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
    entries = [entry for entry in _entries(archive, source) if wanted(entry.source_path)]
    lost: list[str] = []
    size = written = 0
    for number, entry in enumerate(entries):
        try:
            size += _write(target, entry)
            written += 1
        except (OSError, StoreError) as error:
            lost.append(_told(entry.path, error))
        progress(number + 1, len(entries), "")
    lost += _remake(target, sorted(folders), links)
    return Restored(
        source=source,
        files=written,
        bytes=size,
        transcoded=sum(entry.transcoded for entry in entries),
        quarantined=sum(entry.quarantined for entry in entries),
        lost=tuple(lost),
    )


def _entries(archive: Archive, source: str) -> Iterator[_Entry]:
    h, o, q = tables.holdings.c, tables.objects.c, tables.quarantine.c
    held = (
        sa.select(h.path, o.root, o.size, o.suffix, h.mtime_ns, h.mode, h.action)
        .join(tables.objects, o.number == h.object)
        .where(h.source == source, h.superseded == 0)
        .order_by(h.path)
    )
    aside = (
        sa.select(q.path, q.root, q.size, q.mtime_ns, q.mode)
        .where(q.source == source, q.root.is_not(None))
        .order_by(q.path)
    )
    with archive.ledger.read() as connection:
        rows = list(connection.execute(held).mappings())
        names = {row["path"] for row in rows if row["action"] != Action.OPUS}
        for row in rows:
            yield _held_entry(archive, row, names)
        for path, root, size, mtime_ns, mode in connection.execute(aside):
            name = set_aside_name(ObjectKey(root, size))
            opened = partial(archive.quarantined.open, name)
            yield _Entry(path, path, root, opened, size, mtime_ns, mode, False, True)


def _held_entry(archive: Archive, row: sa.RowMapping, names: set[bytes]) -> _Entry:
    """`names` are those taken so far: an Opus copy gets one of its own."""
    transcoded = row["action"] == Action.OPUS
    path = row["path"]
    if transcoded:
        path = os.path.splitext(path)[0] + b".opus"  # noqa: PTH122 - names are bytes
        path = row["path"] + b".opus" if path in names else path
        names.add(path)
    key = ObjectKey(row["root"], row["size"])
    return _Entry(
        row["path"],
        path,
        key.root,
        partial(archive.store.open, key, row["suffix"]),
        key.size,
        row["mtime_ns"],
        row["mode"],
        transcoded,
        False,
    )


def _write(target: Path, entry: _Entry) -> int:
    path = _safe_place(target, entry.path)
    if path.exists():
        facts = path.stat()
        if (facts.st_size, mtime_ns(facts)) == (entry.size, entry.mtime_ns):
            return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".longplay-", suffix=TEMPORARY, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out, entry.opened() as stored:
            hasher = ObjectHasher(PIECE)
            while chunk := stored.read(PIECE):
                hasher.update(chunk)
                out.write(chunk)
        if hasher.finish().root != entry.root:
            raise StoreError("its stored bytes are damaged", hint="see `longplay verify`")
        temporary.chmod(entry.mode)
        os.utime(temporary, ns=(entry.mtime_ns, entry.mtime_ns))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return entry.size


def _safe_place(target: Path, relative: bytes) -> Path:
    """Where `relative` lies below `target`. Raises StoreError where a symbolic link on the way, or
    in its place, would lead elsewhere."""
    path = inside(target, relative)
    for place in (path, *path.parents):
        if place == target:
            return path
        if place.is_symlink():
            raise StoreError("a symbolic link is in its way", where=str(place))
    return path


def _remake(
    target: Path, folders: list[tuple[bytes, int, int]], links: Iterator[tuple[bytes, bytes]]
) -> Iterator[str]:
    """Make the symbolic links, and the folders with their own modes and times, deepest first;
    yields what could not be made."""
    for path, _, _ in folders:
        with suppress(StoreError, OSError):
            _safe_place(target, path).mkdir(parents=True, exist_ok=True)
    for path, destination in links:
        place = inside(target, path)
        try:
            if not (place.is_symlink() and place.readlink() == Path(os.fsdecode(destination))):
                _safe_place(target, path).parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(os.fsdecode(destination))
        except (StoreError, OSError) as error:
            yield _told(path, error)
    for path, mode, when in reversed(folders):
        try:
            place = _safe_place(target, path)
            place.chmod(mode)
            os.utime(place, ns=(when, when))
        except (StoreError, OSError) as error:
            yield _told(path, error)


def _told(path: bytes, error: StoreError | OSError) -> str:
    words = error.message if isinstance(error, StoreError) else error.strerror
    return f"{escape(path)}: {words}"
