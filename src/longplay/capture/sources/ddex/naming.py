"""Files of a delivery by the names that messages give them, and nothing outside the delivery.

A name that climbs out, that is absolute or an address elsewhere, that leads over a link or to
nothing, is refused in words for those who sent it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from longplay.errors import SourceError, UnavailableError
from longplay.files import escape, mtime_ns

RESOURCES = b"resources"
"""The folder beside a message in which its files lie, as DDEX's choreography has it (8.3)."""

MAX_NAME = 4_096
"""Bytes of a file's name, as POSIX bounds a path."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a delivery: its path within the source, size in bytes, and time of change."""

    path: bytes
    size: int
    mtime_ns: int


class NotHereError(Exception):
    """A name that leads to no file of the delivery: what is wrong, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def find(root: bytes, folders: Sequence[bytes], named: str) -> Found:
    """The file that a message names. It lies beside the message, in `resources`, or where an
    earlier delivery of the same release brought it: `folders`, within `root`, in this order.

    Raises NotHereError.
    """
    shown = repr(named if len(named) <= 120 else named[:119] + "…")
    tried = [_relative(one, shown) for one in _spellings(named, shown)]
    for folder in folders:
        for relative in tried:
            for place in (relative, _join(RESOURCES, relative)):
                found = look(root, _join(folder, place), shown)
                if found is not None:
                    return found
    raise NotHereError(f"the file {shown} is not in the delivery", _hint(root, folders, tried[0]))


def _spellings(named: str, shown: str) -> list[str]:
    """A name as it stands, and as a URI or as Windows would mean it."""
    scheme, colon, _ = named.partition(":")
    if colon and scheme.isalpha() and "/" not in scheme:
        raise NotHereError(
            f"the file {shown} is an address, not a name in the delivery",
            "put the file into resources/ and name it",
        )
    meant = [named, unquote(named), named.replace("\\", "/")]
    return list(dict.fromkeys(one.removeprefix("./") for one in meant))


def _relative(named: str, shown: str) -> bytes:
    try:
        name = named.encode("utf-8")
    except UnicodeEncodeError:
        raise NotHereError(f"the file {shown} has signs that are none", "rename it") from None
    parts = name.split(b"/")
    if name.startswith(b"/") or b".." in parts or b"\0" in name:
        raise NotHereError(
            f"the file {shown} would lie outside the delivery",
            "name files by their place beside the message, such as resources/01.flac",
        )
    if any(part in (b"", b".") for part in parts) or len(name) > MAX_NAME:
        raise NotHereError(f"the file {shown} has a name that leads nowhere", "correct the name")
    return name


def _join(folder: bytes, name: bytes) -> bytes:
    return b"/".join(filter(None, (folder, name)))


def look(root: bytes, path: bytes, shown: str) -> Found | None:
    """The file at `path` within `root`, if one is there; no part of the path may be a link.

    Raises NotHereError, in which it is called as `shown`.
    """
    here = root
    facts: os.stat_result | None = None
    for part in path.split(b"/"):
        here = here + b"/" + part
        try:
            facts = os.lstat(here)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise NotHereError(
                f"the file {shown} cannot be looked at: {error.strerror}", ""
            ) from None
        if stat.S_ISLNK(facts.st_mode):
            raise NotHereError(f"the file {shown} is a link", "send the file itself")
    if facts is None or stat.S_ISDIR(facts.st_mode):
        return None
    if not stat.S_ISREG(facts.st_mode):
        raise NotHereError(f"the file {shown} is no regular file", "send the file itself")
    return Found(path, facts.st_size, mtime_ns(facts))


def _hint(root: bytes, folders: Sequence[bytes], name: bytes) -> str:
    """What an operator may have meant: another case of letters, or a file that never came."""
    wanted = name.rpartition(b"/")[2].lower()
    for folder in folders[:1]:
        for place in (_join(folder, RESOURCES), folder):
            try:
                with os.scandir(_join(root, place)) as listed:
                    here = [one.name for one in listed]
            except OSError:
                continue
            like = sorted(one for one in here if one.lower() == wanted)
            if like and like[0] != name.rpartition(b"/")[2]:
                return f"{escape(like[0])!r} is there: names must agree in every letter"
            if like:
                return f"{escape(like[0])!r} lies elsewhere in the delivery: correct its path"
    return "send it, or correct the name in the message"


def open_inside(root: bytes, path: bytes) -> int:
    """Open a file of the source for reading, following no link below `root`; a descriptor.

    Raises SourceError for what is not there or no file, UnavailableError when the place cannot be
    reached.
    """
    where = escape(path)
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UnavailableError(
            f"cannot be reached: {error.strerror}", where=escape(root), hint="is it mounted?"
        ) from error
    parts = path.split(b"/")
    if any(part in (b"", b".", b"..") for part in parts):
        os.close(folder)
        raise SourceError("path leaves its folder", where=where)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(parts[-1], flags, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError("is no longer in the delivery", where=where) from error
    except OSError as error:
        kind = SourceError if error.errno in _FOR_GOOD else UnavailableError
        raise kind(f"cannot be opened: {error.strerror}", where=where) from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError("is no regular file", where=where)
    return descriptor


_FOR_GOOD = frozenset({13, 40})
"""EACCES and ELOOP: nobody may read it, or it is a link."""
