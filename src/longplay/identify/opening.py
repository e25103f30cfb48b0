"""What a shard says of itself, and whether it can be so.

The compiled readers of a shard trust what is checked here: a section lies inside of the file and
is as long as the counts say, and every hash has its buckets. Rot inside of a bucket they find
themselves. Opening reads some numbers of each object; it does not read the directory, postings,
landmarks or fingerprints, and no digest.
Format: docs/formats/fingerprint-index.md
"""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from longplay.audio.landmarks import METHOD
from longplay.errors import StoreError
from longplay.identify.coding import PADDING
from longplay.identify.hashing import HASH_BITS

MAGIC = b"LPFPIDX1"
ALIGNED = 64
VERSION = 3
READ = (2, VERSION)
"""Versions that are read; the second has landmarks only."""

MAX_HEADER = 2**20

GAP = 256
"""Places between two recordings: more than any question reaches out of one."""

WHOLE = "whole"
"""The folder, in that of the index, of the index of whole tracks."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A shard's header."""

    version: int
    decoder: str
    prints: bool
    objects: int
    postings: int
    width: int
    place_bits: int
    buckets: int
    sections: dict[str, tuple[int, int]]


class Sections(Protocol):
    """What `check` looks at of a shard; Shard in `identify.shard` says what it is."""

    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    directory: NDArray[np.uint32]
    mark_starts: NDArray[np.int64]
    marks: NDArray[np.uint16]
    print_starts: NDArray[np.int64]
    prints: NDArray[np.uint32]


def facts(data: mmap.mmap, path: Path) -> Facts:
    """The header of a shard. Raises StoreError."""
    if data[: len(MAGIC)] != MAGIC or len(data) < len(MAGIC) + 4:
        raise broken(path, "is no shard of a fingerprint index")
    (length,) = struct.unpack("<I", data[len(MAGIC) : len(MAGIC) + 4])
    try:
        said = json.loads(data[len(MAGIC) + 4 : len(MAGIC) + 4 + min(length, MAX_HEADER)])
        if said["version"] not in READ or said["method"] != METHOD:
            raise StoreError(
                "was made by another version of Longplay",
                where=str(path),
                hint=f"install that version, or run `{remake(path)}`",
            )
        return _facts(said)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise broken(path, "its header cannot be read") from error


def _facts(said: dict[str, Any]) -> Facts:
    found = Facts(
        version=_number(said["version"]),
        decoder=str(said["decoder"]),
        prints=said["version"] == VERSION and bool(said["prints"]),
        objects=_number(said["objects"]),
        postings=_number(said["postings"]),
        width=_number(said["width"]),
        place_bits=_number(said["place_bits"]),
        buckets=_number(said["buckets"]),
        sections={
            name: (_number(start), _number(length))
            for name, (start, length) in dict(said["sections"]).items()
        },
    )
    leading = HASH_BITS + found.place_bits - found.width
    if not (found.objects and 0 < found.width < 64 and 0 < found.place_bits < 64 - HASH_BITS):
        raise ValueError("numbers that no shard has")
    if not 0 < leading <= 32 or found.buckets != 1 << leading:
        raise ValueError("hashes without buckets")
    for name, length in _lengths(found).items():
        if found.sections[name][1] != length:
            raise ValueError(f"{name} of another length than counts say")
    return found


def _lengths(one: Facts) -> dict[str, int]:
    """The bytes of sections, of which the header says how many there must be."""
    lengths = {
        "roots": 32 * one.objects,
        "sizes": 8 * one.objects,
        "starts": 8 * (one.objects + 1),
        "mark_starts": 8 * (one.objects + 1),
        "directory": 4 * (one.buckets + 1),
    }
    if one.version == VERSION:
        lengths["print_starts"] = 8 * (one.objects + 1)
    return lengths


def _number(said: object) -> int:
    if type(said) is not int or said < 0:
        raise ValueError("no number")
    return said


def section(data: mmap.mmap, path: Path, one: Facts, name: str, form: Any) -> NDArray[Any]:
    """A view of a section. Raises StoreError where it is not inside of the file."""
    if name not in one.sections:
        raise broken(path, f"it has no {name}")
    start, length = one.sections[name]
    if start + length > len(data):
        raise broken(path, "is shorter than it says")
    if start % ALIGNED or length % np.dtype(form).itemsize:
        raise broken(path, "its sections do not fit each other")
    return np.frombuffer(data, form, length // np.dtype(form).itemsize, start)


def check(shard: Sections, one: Facts, path: Path) -> None:
    """Raise StoreError where sections do not fit each other."""
    data = one.sections["data"][1]
    end = int(shard.directory[-1])
    fits = (
        (shard.sizes >= 0).all()
        and _rises(shard.starts, 0, int(shard.starts[-1]))
        and (np.diff(shard.starts) >= GAP).all()
        and place_bits(shard.starts) == one.place_bits
        and _rises(shard.mark_starts, 0, len(shard.marks))
        and _rises(shard.print_starts, 0, len(shard.prints))
        and shard.directory[0] == 0
        and end + -end % 8 + PADDING == data
        and one.postings <= 8 * end  # each takes one bit at least
    )
    if not fits:
        raise broken(path, "its sections do not fit each other")


def _rises(values: NDArray[np.int64], first: int, last: int) -> bool:
    """Whether numbers go from `first` to `last` and never fall."""
    ends = int(values[0]) == first and int(values[-1]) == last
    return ends and bool((values[:-1] <= values[1:]).all())


def place_bits(starts: NDArray[np.int64]) -> int:
    """Bits that a place takes on a line on which objects begin there."""
    return max(1, int(starts[-1]).bit_length())


def remake(path: Path) -> str:
    """The command that makes the index anew that a file is of."""
    whole = "--whole " if path.parent.name == WHOLE else ""
    return f"longplay fingerprint update {whole}--anew"


def broken(path: Path, why: str) -> StoreError:
    """The error that a file is no shard that can be read."""
    return StoreError(
        f"is not a whole shard: {why}",
        where=str(path),
        hint=f"make the index anew with `{remake(path)}`",
    )
