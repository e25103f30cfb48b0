"""Records of a dump's XML, one at a time: bounded memory, no entities, no network, no DTD."""

from __future__ import annotations

import gzip
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal, cast

from lxml import etree

from longplay.errors import InputError

Kind = Literal["artists", "labels", "masters", "releases"]

RECORDS: dict[Kind, str] = {
    "artists": "artist",
    "labels": "label",
    "masters": "master",
    "releases": "release",
}
"""What each file's root holds; in this order they are read."""

HEAD = 64 * 1024
"""Bytes within which a dump's root stands."""

MAX_RECORD = 32 * 2**20
"""Bytes of one record: the longest releases (boxes of hundreds of discs) have about one million."""

_GZIP = b"\x1f\x8b"
_MARK = b"\xef\xbb\xbf"
_NEXT = re.compile(rb"\s*(?:(<!--|<\?)|<(\w+))")
_ENDS = {b"<!--": b"-->", b"<?": b"?>"}
_CONTROL = bytes(32 if byte < 32 and byte not in b"\t\n\r" else byte for byte in range(256))
"""Control characters, which XML forbids and dumps have had, are read as spaces."""


def kind(path: Path) -> Kind:
    """Which dump a file is, by its root. Raises InputError for what is none, or declares a DTD."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("is no file", where=str(path), hint="name the dumps themselves")
        with path.open("rb") as file, _plain(file) as plain:
            head = plain.read(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise InputError("declares entities, which no dump does: refused", where=str(path))
    name = _root(head)
    if name not in RECORDS:
        raise InputError(
            "is no dump of Discogs", where=str(path), hint="its root is artists, releases, …"
        )
    return name


def _root(head: bytes) -> str:
    """The name of the first element, after comments and processing instructions; empty for none."""
    at = len(_MARK) if head.startswith(_MARK) else 0
    while found := _NEXT.match(head, at):
        if found[2]:
            return found[2].decode("ascii", "replace")
        end = _ENDS[found[1]]
        place = head.find(end, found.end())
        if place < 0:
            break
        at = place + len(end)
    return ""


def records(path: Path, of: Kind, count: Callable[[int], None]) -> Iterator[etree._Element]:
    """The records of a dump; each is gone when the next is asked for.

    `count` is called with each number of bytes read. Raises InputError for what is damaged, cut
    short, not well-formed, or has a record of more than `MAX_RECORD` bytes.
    """
    try:
        with path.open("rb") as file, _plain(file) as plain:
            source = _Bounded(file, plain, count, str(path))
            parser = etree.iterparse(
                source,
                events=("end",),
                tag=RECORDS[of],
                resolve_entities=False,
                load_dtd=False,
                no_network=True,
                huge_tree=False,
                remove_comments=True,
                remove_pis=True,
            )
            yield from _records(parser, source, path)
    except etree.XMLSyntaxError as error:
        line = str(error).splitlines()[0][:200] if str(error) else "no XML"
        raise InputError(
            f"is not well-formed, or is cut short: {line}", where=str(path), hint="fetch it again"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _records(
    parser: etree.iterparse[tuple[str, etree._Element]], source: _Bounded, path: Path
) -> Iterator[etree._Element]:
    for _, element in parser:
        root = element.getparent()
        if root is None or root.getparent() is not None:
            continue  # a record's name that stands deeper (`sublabels`)
        if root.getroottree().docinfo.internalDTD is not None:
            raise InputError("declares entities, which no dump does: refused", where=str(path))
        yield element
        element.clear()
        while element.getprevious() is not None:
            del root[0]
        source.since = 0


def _plain(file: IO[bytes]) -> IO[bytes]:
    head = file.read(len(_GZIP))
    file.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if head == _GZIP else file


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError) and error.errno is not None:
        return InputError(f"cannot be read: {error.strerror}", where=str(path))
    return InputError("is cut short or damaged", where=str(path), hint="fetch it again")


class _Bounded:
    """The file as the parser reads it. `since`: bytes since the last whole record."""

    def __init__(
        self, file: IO[bytes], plain: IO[bytes], count: Callable[[int], None], where: str
    ) -> None:
        self._file, self._plain, self._count, self._where = file, plain, count, where
        self._place = 0
        self.since = 0

    def read(self, length: int) -> bytes:
        """The next bytes."""
        found = self._plain.read(length)
        self.since += len(found)
        if self.since > MAX_RECORD:
            raise InputError(f"has a record of more than {MAX_RECORD} bytes", where=self._where)
        place = self._file.tell()
        self._count(place - self._place)
        self._place = place
        return found.translate(_CONTROL)
