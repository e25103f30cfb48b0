"""What an archive keeps beside its objects, file by file: evidence, what is in quarantine, plans.

Beside a folder of objects these are folders of the archive. Beside a bucket they are prefixes of
it, and the local folders are caches that fill again: a file is named by its content, or written
once, so a copy is never stale.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

from longplay.errors import StoreError
from longplay.files import durable, sync_folder
from longplay.vault.objects import Beside, Note, ObjectStore
from longplay.vault.s3store import AT_ONCE, S3Store, open_file

READ_BYTES = 8 * 2**20
"""Bytes of a file that are held at once."""

DIGEST = re.compile(r".*-([0-9a-f]{32})\.parquet")
"""Names that tell the beginning of the SHA-256 of what is in them."""


class Shelf:
    """The files of one kind, directly in `folder` and, with a bucket, below a prefix, by default
    one that is called as the folder is. Raises StoreError when the bucket cannot be reached."""

    def __init__(self, folder: Path, store: ObjectStore, prefix: str = "") -> None:
        self.folder = folder
        self.prefix = prefix or folder.name
        self._remote = store if isinstance(store, S3Store) else None

    @property
    def is_remote(self) -> bool:
        """Whether the folder is but a cache."""
        return self._remote is not None

    def path(self, name: str) -> str:
        """A file's path in the bucket."""
        return f"{self.prefix}/{name}"

    def beside(self, files: Iterable[tuple[Path, str]]) -> list[Beside]:
        """What `ObjectStore.admit` takes to put these (file, name) here; nothing without a bucket,
        where they have their places already."""
        return [(file, self.path(name)) for file, name in files] if self._remote else []

    def upload(self, names: Sequence[str], instead_of: Sequence[str] = ()) -> list[Note]:
        """Put files of the folder into the bucket, some perhaps in place of others that go when the
        ledger has changed. Gives notes for `settle`."""
        if self._remote is None or not (names or instead_of):
            return []
        remote = self._remote
        note = remote.note([self.path(name) for name in (*names, *instead_of)])
        for name in names:
            remote.bucket.put(self.path(name), self.folder / name)
        return [note]

    def settle(self, notes: Sequence[Note]) -> None:
        """The ledger names what was uploaded, and nothing that was replaced."""
        if self._remote is not None:
            self._remote.settle(notes)

    def fetch(self, names: Iterable[str]) -> list[Path]:
        """The local files of these names, brought where they lack. Raises StoreError for one that
        is nowhere, or not what its name says."""
        found = [self.folder / name for name in names]
        lacking = [path for path in found if not path.is_file()]
        if lacking and self._remote is None:
            raise _missing(str(lacking[0]))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(self._bring, lacking):
                pass
        return found

    def uncache(self, names: Iterable[str]) -> None:
        """Forget the copies that this machine has of files in a bucket: they may have rotted here,
        and are fetched again. Without a bucket nothing is a copy, and nothing happens."""
        for name in names if self.is_remote else ():
            (self.folder / name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """What is here."""
        if self._remote is not None:
            return set(self._remote.bucket.names(self.prefix))
        return {path.name for path in self.folder.iterdir() if path.is_file()}

    def open(self, name: str) -> BinaryIO:
        """A file's bytes, seekable, without a local copy of it."""
        if self._remote is not None:
            return open_file(self._remote.bucket, self.path(name))
        try:
            return (self.folder / name).open("rb")
        except OSError as error:
            raise StoreError(
                f"cannot be read: {error.strerror}", where=str(self.folder / name)
            ) from error

    def is_whole(self, name: str, digest: bytes) -> bool:
        """Whether a file is here, in the bucket where there is one, with these bytes."""
        found = hashlib.sha256()
        try:
            with self.open(name) as source:
                while data := source.read(READ_BYTES):
                    found.update(data)
        except OSError:
            return False
        except StoreError:
            if self._remote is not None and self._remote.bucket.size(self.path(name)) is not None:
                raise
            return False
        return found.digest() == digest

    def drop(self, names: Collection[str]) -> int:
        """Remove files, here and in the bucket, durably; how many were there."""
        count = 0
        for name in names:
            path = self.folder / name
            count += path.exists()
            path.unlink(missing_ok=True)
        if count:
            sync_folder(self.folder)
        if self._remote is not None and names:
            bucket = self._remote.bucket
            paths = [self.path(name) for name in names]
            count = sum(bucket.size(path) is not None for path in paths)
            bucket.remove_all(paths)
        return count

    def _bring(self, path: Path) -> None:
        digest = hashlib.sha256()
        with self.open(path.name) as source, durable(path) as out:
            for data in iter(partial(source.read, READ_BYTES), b""):
                digest.update(data)
                out.write(data)
            match = DIGEST.fullmatch(path.name)
            if match and not digest.hexdigest().startswith(match[1]):
                raise StoreError(
                    "is damaged in the bucket",
                    where=self.path(path.name),
                    hint="run `longplay verify --repair`",
                )


def _missing(where: str) -> StoreError:
    return StoreError("is missing", where=where, hint="restore it from a backup")
