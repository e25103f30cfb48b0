"""Files mapped into memory: pages are fetched where they are asked for."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt


def mapped(path: Path, scanned: Iterable[tuple[int, int]] = ()) -> npt.NDArray[np.uint8]:
    """The bytes of a file, read-only, of which a few here and there are wanted.

    What the system reads ahead of each page, on some machines megabytes, would be in vain; but not
    in the ranges `scanned` (first byte and end), which are read from their start to their end.
    Raises OSError, and ValueError for an empty file.
    """
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_RANDOM"):
        pages.madvise(mmap.MADV_RANDOM)
        for begin, end in scanned:
            first = begin // mmap.PAGESIZE * mmap.PAGESIZE
            if end > first:
                pages.madvise(mmap.MADV_SEQUENTIAL, first, end - first)
    return np.frombuffer(pages, np.uint8)
