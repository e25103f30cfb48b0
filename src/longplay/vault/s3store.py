"""Objects in an S3 bucket, below `PREFIX/objects/`; beside them what else the archive keeps there.

A batch first writes a note under `PREFIX/incoming/`: who comes, and with which names. It is removed
when the ledger names them. So a sweep reads the few notes that the dead left, and never lists the
store. A writer of this machine is dead when its process is gone; one of another machine when its
note is a day old.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from longplay import clock, logs
from longplay.errors import StoreError
from longplay.ledger.database import holder, is_gone
from longplay.model import ObjectKey
from longplay.vault import fixity
from longplay.vault.bucket import Bucket, Entry
from longplay.vault.fixity import Finding, Reading
from longplay.vault.objects import (
    OBJECTS,
    Arrival,
    Beside,
    Lying,
    Note,
    folder_of,
    object_path,
    root_of,
)

INCOMING = "incoming"

AT_ONCE = 8
"""Transfers that are under way together; each may hold 8 MiB."""

READ_AHEAD = 2**20
"""Bytes that are asked for at least where a file is read piece by piece."""

CHECK_BYTES = 8 * 2**20
"""Bytes that are asked for at once where a whole object is read."""

ABANDONED = timedelta(days=1)
"""Age of a note of another machine after which its writer is taken to be dead."""

MAX_NOTE_BYTES = 64 * 2**20
"""A note has some 100 bytes for each file of a batch, or of the evidence that is merged."""

Read = Callable[[int, int], bytes]


class S3Store:
    """Objects in a bucket. `spool` is a folder of this machine that no other archive uses."""

    def __init__(self, bucket: Bucket, location: str, spool: Path) -> None:
        self.bucket = bucket
        self.location = location.rstrip("/")
        self.spool = spool
        self.staging = spool / INCOMING

    def prepare(self) -> None:
        """Make the local folders, and see that the bucket answers."""
        self.staging.mkdir(parents=True, exist_ok=True)
        self.bucket.reach()

    def place(self, key: ObjectKey, suffix: str) -> str:
        """The object's address."""
        return f"{self.location}/{object_path(key, suffix)}"

    def local(self, key: ObjectKey, suffix: str) -> Path | None:
        """None: no object lies on this machine."""
        return None

    def open(self, key: ObjectKey, suffix: str) -> BinaryIO:
        """The object's bytes, read by ranges as they are asked for, with a little ahead."""
        return open_file(self.bucket, object_path(key, suffix))

    def read(self, key: ObjectKey, suffix: str, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`, fewer where the object ends before."""
        data = self.bucket.read(object_path(key, suffix), start, length)
        if data is None:
            raise _missing(self.place(key, suffix))
        return data

    def size(self, key: ObjectKey, suffix: str) -> int | None:
        """Bytes of what lies there; None for nothing."""
        return self.bucket.size(object_path(key, suffix))

    def check(
        self, objects: Iterable[tuple[ObjectKey, str, bytes]], *, workers: int
    ) -> Iterator[Finding]:
        """Re-read objects, several at a time; findings in order."""

        def one(row: tuple[ObjectKey, str, bytes]) -> Finding:
            key, suffix, leaves = row
            return fixity.judge(key, leaves, self._reading(key, suffix))

        waiting = iter(objects)
        with ThreadPoolExecutor(max(workers, AT_ONCE)) as pool:
            while rows := list(islice(waiting, 4 * AT_ONCE)):
                yield from pool.map(one, rows)

    def _reading(self, key: ObjectKey, suffix: str) -> Reading | None:
        path = object_path(key, suffix)
        size = self.bucket.size(path)
        if size is None:
            return None

        def read(start: int, length: int) -> bytes:
            return (self.bucket.read(path, start, length) or b"") if start < size else b""

        return fixity.read_by(read, key.size, at_once=CHECK_BYTES)

    def admit(self, arrivals: Sequence[Arrival], beside: Sequence[Beside] = ()) -> list[Note]:
        """Upload files under their final names, beside each other; the spool files stay."""
        uploads = [(file, object_path(key, suffix)) for file, key, suffix in arrivals]
        uploads += beside
        if not uploads:
            return []
        note = self.note([path for _, path in uploads])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda one: self.bucket.put(one[1], one[0]), uploads):
                pass
        return [note]

    def note(self, paths: Sequence[str]) -> Note:
        """Write down that these names are coming or going; what of them no transaction names when
        this process has died may be swept."""
        note = f"{INCOMING}/{uuid.uuid4().hex}.json"
        document = {"version": 1, "holder": holder(), "paths": list(paths)}
        self.bucket.put(note, json.dumps(document).encode())
        return note

    def settle(self, notes: Sequence[Note]) -> None:
        """Forget the arrival of what the ledger now names."""
        self.bucket.remove_all(notes)

    def replace(self, staged: Path, key: ObjectKey, suffix: str) -> None:
        """Upload a file in the place of an object; a server shows the one or the other, whole."""
        self.bucket.put(object_path(key, suffix), staged)

    def destroy(self, key: ObjectKey) -> int:
        """Remove every file of an object, whatever its suffix; returns how many there were."""
        folder = folder_of(key)
        found = [name for name in self.bucket.names(folder) if name.startswith(key.hex)]
        self.bucket.remove_all([f"{folder}/{name}" for name in found])
        return len(found)

    def sweep(
        self,
        named_suffix: Callable[[bytes], str | None],
        keeps: Callable[[str], bool],
        begin: Callable[[], None],
        wanted: Mapping[bytes, Path] | None = None,
    ) -> int:
        """Remove what captures that died left behind, in the staging folder and in the bucket.
        Spool files are not moved, so none is `wanted` back.

        What a living one has noted too stays, whoever else noted it: it has perhaps just come.
        """
        count = 0
        for path in sorted(self.staging.iterdir()) if self.staging.is_dir() else []:
            path.unlink()
            count += 1
        dead, coming = self._notes()
        if not dead:
            return count
        begin()
        for note in dead:
            gone = [
                path
                for path in note.paths
                if path not in coming and not _is_named(path, named_suffix, keeps)
            ]
            self.bucket.remove_all([*gone, note.path])
            count += len(gone) + 1
        return count

    def _notes(self) -> tuple[list[_Noted], set[str]]:
        """The notes of the dead, and the names that the living expect."""
        dead, coming = [], set()
        for entry in self.bucket.entries(INCOMING):
            try:
                note = self._noted(entry)
            except ValueError as error:
                logs.event("sweep", logs.WARNING, problem=str(error), where=entry.path)
                continue
            if note is None:
                continue
            if clock.now() - entry.changed > ABANDONED or is_gone(note.holder):
                dead.append(note)
            else:
                coming |= set(note.paths)
        return dead, coming

    def strangers(self) -> list[str]:
        """The addresses of what lies among the notes and is none. A sweep leaves it: whoever put it
        there knows what it is, and no batch rests on what another one's note says."""
        found = []
        for entry in self.bucket.entries(INCOMING):
            try:
                self._noted(entry)
            except ValueError:
                found.append(f"{self.location}/{entry.path}")
        return found

    def _noted(self, entry: Entry) -> _Noted | None:
        """What a note says; None where it has gone. Raises ValueError for what is no note."""
        data = self.bucket.read(entry.path, 0, MAX_NOTE_BYTES)
        if data is None:
            return None  # settled meanwhile
        try:
            document = json.loads(data)
            paths = tuple(str(path) for path in document["paths"])
            return _Noted(entry.path, str(document["holder"]), paths)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"is no note of arrivals: {error}") from error

    def walk(self) -> Iterator[Lying]:
        """Everything below `objects/`, a thousand names to a request."""
        for entry in self.bucket.walk(OBJECTS):
            name = entry.path.rpartition("/")[2]
            root = root_of(name)
            fits = root is not None and entry.path == object_path(ObjectKey(root, 0), name[64:])
            yield Lying(root if fits else None, name[64:] if fits else "", entry.path)


@dataclass(frozen=True, slots=True)
class _Noted:
    path: str
    holder: str
    paths: tuple[str, ...]


def _is_named(
    path: str, named_suffix: Callable[[bytes], str | None], keeps: Callable[[str], bool]
) -> bool:
    if not path.startswith(f"{OBJECTS}/"):
        return keeps(path)
    name = path.rpartition("/")[2]
    root = root_of(name)
    # What is no object's path was not written by us, and is none of our business.
    return root is None or named_suffix(root) == name[64:]


def open_file(bucket: Bucket, path: str) -> BinaryIO:
    """A file of the bucket, seekable, read by ranges. Raises StoreError when it is not there."""
    size = bucket.size(path)
    if size is None:
        raise _missing(path)
    return io.BufferedReader(_Ranges(bucket, path, size), READ_AHEAD)


class _Ranges(io.RawIOBase):
    """A file that is asked for range by range, each as long as the buffer that is to be filled."""

    def __init__(self, bucket: Bucket, path: str, size: int) -> None:
        self._bucket, self._path, self._size = bucket, path, size
        self._at = 0

    def readable(self) -> bool:
        """It is read."""
        return True

    def seekable(self) -> bool:
        """Anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is asked for until it is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill a buffer, as far as the file goes."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        length = min(len(view), CHECK_BYTES, max(0, self._size - self._at))
        data = self._bucket.read(self._path, self._at, length) if length else b""
        if data is None:
            raise _missing(self._path)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _missing(where: str) -> StoreError:
    return StoreError("is not in the store", where=where, hint="run `longplay verify`")
