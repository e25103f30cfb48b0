"""Objects as files, named by their merkle root: `ab/cd/abcd….ogg`.

An object's way in: a worker writes and syncs it under `spool/`; the batch that wants it gives it
its name under `incoming/`, links it to its place, and commits the ledger; then the name under
`incoming/` goes. What lies under `incoming/` when no capture runs is left over from one that died,
and tells which objects may have been linked and never named by the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from longplay.errors import StoreError
from longplay.files import TEMPORARY, escape, publish, sync_folder
from longplay.model import ObjectKey
from longplay.vault import fixity
from longplay.vault.fixity import Finding
from longplay.vault.objects import Arrival, Beside, Lying, Note, root_of

INCOMING = "incoming"
SPOOL = "spool"

MARK = "+"
"""Stands before the process id in the name of an arrival: captures may bring equal bytes."""


class FolderStore:
    """Objects below one local folder. What goes beside them has its place already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / INCOMING
        self.spool = folder / SPOOL

    @property
    def staging(self) -> Path:
        """Where files are made that nobody goes on with."""
        return self.incoming

    def prepare(self) -> None:
        """Make the store's own folders."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        self.spool.mkdir(exist_ok=True)

    def place(self, key: ObjectKey, suffix: str) -> str:
        """Where an object lies, or would, for people."""
        return str(self.path(key, suffix))

    def local(self, key: ObjectKey, suffix: str) -> Path | None:
        """The object's file, there or not."""
        return self.path(key, suffix)

    def path(self, key: ObjectKey, suffix: str) -> Path:
        """Where the object lies, or would."""
        name = key.hex
        return self.folder / name[:2] / name[2:4] / f"{name}{suffix}"

    def open(self, key: ObjectKey, suffix: str) -> BinaryIO:
        """The object's bytes. Raises StoreError when it is not there."""
        path = self.path(key, suffix)
        try:
            return path.open("rb")
        except OSError as error:
            raise StoreError(
                f"cannot be read: {error.strerror}", where=str(path), hint="run `longplay verify`"
            ) from error

    def read(self, key: ObjectKey, suffix: str, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`, fewer where the object ends before."""
        with self.open(key, suffix) as source:
            source.seek(start)
            return source.read(length)

    def size(self, key: ObjectKey, suffix: str) -> int | None:
        """Bytes of what lies there; None for nothing."""
        try:
            return self.path(key, suffix).stat().st_size
        except FileNotFoundError:
            return None

    def check(
        self, objects: Iterable[tuple[ObjectKey, str, bytes]], *, workers: int
    ) -> Iterator[Finding]:
        """Re-read objects in several processes; findings as they come."""
        rows = ((key, self.path(key, suffix), leaves) for key, suffix, leaves in objects)
        return fixity.check(rows, workers=workers)

    def admit(self, arrivals: Sequence[Arrival], beside: Sequence[Beside] = ()) -> list[Note]:
        """Put synced files from the spool in their places, durably; they are moved. Their names
        under `incoming/` stay until they are settled."""
        if not arrivals:
            return []
        named, folders = [], set()
        for temporary, key, suffix in arrivals:
            marker = self.incoming / f"{key.hex}{suffix}{MARK}{os.getpid()}"
            temporary.replace(marker)
            named.append((marker, self.path(key, suffix)))
        sync_folder(self.incoming)
        for marker, place in named:
            folders |= make_folders(self.folder, place.parent)
            _link(marker, place)
            folders.add(place.parent)
        for folder in sorted(folders, reverse=True):
            sync_folder(folder)
        return [str(marker) for marker, _ in named]

    def replace(self, staged: Path, key: ObjectKey, suffix: str) -> None:
        """Put a synced file from `incoming/` in the place of an object, durably and in one step."""
        place = self.path(key, suffix)
        changed = make_folders(self.folder, place.parent)
        publish(staged, place)
        for folder in sorted(changed, reverse=True):
            sync_folder(folder)

    def destroy(self, key: ObjectKey) -> int:
        """Remove every file of an object, whatever its suffix, durably; returns how many there
        were. Nothing there is no error."""
        place = self.path(key, "")
        found = [*place.parent.glob(f"{key.hex}*"), *self.incoming.glob(f"{key.hex}*")]
        for path in found:
            path.unlink(missing_ok=True)
        for folder in sorted({path.parent for path in found}):
            sync_folder(folder)
        return len(found)

    def settle(self, notes: Sequence[Note]) -> None:
        """Forget the arrival of objects that the ledger now names."""
        for marker in notes:
            Path(marker).unlink(missing_ok=True)

    def sweep(
        self,
        named_suffix: Callable[[bytes], str | None],
        keeps: Callable[[str], bool] = lambda _: True,
        begin: Callable[[], None] = lambda: None,
        wanted: Mapping[bytes, Path] | None = None,
    ) -> int:
        """Remove what captures that died left behind. Nothing lies here but objects, and no other
        machine has part in this folder. Bytes with a root that is `wanted` and that the ledger does
        not name become that file."""
        count = 0
        for path in sorted(self.incoming.iterdir()) if self.incoming.is_dir() else []:
            root = None if path.name.endswith(TEMPORARY) else root_of(path.name)
            if root:
                suffix = path.name[64:].rpartition(MARK)[0]
                place = self.path(ObjectKey(root, 0), suffix)
                for stray in place.parent.glob(f"{place.name}.*{TEMPORARY}"):
                    stray.unlink()
                named = named_suffix(root)
                if named != suffix:
                    place.unlink(missing_ok=True)
                elif not place.exists():
                    make_folders(self.folder, place.parent)
                    _link(path, place)
                if named is None and wanted and root in wanted and not wanted[root].exists():
                    path.rename(wanted[root])
            path.unlink(missing_ok=True)
            count += 1
        return count

    def walk(self) -> Iterator[Lying]:
        """Everything that lies where objects do."""
        for folder, folders, names in os.walk(self.folder):
            folders.sort()
            if folder == str(self.folder):
                folders[:] = [name for name in folders if name not in (INCOMING, SPOOL)]
            for name in sorted(names):
                path = Path(folder) / name
                root = None if name.endswith(TEMPORARY) else root_of(name)
                fits = root is not None and path == self.path(ObjectKey(root, 0), name[64:])
                told = escape(os.fsencode(path.relative_to(self.folder.parent)))
                yield Lying(root if fits else None, name[64:] if fits else "", told)


def _link(marker: Path, place: Path) -> None:
    """Give a file its place in one step, whoever else may be giving it the same bytes."""
    temporary = place.with_name(f"{place.name}.{os.getpid()}{TEMPORARY}")
    temporary.unlink(missing_ok=True)
    os.link(marker, temporary)
    temporary.replace(place)
    temporary.unlink(missing_ok=True)  # renaming one name of a file to another does nothing


def make_folders(top: Path, folder: Path) -> set[Path]:
    """Make `folder` below `top`; return those above it that got a new entry, to be synced."""
    changed, missing = set(), folder
    while missing != top and not missing.is_dir():
        missing = missing.parent
        changed.add(missing)
    folder.mkdir(parents=True, exist_ok=True)
    return changed
