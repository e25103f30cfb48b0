"""What keeps objects: the contract of a store, whatever it is made of.

An object lies under its final name, which is told by its content, so storing it again changes
nothing. Arrivals go in by batches: the store notes which names are coming, takes the bytes in,
and forgets the note once a ledger transaction names them. What was noted, and is named by none
after its writer died, is swept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from longplay.model import ObjectKey
from longplay.vault.fixity import Finding

OBJECTS = "objects"
"""Folder of the objects in a replica, and below the prefix of an S3 store."""

Arrival = tuple[Path, ObjectKey, str]
"""A synced file in the store's spool, what it is, and its suffix."""

Beside = tuple[Path, str]
"""A local file that goes into the store beside objects, and its path there."""

Note = str
"""What was noted of names that are coming; to be given back to `settle`."""


@dataclass(frozen=True, slots=True)
class Lying:
    """Something that lies in a store: the root that its name claims (None: no object's name), the
    suffix of that name, and its path for people, below the folder or prefix of the store."""

    root: bytes | None
    suffix: str
    path: str


class ObjectStore(Protocol):
    """Objects by (key, suffix). Every method raises StoreError when the store cannot be reached or
    refuses, ends in bounded time where it is remote, and may be repeated. Threads may share one.

    `spool` and `staging` are local folders, on one file system with the objects where these are
    local. Arrivals are written to the spool, which its users keep in order; what lies in the
    staging folder is swept.
    """

    @property
    def spool(self) -> Path:
        """Where arrivals are written, by names of any kind."""

    @property
    def staging(self) -> Path:
        """Where files are made that nobody goes on with after a crash."""

    def prepare(self) -> None:
        """Make the store's own local folders."""

    def place(self, key: ObjectKey, suffix: str) -> str:
        """Where an object lies, or would, for people."""

    def local(self, key: ObjectKey, suffix: str) -> Path | None:
        """The object's file where the store is a folder of this machine, there or not."""

    def open(self, key: ObjectKey, suffix: str) -> BinaryIO:
        """The object's bytes, seekable. Raises StoreError when it is not there."""

    def read(self, key: ObjectKey, suffix: str, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`, fewer where the object ends before. Raises
        StoreError when it is not there."""

    def size(self, key: ObjectKey, suffix: str) -> int | None:
        """Bytes of what lies there; None for nothing."""

    def check(
        self, objects: Iterable[tuple[ObjectKey, str, bytes]], *, workers: int
    ) -> Iterator[Finding]:
        """Re-read objects, given as (key, suffix, leaves or nothing); findings as they come."""

    def admit(self, arrivals: Sequence[Arrival], beside: Sequence[Beside] = ()) -> list[Note]:
        """Put files in their places, durably, and what goes beside them. The spool files may be
        gone afterwards; those beside stay. An object that is there already is written again.

        Gives notes for `settle`, to be called once the ledger names all of it. The ledger must not
        name it when `ledger.sweeping` says that a sweep came in between.
        """

    def settle(self, notes: Sequence[Note]) -> None:
        """Forget the arrival of what the ledger now names."""

    def replace(self, staged: Path, key: ObjectKey, suffix: str) -> None:
        """Put a synced file in the place of an object, durably and in one step; it may be gone
        afterwards."""

    def destroy(self, key: ObjectKey) -> int:
        """Remove every file of an object, whatever its suffix, durably; returns how many there
        were. Nothing there is no error."""

    def sweep(
        self,
        named_suffix: Callable[[bytes], str | None],
        keeps: Callable[[str], bool],
        begin: Callable[[], None],
        wanted: Mapping[bytes, Path] | None = None,
    ) -> int:
        """Remove what captures that died left behind, but for what lies in the spool; no capture of
        this machine may run. Returns the count.

        `named_suffix` gives the suffix of an object that the ledger names, None for any other;
        `keeps` says whether something beside objects is to stay, by its path in the store. `begin`
        is called before the first removal from a place that other machines see, and before either
        of the others is asked. Bytes that were moved out of the spool, with a root that is `wanted`
        and that the ledger does not name, become that file again.
        """

    def walk(self) -> Iterator[Lying]:
        """Everything that lies where objects do."""


def object_path(key: ObjectKey, suffix: str) -> str:
    """Where replicas and S3 stores keep an object."""
    return f"{folder_of(key)}/{key.hex}{suffix}"


def folder_of(key: ObjectKey) -> str:
    """The folder of an object in replicas and S3 stores."""
    return f"{OBJECTS}/{key.hex[:2]}/{key.hex[2:4]}"


def root_of(name: str) -> bytes | None:
    """The root that an object's file name begins with; None for any other name."""
    try:
        root = bytes.fromhex(name[:64])
    except ValueError:
        return None
    return root if len(root) == 32 and name[:64] == root.hex() else None
