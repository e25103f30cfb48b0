"""Exact look-up: which rows of a layer have an id, an ISRC, an MBID, a UPC or a name.

A derived file for each kind. Hashes are not stored: their leading bits say in which bucket an entry
lies, the next eight are its mark, and whoever asks compares the rows it is given (of 256 marks one
is right by chance).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longplay.catalogue import mapping
from longplay.catalogue.compiled import compiled
from longplay.catalogue.keys import Hashes
from longplay.catalogue.numbering import Documents
from longplay.errors import ArchiveError

MAGIC = b"longplay lookup 2\0\0\0\0\0\0\0"
HEADER = np.dtype([("magic", "S24"), ("entries", "<u8"), ("bits", "<u8")])

BUCKET_ENTRIES = 32
"""Entries in a bucket on average: one page fault finds them; their marks are compared at once."""

BLOCK = 1 << 22
"""Entries that are written at once."""


def bucket_bits(entries: int) -> int:
    """How many leading bits of a hash say its bucket."""
    return max(0, (max(entries, 1) // BUCKET_ENTRIES).bit_length() - 1)


def write(path: Path, entries: int, blocks: Iterable[tuple[Hashes, Documents]]) -> None:
    """Write a look-up file of `entries` entries, that come in blocks in order of their hashes."""
    bits = bucket_bits(entries)
    header = np.array([(MAGIC, entries, bits)], HEADER)
    marks_at = HEADER.itemsize + 4 * ((1 << bits) + 1)
    documents_at = marks_at + -(-entries // 4) * 4
    counts = np.zeros((1 << bits) + 1, np.uint32)
    done = 0
    with path.open("wb") as file:
        file.write(header.tobytes())
        for hashes, documents in blocks:
            buckets = hashes >> np.uint64(64 - bits) if bits else np.zeros_like(hashes)
            counts[1:] += np.bincount(buckets.astype(np.int64), minlength=1 << bits).astype(
                np.uint32
            )
            marks = (hashes >> np.uint64(56 - bits) & np.uint64(255)).astype(np.uint8)
            file.seek(marks_at + done)
            file.write(marks.data)
            file.seek(documents_at + 4 * done)
            file.write(np.ascontiguousarray(documents, np.uint32).data)
            done += len(hashes)
        file.truncate(documents_at + 4 * entries)
        file.seek(HEADER.itemsize)
        file.write(np.cumsum(counts, dtype=np.uint32).data)
    if done != entries:
        raise ValueError(f"{path.name}: {done} entries of {entries}")


@dataclass(frozen=True, slots=True)
class Lookup:
    """An open look-up file, mapped into memory."""

    starts: Documents
    marks: npt.NDArray[np.uint8]
    documents: Documents
    bits: int

    @classmethod
    def open(cls, path: Path) -> Lookup:
        """Map a file. Raises ArchiveError when it is missing or damaged."""
        try:
            content = mapping.mapped(path)
            header = content[: HEADER.itemsize].view(HEADER)[0]
            entries, bits = int(header["entries"]), int(header["bits"])
            sound = header["magic"] == MAGIC.rstrip(b"\0") and bits == bucket_bits(entries)
            if not sound or entries > len(content):
                raise ValueError(path.name)
            marks_at = HEADER.itemsize + 4 * ((1 << bits) + 1)
            documents_at = marks_at + -(-entries // 4) * 4
            if len(content) != documents_at + 4 * entries:
                raise ValueError(path.name)
            starts = content[HEADER.itemsize : marks_at].view(np.uint32)
            if int(starts[-1]) != entries:
                raise ValueError(path.name)
        except (OSError, ValueError, IndexError, OverflowError) as error:
            raise ArchiveError(
                "an index of the catalogue is missing or damaged",
                where=str(path),
                hint="run `longplay rebuild`",
            ) from error
        return cls(
            starts,
            content[marks_at : marks_at + entries],
            content[documents_at:].view(np.uint32),
            bits,
        )

    def find(self, hashes: Hashes) -> tuple[npt.NDArray[np.int64], Documents]:
        """Rows that may have these hashes: for each the place in `hashes`, and the row."""
        return _find(hashes, self.starts, self.marks, self.documents, self.bits)


@compiled
def _find(
    hashes: Hashes,
    starts: Documents,
    marks: npt.NDArray[np.uint8],
    documents: Documents,
    bits: int,
) -> tuple[npt.NDArray[np.int64], Documents]:
    size, room = 0, 16 + 2 * len(hashes)
    places = np.empty(room, np.int64)
    found = np.empty(room, np.uint32)
    for place in range(len(hashes)):
        bucket = np.int64(hashes[place] >> np.uint64(64 - bits)) if bits else 0
        mark = np.uint8(hashes[place] >> np.uint64(56 - bits) & np.uint64(255))
        # Whatever a damaged file says, nothing outside of it is read.
        for entry in range(starts[bucket], min(starts[bucket + 1], len(marks))):
            if marks[entry] != mark:
                continue
            if size == room:
                places = np.concatenate((places, np.empty(room, np.int64)))
                found = np.concatenate((found, np.empty(room, np.uint32)))
                room *= 2
            places[size], found[size] = place, documents[entry]
            size += 1
    return places[:size], found[:size]
