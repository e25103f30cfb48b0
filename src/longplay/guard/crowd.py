"""How many accounts take a track, for all tracks at once, in 128 MB: a count-min sketch (Cormode
and Muthukrishnan 2005) whose cells count accounts and not plays, as each remembers the account that
it last counted. It may count too many where tracks share both their cells, never too few.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, inlined, whole
from longplay.guard.state import is_taken

CELLS = 1 << 24
"""Cells of each of the two rows."""

Sketch = npt.NDArray[np.uint32]
"""Two rows of cells: the lower half counts, the upper half is of the account counted last."""


def empty(cells: int = CELLS) -> Sketch:
    """A sketch that has seen nothing; `cells` is a power of two."""
    return np.zeros((2, cells), np.uint32)


@inlined
def place(sketch: Sketch, row: int, track: np.uint64) -> np.uint64:
    """The cell of a track. Only the upper half of its hash counts: samples keep no more."""
    high = track >> np.uint64(32)
    if row:
        high = (high * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
    return high & np.uint64(sketch.shape[1] - 1)


@inlined
def tag_of(account: np.uint64) -> np.uint32:
    """What a cell remembers of an account."""
    return np.uint32((account >> np.uint64(16)) & np.uint64(0xFFFF)) | np.uint32(1)


@compiled
def count_in(sketch: Sketch, events: Any) -> None:
    """Count what these events take."""
    for at in range(len(events)):
        if is_taken(events[at]):
            meet(sketch, events[at].track, events[at].account)


@compiled
def meet(sketch: Sketch, track: np.uint64, account: np.uint64) -> None:
    """Count an account for a track, unless it is the one that was counted last."""
    tag = tag_of(account)
    for row in range(2):
        cell = place(sketch, row, track)
        value = sketch[row, cell]
        count = value & np.uint32(0xFFFF)
        if value >> np.uint32(16) != tag and count < np.uint32(0xFFFF):
            sketch[row, cell] = (tag << np.uint32(16)) | (count + np.uint32(1))


@compiled
def others_of(sketch: Sketch, events: Any) -> npt.NDArray[np.int64]:
    """For each event how many accounts take its track, beside the one that does."""
    found = np.empty(len(events), np.int64)
    for at in range(len(events)):
        one = whole(sketch[0, place(sketch, 0, events[at].track)] & np.uint32(0xFFFF))
        two = whole(sketch[1, place(sketch, 1, events[at].track)] & np.uint32(0xFFFF))
        found[at] = max(min(one, two) - 1, 0)
    return found
