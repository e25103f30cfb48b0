"""Replicas: further stores that keep a copy of every object, and where a lost block comes from.

A replica has the objects under the same names as the archive: `objects/ab/cd/abcd….ogg`, and
beside them the `evidence/` files that prove them. A folder of the file system and a prefix in an
S3 store keep the same contract (`ReplicaStore`). What a store's credentials are is never in the
settings: S3 takes them from the environment (AWS_ACCESS_KEY_ID and its like).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol

import obstore.store

from longplay.errors import StoreError
from longplay.files import durable, sync_folder
from longplay.ledger import copies
from longplay.ledger.database import Ledger
from longplay.model import ObjectKey
from longplay.settings import Replica
from longplay.vault import fixity
from longplay.vault.bucket import SCHEME, Bucket, Patience, connect
from longplay.vault.fixity import Finding, Reading
from longplay.vault.objects import folder_of, object_path
from longplay.vault.store import make_folders

EVIDENCE = "evidence"
"""The folder of a replica that is beside its objects."""

REQUEST_SECONDS = 60
"""Longest that one request to an S3 store may take; parts of a large object are 8 MiB each."""

RETRY_SECONDS = 60
"""Longest that a failed request is tried again: a store that is down ends the run, not the day."""

RETRIES = 3

AT_ONCE = 4
"""Objects that are read from one replica, or written to it, at a time."""


class ReplicaStore(Protocol):
    """A further store, by paths of plain components joined by `/`.

    Every method raises StoreError, naming the store, when it cannot be reached or refuses; each
    ends in bounded time where the store is remote. All may be repeated. Threads may share one.
    """

    @property
    def name(self) -> str:
        """What the settings call it."""

    def size(self, path: str) -> int | None:
        """Bytes of what lies there; None for nothing."""

    def read(self, path: str, start: int, length: int) -> bytes | None:
        """At most `length` bytes from `start`, fewer where it ends before; None for nothing."""

    def put(self, path: str, source: Path) -> None:
        """Store a file's bytes, whole or not at all, in place of what is there; durable when this
        returns."""

    def names(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder, leftovers of cut short `put`s among them."""

    def remove(self, path: str) -> None:
        """Destroy what lies there; nothing there is no error."""


class FolderReplica:
    """A replica in a folder, e.g. on a second disk. The folder itself is never made: where the disk
    is not plugged in, there is no replica."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def size(self, path: str) -> int | None:
        """Bytes of what lies there; None for nothing."""
        place = self._place(path)
        try:
            return place.stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from error

    def read(self, path: str, start: int, length: int) -> bytes | None:
        """At most `length` bytes from `start`, fewer where it ends before; None for nothing."""
        place = self._place(path)
        try:
            with place.open("rb") as source:
                source.seek(start)
                return source.read(length)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from error

    def put(self, path: str, source: Path) -> None:
        """Store a file's bytes, whole or not at all, in place of what is there."""
        place = self._place(path)
        try:
            changed = make_folders(self.folder, place.parent)
            with source.open("rb") as data, durable(place) as out:
                shutil.copyfileobj(data, out, 1024 * 1024)
            for folder in sorted(changed, reverse=True):
                sync_folder(folder)
        except OSError as error:
            raise self._refused(error) from error

    def names(self, folder: str) -> list[str]:
        """The names of what lies directly in a folder."""
        place = self._place(folder)
        try:
            return sorted(path.name for path in place.iterdir() if not path.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._refused(error) from error

    def remove(self, path: str) -> None:
        """Destroy what lies there; nothing there is no error."""
        place = self._place(path)
        try:
            place.unlink()
            sync_folder(place.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused(error) from error

    def _place(self, path: str) -> Path:
        if not self.folder.is_dir():
            raise StoreError(
                f"the replica {self.name} is not there",
                where=str(self.folder),
                hint="plug its disk in, or make the folder",
            )
        return self.folder / path

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(
            f"the replica {self.name} cannot be used: {error.strerror}",
            where=os.fsdecode(error.filename or self.folder),
            hint="check the disk, its free space and its permissions",
        )


class ObjectStoreReplica(Bucket):
    """A replica in whatever obstore reaches: an S3 prefix, or memory in tests."""

    def __init__(self, name: str, store: obstore.store.ObjectStore) -> None:
        super().__init__(f"the replica {name}", store)
        self.name = name


def open_replica(settings: Replica, archive: Path) -> ReplicaStore:
    """The store that the settings name; a relative folder is taken from the archive's. Nothing is
    asked of it yet. Raises StoreError for an address that no store can have."""
    if not settings.location.startswith(SCHEME):
        return FolderReplica(settings.name, archive / settings.location)
    called = f"the replica {settings.name}"
    patience = Patience(REQUEST_SECONDS, RETRIES, RETRY_SECONDS)
    return ObjectStoreReplica(settings.name, connect(settings.location, called, patience))


def remove(replicas: Sequence[ReplicaStore], ledger: Ledger, key: ObjectKey) -> list[str]:
    """Destroy an object in every replica; the names of those that had it.

    What can be reached is done before StoreError is raised for the first store that cannot be; the
    ledger has no `copy` rows of the others then. May be repeated.
    """
    had, refused = [], None
    for store in replicas:
        try:
            names = [name for name in store.names(folder_of(key)) if name.startswith(key.hex)]
            for name in names:
                store.remove(f"{folder_of(key)}/{name}")
        except StoreError as error:
            refused = refused or error
            continue
        had += [store.name] if names else []
        with ledger.write() as connection:
            copies.drop(connection, store.name, [key.root])
    if refused is not None:
        raise refused
    return had


def evidence_path(name: str) -> str:
    """Where a replica keeps a file of evidence."""
    return f"{EVIDENCE}/{name}"


def read_copy(store: ReplicaStore, key: ObjectKey, suffix: str) -> Reading | None:
    """Read a replica's copy of an object; None when it has none. Raises StoreError."""
    path = object_path(key, suffix)
    size = store.size(path)
    if size is None:
        return None

    def read(start: int, length: int) -> bytes:
        return (store.read(path, start, length) or b"") if start < size else b""

    return fixity.read_by(read, key.size)


def check_copies(
    store: ReplicaStore, objects: Iterable[tuple[ObjectKey, str, bytes]]
) -> Iterator[Finding]:
    """Re-read a replica's copies of objects, given as (key, suffix, leaves or nothing); findings in
    order. Raises StoreError when the replica fails."""

    def one(row: tuple[ObjectKey, str, bytes]) -> Finding:
        key, suffix, leaves = row
        return fixity.judge(key, leaves, read_copy(store, key, suffix))

    waiting = iter(objects)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while rows := list(islice(waiting, 4 * AT_ONCE)):
            yield from pool.map(one, rows)
