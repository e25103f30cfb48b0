"""The container of the index's files: a header, and flat arrays after it that are mapped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from longplay.catalogue.mapping import mapped
from longplay.errors import ArchiveError

MAGIC = b"longplay index 1\n"
ALIGNMENT = 64
"""Arrays begin at multiples of this many bytes: a line of the cache."""

MAX_DIRECTORY_BYTES = 1 << 20
"""The directory of a file's arrays is a page of JSON; a longer one is no directory of ours."""

SMALL = 1 << 18
"""Bytes of an array that is read when its file is opened: sooner than page by page."""

Part = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Arrays:
    """An open file: its arrays by name, mapped, and the other facts it was written with."""

    path: Path
    parts: Mapping[str, Part]
    facts: Mapping[str, Any]

    def part(self, name: str, kind: npt.DTypeLike) -> Part:
        """One array. Raises ArchiveError when the file has none of that name and type."""
        found = self.parts.get(name)
        if found is None or found.dtype != np.dtype(kind):
            raise damaged(self.path)
        return found

    def number(self, name: str) -> int:
        """One of the facts. Raises ArchiveError when the file lacks it."""
        found = self.facts.get(name)
        if not isinstance(found, int) or found < 0:
            raise damaged(self.path)
        return found


class Writer:
    """Writes such a file: arrays in any number of pieces, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._directory: dict[str, list[Any]] = {}
        self._file.write(MAGIC + bytes(ALIGNMENT - len(MAGIC)))

    def array(self, name: str, kind: npt.DTypeLike, pieces: Iterable[Part]) -> int:
        """Write an array from its pieces; how many elements it has."""
        at, wanted = self._align(), np.dtype(kind)
        count = 0
        for piece in pieces:
            self._file.write(np.ascontiguousarray(piece, wanted).data)
            count += len(piece)
        self._directory[name] = [wanted.str, at, count]
        return count

    def finish(self, facts: Mapping[str, int]) -> int:
        """Write the directory and close the file; its size in bytes."""
        at = self._align()
        document = {"arrays": self._directory, "facts": dict(facts)}
        text = json.dumps(document, sort_keys=True).encode()
        self._file.write(text)
        self._file.seek(len(MAGIC))
        self._file.write(np.array([at, len(text)], "<u8").tobytes())
        self._file.close()
        return at + len(text)

    def _align(self) -> int:
        at = self._file.tell()
        self._file.write(bytes(-at % ALIGNMENT))
        return at + -at % ALIGNMENT


def _read(file: BinaryIO, begin: int, end: int) -> Part:
    found = np.frombuffer(os.pread(file.fileno(), end - begin, begin), np.uint8)
    if len(found) < end - begin:
        raise ValueError("the file became shorter")
    return found


def damaged(path: Path) -> ArchiveError:
    """The error for a file of the index that is not as it was written."""
    return ArchiveError(
        "an index of the catalogue is missing or damaged",
        where=str(path),
        hint="run `longplay rebuild`",
    )


def rises(values: npt.NDArray[np.int64], to: int, *, start: int = 0) -> bool:
    """Whether numbers ascend from `start` or more to `to`: what offsets must do."""
    if not len(values) or int(values[0]) < start or int(values[-1]) != to:
        return False
    return bool((values[1:] >= values[:-1]).all())


def open_arrays(path: Path, scanned: Sequence[str] = ()) -> Arrays:
    """Map a file; the arrays `scanned` are read from their start to their end when they are.

    Raises ArchiveError when it is missing, cut short or something else.
    """
    try:
        with path.open("rb") as file:
            head = file.read(ALIGNMENT)
            at, length = np.frombuffer(head, "<u8", 2, len(MAGIC)).tolist()
            whole = at + length == path.stat().st_size and length <= MAX_DIRECTORY_BYTES
            if not head.startswith(MAGIC) or not whole:
                raise damaged(path)
            document = json.loads(os.pread(file.fileno(), length, at))
            places = {}
            for name, (kind, begin, count) in document["arrays"].items():
                end = begin + np.dtype(kind).itemsize * count
                if begin % ALIGNMENT or not 0 <= begin <= end <= at:
                    raise damaged(path)
                places[name] = (kind, begin, end)
            content = mapped(path, [places[name][1:] for name in scanned if name in places])
            parts = {}
            for name, (kind, begin, end) in places.items():
                small = end - begin <= SMALL
                source = _read(file, begin, end) if small else content[begin:end]
                parts[name] = source.view(kind)
        return Arrays(path, parts, document["facts"])
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        SyntaxError,
    ) as error:
        raise damaged(path) from error
