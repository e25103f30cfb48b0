"""Fixity: proof that stored objects are still the bits that came in, block by block.

An object proves itself: its leaves, hashed together, are its root. The leaves that the evidence
keeps only tell *which* block of a damaged one differs, and count only when they lead to the same
root themselves: evidence rots too.

Many objects are read in worker processes that map them into memory, which spares a copy of every
byte; a disk that fails under such a mapping kills its worker. What a worker could not read is read
again, alone and carefully, so that an unreadable sector costs its own block and no other.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from longplay import engine
from longplay.model import BLOCK, ObjectKey
from longplay.torrent import merkle

READ_BYTES = 64 * BLOCK
"""Bytes read at once where a file is not mapped."""

TASK_BYTES = 64 * 2**20
"""Bytes that a worker reads for one task: much more than handing the task over costs."""

TASK_OBJECTS = 256

BASE_SECONDS = 60.0
SLOWEST = 2**20
"""Bytes a second below which a disk is taken to hang: an hour's recording as FLAC in 5 minutes."""

WORKER_MB = 512
"""Memory of a worker, which maps files and keeps their leaves alone (2 MB a GB)."""

UNREADABLE = bytes(merkle.DIGEST)
"""Stands for the leaf of a block that the disk does not give: no block has this hash."""

Read = Callable[[int, int], bytes]
"""Gives at most so many bytes (second) from a place (first), fewer where the file ends before;
raises OSError for what cannot be read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the first bytes of a file are, as many as its object should have: the leaves, their
    root (empty where bytes are missing), and whether the file goes on after them."""

    leaves: bytes
    root: bytes
    longer: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One object's check: the indexes of damaged 16 KiB blocks, or that it is `missing`.

    A file that is too short has its absent blocks damaged; one that is too long has a damaged
    block after its last. `leaves` are those of the evidence, None where it has none that prove
    themselves: then every block of an object that is not whole counts as damaged.
    """

    key: ObjectKey
    blocks: tuple[int, ...]
    missing: bool
    leaves: bytes | None = field(repr=False)

    @property
    def sound(self) -> bool:
        """Whether every bit is as it came in."""
        return not self.blocks and not self.missing


def judge(key: ObjectKey, leaves: bytes, reading: Reading | None) -> Finding:
    """What a reading (None: there is no file) says of the object, by the leaves that the evidence
    has of it (empty: none)."""
    whole = reading is not None and reading.root == key.root
    if whole and reading is not None and leaves == reading.leaves:
        proved: bytes | None = leaves
    else:
        proved = leaves if proves(key, leaves) else None
    if reading is None:
        return Finding(key, (), True, proved)
    count = merkle.blocks_of(key.size)
    if whole:
        blocks: list[int] = []
    elif proved is None:
        blocks = list(range(count))
    else:
        blocks = merkle.damaged_blocks(proved, reading.leaves)
    return Finding(key, (*blocks, count) if reading.longer else tuple(blocks), False, proved)


def proves(key: ObjectKey, leaves: bytes) -> bool:
    """Whether these are the leaves of the object."""
    fits = len(leaves) == merkle.blocks_of(key.size) * merkle.DIGEST
    return fits and merkle.root_of(leaves, key.size) == key.root


def check(objects: Iterable[tuple[ObjectKey, Path, bytes]], *, workers: int) -> Iterator[Finding]:
    """Re-read objects, given as (key, path, leaves or nothing), in several processes; findings as
    they come. Few objects are taken ahead. What fits one task is read in this process."""
    tasks = _tasks(objects)
    first = list(itertools.islice(tasks, 2))
    if len(first) < 2:
        for rows in first:
            for key, path, leaves in rows:
                yield judge(key, leaves, read_file(path, key.size))
        return
    rows_of: dict[int, _Rows] = {}
    for (number, _), result in engine.run(
        _read_mapped,
        _numbered(itertools.chain(first, tasks), rows_of),
        workers=workers,
        seconds=lambda task: _seconds(size for _, size in task[1]),
        memory_mb=WORKER_MB,
    ):
        rows = rows_of.pop(number)
        if isinstance(result, engine.Failure):
            yield from _check_again(rows)
            continue
        for (key, _, leaves), reading in zip(rows, result, strict=True):
            yield judge(key, leaves, reading)


def read_file(path: Path, size: int) -> Reading | None:
    """Read the first `size` bytes of a file; None when there is no such file.

    A block that cannot be read gets the leaf `UNREADABLE`; a file that cannot be opened, or is
    none, has no leaves at all.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return Reading(b"", b"", False)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Reading(b"", b"", False)
        return read_by(lambda start, length: os.pread(descriptor, length, start), size)
    finally:
        os.close(descriptor)


def read_by(read: Read, size: int, *, at_once: int = READ_BYTES) -> Reading:
    """As `read_file`, of anything that gives bytes by their place, `at_once` whole blocks of them;
    what `read` raises but OSError is given on."""
    leaves: list[bytes] = []
    for start in range(0, size, at_once):
        length = min(at_once, size - start)
        try:
            data = read(start, length)
        except OSError:
            leaves += _one_by_one(read, start, length)
            continue
        leaves += block_leaves(data)
        if len(data) < length:
            break
    try:
        longer = bool(read(size, 1))
    except OSError:
        longer = False
    return _reading(b"".join(leaves), size, longer)


def block_leaves(data: bytes | memoryview) -> list[bytes]:
    """The leaf of each block of some bytes, the last perhaps short."""
    sha256, view = hashlib.sha256, memoryview(data)
    return [sha256(view[at : at + BLOCK]).digest() for at in range(0, len(view), BLOCK)]


_Rows = list[tuple[ObjectKey, Path, bytes]]
_Task = tuple[int, list[tuple[str, int]]]


def _tasks(objects: Iterable[tuple[ObjectKey, Path, bytes]]) -> Iterator[_Rows]:
    rows: _Rows = []
    size = 0
    for row in objects:
        rows.append(row)
        size += row[0].size
        if size >= TASK_BYTES or len(rows) >= TASK_OBJECTS:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _numbered(tasks: Iterable[_Rows], rows_of: dict[int, _Rows]) -> Iterator[_Task]:
    """What travels to a worker; the rows stay here."""
    for number, rows in enumerate(tasks):
        rows_of[number] = rows
        yield number, [(str(path), key.size) for key, path, _ in rows]


def _check_again(rows: _Rows) -> Iterator[Finding]:
    """Read objects one by one, each in a worker of its own if need be; one that cannot be read in
    any bearable time is damaged all over."""
    by_path = {str(path): (key, leaves) for key, path, leaves in rows}
    for (path, _), result in engine.run(
        _read_carefully,
        [(str(path), key.size) for key, path, _ in rows],
        workers=1,
        seconds=lambda task: _seconds([task[1]]),
        memory_mb=WORKER_MB,
    ):
        key, leaves = by_path[path]
        lost = isinstance(result, engine.Failure)
        yield judge(key, leaves, Reading(b"", b"", False) if lost else result)  # type: ignore[arg-type]


def _seconds(sizes: Iterable[int]) -> float:
    return BASE_SECONDS + sum(sizes) / SLOWEST


def _read_carefully(task: tuple[str, int]) -> Reading | None:
    return read_file(Path(task[0]), task[1])


def _read_mapped(task: _Task) -> Sequence[Reading | None]:
    return [_mapped(path, size) for path, size in task[1]]


def _mapped(path: str, size: int) -> Reading | None:
    """`read_file` without copying. A disk error here ends the process with SIGBUS."""
    try:
        with open(path, "rb", opener=_regular) as source:
            facts = os.fstat(source.fileno())
            if not size or facts.st_size < size:
                return read_file(Path(path), size)
            with (
                mmap.mmap(source.fileno(), size, prot=mmap.PROT_READ) as mapped,
                memoryview(mapped) as view,
            ):
                leaves = b"".join(block_leaves(view))
    except OSError:
        return read_file(Path(path), size)
    return _reading(leaves, size, facts.st_size > size)


def _regular(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _one_by_one(read: Read, start: int, length: int) -> Iterator[bytes]:
    for at in range(start, start + length, BLOCK):
        try:
            data = read(at, min(BLOCK, start + length - at))
        except OSError:
            yield UNREADABLE
            continue
        if not data:
            return
        yield hashlib.sha256(data).digest()


def _reading(leaves: bytes, size: int, longer: bool) -> Reading:
    complete = len(leaves) == merkle.blocks_of(size) * merkle.DIGEST
    return Reading(leaves, merkle.root_of(leaves, size) if complete else b"", longer)
