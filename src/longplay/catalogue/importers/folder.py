"""A folder's entries in a fixed order, names as bytes; no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from longplay.errors import InputError
from longplay.files import mtime_ns

MAX_DEPTH = 200
"""Folders within folders; deeper ones are refused, so that a hostile tree ends."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in the folder. `path` is relative, `mode` the permission bits, `target` where a
    symlink points, `problem` why it can be no offer (for `refused` alone)."""

    path: bytes
    kind: Literal["file", "folder", "symlink", "refused"]
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0
    target: bytes | None = None
    problem: str = ""

    @property
    def parent(self) -> bytes:
        """The folder that it lies in; empty for the topmost."""
        return os.path.dirname(self.path)  # noqa: PTH120 - pathlib takes no bytes


def walk(root: Path) -> Iterator[Entry]:
    """Every entry below `root`, each folder before what is in it, names in order of their bytes.

    Raises InputError when `root` is not a folder that can be read.
    """
    top = os.fsencode(root)
    try:
        names = sorted(os.listdir(top), reverse=True)  # noqa: PTH208 - pathlib takes no bytes
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=str(root), hint="is it a folder?"
        ) from error
    waiting = list(names)
    while waiting:
        path = waiting.pop()
        entry = _entry(top, path)
        if entry.kind == "folder":
            if path.count(b"/") >= MAX_DEPTH:
                yield Entry(path, "refused", problem=f"lies more than {MAX_DEPTH} folders deep")
                continue
            try:
                inside = sorted(os.listdir(os.path.join(top, path)), reverse=True)  # noqa: PTH118, PTH208 - as above
            except OSError as error:
                yield Entry(path, "refused", problem=f"cannot be read: {error.strerror}")
                continue
            waiting.extend(path + b"/" + name for name in inside)
        yield entry


def _entry(top: bytes, path: bytes) -> Entry:
    whole = os.path.join(top, path)  # noqa: PTH118 - pathlib takes no bytes
    try:
        facts = os.lstat(whole)
        mode = stat.S_IMODE(facts.st_mode)
        if stat.S_ISREG(facts.st_mode):
            return Entry(path, "file", facts.st_size, mtime_ns(facts), mode)
        if stat.S_ISDIR(facts.st_mode):
            return Entry(path, "folder", 0, mtime_ns(facts), mode)
        if stat.S_ISLNK(facts.st_mode):
            target = os.readlink(whole)  # noqa: PTH115 - as above
            return Entry(path, "symlink", 0, mtime_ns(facts), mode, target)
    except OSError as error:
        return Entry(path, "refused", problem=f"cannot be read: {error.strerror}")
    return Entry(path, "refused", problem="is no file, folder or link")
