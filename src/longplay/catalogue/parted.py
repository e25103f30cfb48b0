"""Records on disk, cut into parts by the leading bits of a number that each has, so that a part is
sorted and compared in memory whatever there is of all.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from longplay.catalogue.keys import Hashes

BITS = 6
"""64 parts: of 256 M records one part has 4 M, some 64 to 112 MB."""

ONE_PART = 1 << 22
"""So many records need no parts."""

Records = npt.NDArray[Any]


def bits_for(records: int) -> int:
    """Into how many parts (as a power of two) so many records are cut."""
    return 0 if records <= ONE_PART else BITS


class Parted:
    """Records of one type in files `name-000` and so on below `folder`, one for each part.

    A part's file is made when something is put into it. Several threads may add; whoever reads has
    added everything.
    """

    def __init__(self, folder: Path, name: str, kind: np.dtype[Any], bits: int = BITS) -> None:
        self.bits = bits
        self._kind = kind
        self._paths = [folder / f"{name}-{part:03d}" for part in range(1 << bits)]
        self._files: dict[int, BinaryIO] = {}
        self._opening = Lock()

    def __len__(self) -> int:
        return 1 << self.bits

    def add(self, records: Records, hashes: Hashes) -> None:
        """Add records; the leading bits of their `hashes` say in which part each is."""
        if not self.bits:
            self._file(0).write(np.ascontiguousarray(records).data)
            return
        part = (hashes >> np.uint64(64 - self.bits)).astype(np.uint8)
        ordered = records[np.argsort(part, kind="stable")]
        counts = np.bincount(part, minlength=len(self))
        ends = np.cumsum(counts)
        for place in np.flatnonzero(counts).tolist():
            self._file(place).write(ordered[ends[place] - counts[place] : ends[place]].data)

    def _file(self, part: int) -> BinaryIO:
        with self._opening:
            if part not in self._files:
                self._files[part] = self._paths[part].open("wb")
            return self._files[part]

    def part(self, number: int) -> Records:
        """The records of a part, in no order."""
        if number not in self._files:
            return np.empty(0, self._kind)
        self._files[number].close()
        return np.fromfile(self._paths[number], self._kind)

    def count(self) -> int:
        """How many records there are."""
        for file in self._files.values():
            file.close()
        size = sum(self._paths[part].stat().st_size for part in self._files)
        return size // self._kind.itemsize

    def close(self) -> None:
        """Remove the files."""
        for part, file in self._files.items():
            file.close()
            self._paths[part].unlink(missing_ok=True)
        self._files = {}
