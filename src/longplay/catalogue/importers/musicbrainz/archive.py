"""What a dump holds, from a `.tar.bz2`, a `.tar` or a folder: its files, one after the other.

Everything is read once, from the start on, and never written out.
"""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from longplay.catalogue.importers.musicbrainz import bzip2
from longplay.errors import InputError

Chunks = Iterator[bytes]

CHUNK = 2**20
"""Bytes that are read from a file at once."""

MAX_EXTENSION = 64 * 1024
"""Bytes of a pax header that are looked at: those that GNU tar writes have some hundred."""

_BLOCK = tarfile.BLOCKSIZE
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a dump: its name without folders, where it lies, and its bytes."""

    name: str
    place: str
    chunks: Chunks


def size(path: Path) -> int:
    """Bytes that reading a dump will read: of an archive, or of a folder's files."""
    if path.is_dir():
        return sum(file.lstat().st_size for file in _files(path))
    return path.lstat().st_size


def members(path: Path, count: Callable[[int], None]) -> Iterator[Member]:
    """The files in an archive or folder, each to be read before the next is asked for.

    `count` is called with each number of bytes read. Raises InputError for what is neither, is
    damaged, or is cut short.
    """
    try:
        if path.is_dir():
            for file in _files(path):
                place = f"{path.name}/{file.relative_to(path)}"
                yield Member(file.name, place, _read(file, count))
            return
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("is neither a file nor a folder", where=str(path))
        chunks = _read(path, count)
        with path.open("rb") as head:
            compressed = head.read(len(bzip2.MAGIC)) == bzip2.MAGIC
        yield from _tar(bzip2.decompressed(chunks, str(path)) if compressed else chunks, path)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=str(error.filename or path)
        ) from error


def _files(folder: Path) -> list[Path]:
    """The regular files of a folder and of the `mbdump` in it; no link is followed."""
    found = [
        file
        for place in (folder, folder / "mbdump")
        if place.is_dir()
        for file in sorted(place.iterdir())
        if stat.S_ISREG(file.lstat().st_mode)
    ]
    # What says how to read the tables comes before them.
    return sorted(found, key=lambda file: file.name != "SCHEMA_SEQUENCE")


def _read(path: Path, count: Callable[[int], None]) -> Chunks:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            count(len(chunk))
            yield chunk


def _tar(chunks: Chunks, path: Path) -> Iterator[Member]:
    """A tar's regular files. Formats: ustar, GNU (large sizes, long names), pax (size and path)."""
    stream = _Stream(chunks, str(path))
    extension: dict[str, str] = {}
    while True:
        block = stream.exactly(_BLOCK)
        if not block.strip(b"\0"):
            stream.drain()  # two such blocks end an archive; whatever follows fills it up
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise InputError(
                "is no tar archive, or is damaged", where=str(path), hint="is it an mbdump archive?"
            ) from error
        length = _length(header, extension, str(path))
        body = stream.part(length)
        if header.type == tarfile.XHDTYPE:
            extension = _extension(b"".join(body) if length <= MAX_EXTENSION else b"")
        elif header.isreg():
            name = extension.pop("path", header.name)
            place = f"{path.name}:{name[:200].encode(errors='replace').decode()}"
            yield Member(name.rpartition("/")[2], place, body)
        if header.type not in (tarfile.XHDTYPE, *_LONG_NAMES):
            extension = {}
        for _ in body:
            pass  # what nobody asked for
        stream.skip(-length % _BLOCK)


def _length(header: tarfile.TarInfo, extension: dict[str, str], where: str) -> int:
    said = extension.pop("size", "") if header.type != tarfile.XHDTYPE else ""
    length = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else header.size
    if length < 0:
        raise InputError("is no tar archive, or is damaged", where=where)
    if not header.isreg() and header.type not in (
        *(tarfile.XHDTYPE, tarfile.XGLTYPE),
        *_LONG_NAMES,
    ):
        return 0
    return length


def _extension(data: bytes) -> dict[str, str]:
    """The records of a pax header: `length key=value\\n`, the length in bytes and of all of it."""
    found = {}
    while data:
        said, _, _ = data.partition(b" ")
        if not said.isdigit() or not len(said) < int(said) <= len(data):
            break
        record, data = data[len(said) + 1 : int(said) - 1], data[int(said) :]
        key, _, value = record.partition(b"=")
        found[key.decode(errors="replace")] = value.decode(errors="replace")
    return found


class _Stream:
    """Bytes from chunks, by number."""

    def __init__(self, chunks: Chunks, where: str) -> None:
        self._chunks = chunks
        self._where = where
        self._rest = b""

    def part(self, length: int) -> Chunks:
        """The next `length` bytes, in pieces. InputError where there are fewer."""
        while length:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    raise InputError("is cut short", where=self._where, hint="fetch it again")
            piece, self._rest = self._rest[:length], self._rest[length:]
            length -= len(piece)
            yield piece

    def exactly(self, length: int) -> bytes:
        """The next `length` bytes at once."""
        return b"".join(self.part(length))

    def drain(self) -> None:
        """Read to the end: only there a compressed file proves that it is whole."""
        for _ in self._chunks:
            pass

    def skip(self, length: int) -> None:
        """Pass over the next `length` bytes."""
        for _ in self.part(length):
            pass
