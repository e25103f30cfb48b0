"""An access log that grows and turns, followed line by line: docs/formats/access-log.md.

What was read last is a `Place`: the file by its inode and how it begins, and how far it was read.
A log that was renamed meanwhile is read to its end before the next; one that is gone, or cut short,
is counted, and reading goes on with the oldest that is there. A line is taken when its end is
there, and given up, and counted, where it grows beyond any measure.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from longplay.guard.reading.blocks import LONGEST_LINE, Damage

BLOCK = 4 * LONGEST_LINE
"""Bytes that are read at once."""

HEAD = 256
"""Bytes at a log's beginning by which it is known again."""

HEAD_BYTES = 64 * 1024
"""Bytes at a log's beginning by which its format is told."""

OLDEST = 1000
"""Older logs that are looked for."""


@dataclass(slots=True)
class Place:
    """How far a log was read. `head` is a hash of its first `known` bytes; `dropping` says that
    the rest of a line that is too long is to be passed over."""

    inode: int = 0
    offset: int = 0
    known: int = 0
    head: str = ""
    dropping: bool = False


@dataclass(slots=True)
class Follower:
    """Reads a log on. `lost` counts logs that went before they were read to their end;
    `ended` says that a log has turned and seems to be read, so that the next comes with the next
    look."""

    path: Path
    place: Place = field(default_factory=Place)
    damage: Damage = field(default_factory=Damage)
    lost: int = 0
    ended: bool = False

    def read(self) -> bytes:
        """Whole lines that were not read yet, about BLOCK bytes; nothing: there are none now."""
        files = self._files()
        if not files:
            return b""
        at = self._found(files)
        if at is None:
            if self.place.inode:
                self.lost += 1
            self._begin(files[0])
            at = 0
        data = self._more(files[at])
        if data or at == len(files) - 1:
            self.ended = False
            return data
        # A writer that had the file open when it was renamed may add a line: look once more.
        if not self.ended:
            self.ended = True
            return b""
        self.ended = False
        rest = self._rest(files[at])
        self._begin(files[at + 1])
        return rest or self.read()

    def beginning(self) -> list[bytes]:
        """The first whole lines of the log, or of the one before it while it has none."""
        for file in reversed(self._files()):
            lines = _part(file, 0, HEAD_BYTES).split(b"\n")[:-1]
            if any(line.strip() for line in lines):
                return lines
        return []

    def _files(self) -> list[Path]:
        """The log and those that it was before, the oldest first."""
        older = []
        for number in range(1, OLDEST):
            one = self.path.with_name(f"{self.path.name}.{number}")
            if not one.exists():
                break
            older.append(one)
        return [*reversed(older), *([self.path] if self.path.exists() else [])]

    def _found(self, files: list[Path]) -> int | None:
        for at, file in enumerate(files):
            try:
                facts = file.stat()
            except OSError:
                continue
            if facts.st_ino == self.place.inode and facts.st_size >= self.place.offset:
                return at if _head(file, self.place.known) == self.place.head else None
        return None

    def _begin(self, file: Path) -> None:
        try:
            self.place = Place(file.stat().st_ino, head=_head(file, 0))
        except OSError:
            self.place = Place()

    def _more(self, file: Path) -> bytes:
        place = self.place
        while True:
            data = _part(file, place.offset, BLOCK)
            end = data.rfind(b"\n") + 1
            if place.dropping and data:
                first = data.find(b"\n") + 1
                place.offset += first or len(data)
                place.dropping = not first
                continue
            if not end and len(data) > LONGEST_LINE:
                self.damage.too_long += 1
                place.dropping = True
                place.offset += len(data)
                continue
            place.offset += end
            if place.known < HEAD and end:
                place.known = min(place.offset, HEAD)
                place.head = _head(file, place.known)
            return _without_long(data[:end], self.damage)

    def _rest(self, file: Path) -> bytes:
        """The last line of a log that has turned, though its end is missing."""
        data = _part(file, self.place.offset, LONGEST_LINE)
        return data + b"\n" if data and not self.place.dropping else b""


def _without_long(data: bytes, damage: Damage) -> bytes:
    """The lines but those that are too long."""
    if len(data) <= LONGEST_LINE:
        return data
    lines = data.split(b"\n")
    short = [line for line in lines if len(line) <= LONGEST_LINE]
    damage.too_long += len(lines) - len(short)
    return b"\n".join(short)


def _part(file: Path, offset: int, size: int) -> bytes:
    try:
        number = os.open(file, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.pread(number, size, offset)
    finally:
        os.close(number)


def _head(file: Path, size: int) -> str:
    return hashlib.blake2b(_part(file, 0, size), digest_size=16).hexdigest()
