"""The folder that an export fills: whose it is, who is writing, what no longer belongs there.

An export can be stopped at any moment and begun again, so its folder says what is being made there
(`longplay-export.json`), and what is half made lies under `.part` until it has its place.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from longplay import files
from longplay.errors import InputError, LockedError, ReleaseError
from longplay.files import TEMPORARY, read_bounded, sync_folder, write_json
from longplay.release.packages import names

MARKER = "longplay-export.json"

MARKER_BYTES = 64 * 1024
"""Bytes that the marker may have."""

STAGING = TEMPORARY
"""The subfolder where packages are put together."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What is exported where: the format, the archive (by its log's first hash), and whether only
    what may be released."""

    format: str
    archive: str
    open: bool
    version: int = 1


class Roots:
    """Roots in ascending order, 32 bytes each: what belongs in an export."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // 32

    def __getitem__(self, at: int) -> bytes:
        return bytes(self._bytes[32 * at : 32 * at + 32])

    def add(self, root: bytes) -> None:
        """Add a root that follows all that are there."""
        self._bytes += root

    def __contains__(self, root: bytes) -> bool:
        at = bisect_left(self, root)
        return at < len(self) and self[at] == root


@contextmanager
def claimed(folder: Path, purpose: Purpose) -> Iterator[None]:
    """Make `folder` the place of this export, alone, with an empty staging folder.

    Raises ReleaseError when something else is in it, or another export; LockedError when somebody
    is writing it now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                "another export is writing there", where=str(folder), hint="wait for it, or stop it"
            ) from error
        _check(folder, purpose)
        shutil.rmtree(folder / STAGING, ignore_errors=True)
        (folder / STAGING).mkdir()
        sweep_temporaries(folder)
        write_json(folder / MARKER, asdict(purpose))
        yield
        shutil.rmtree(folder / STAGING)
        sync_folder(folder)
    finally:
        os.close(descriptor)


def sweep_temporaries(folder: Path) -> None:
    """Remove the files directly in `folder` that a run left half written."""
    files.sweep(folder, set(), pattern=f"*{TEMPORARY}")


def _check(folder: Path, purpose: Purpose) -> None:
    names_there = {path.name for path in folder.iterdir()}
    ours = {name for name in names_there if name == STAGING or name.startswith(MARKER)}
    if not names_there - ours and MARKER not in names_there:
        return
    if MARKER not in names_there:
        raise ReleaseError(
            "is not empty and no export", where=str(folder), hint="name an empty or a new folder"
        )
    found = _purpose(folder)
    if found != purpose:
        hint = "name another folder, or repeat the command that began it"
        other = "another archive" if found.archive != purpose.archive else found.format
        only = ", of what may be released only" if found.open else ""
        raise ReleaseError(f"holds another export: {other}{only}", where=str(folder), hint=hint)


def _purpose(folder: Path) -> Purpose:
    path = folder / MARKER
    try:
        return Purpose(**json.loads(read_bounded(path, MARKER_BYTES)))
    except (InputError, ValueError, TypeError) as error:
        raise ReleaseError(
            "is no marker of an export of this version", where=str(path), hint="name a new folder"
        ) from error


def sweep(folder: Path, belongs: Roots) -> int:
    """Remove what an earlier run put below `folder` and no longer belongs there: (sub)folders and
    documents called after roots. Folders that become empty go too. Returns the count."""
    return _sweep(folder, belongs, 2)


def _sweep(folder: Path, belongs: Roots, deeper: int) -> int:
    removed = 0
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        root = names.root_in(entry.name)
        if deeper and entry.is_dir(follow_symlinks=False) and len(entry.name) == 2:
            removed += _sweep(path, belongs, deeper - 1)
            if not any(path.iterdir()):
                path.rmdir()
        elif not deeper and entry.name.endswith(TEMPORARY):
            path.unlink()
        elif not deeper and root is not None and root not in belongs:
            shutil.rmtree(path) if entry.is_dir(follow_symlinks=False) else path.unlink()
            removed += 1
    if removed:
        sync_folder(folder)
    return removed


def settle(staged: Path, place: Path) -> None:
    """Give a staged folder, whose files are synced, its place."""
    sync_folder(staged)
    make(place.parent)
    staged.rename(place)
    sync_folder(place.parent)


def make(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    if folder.is_dir():
        return
    make(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
