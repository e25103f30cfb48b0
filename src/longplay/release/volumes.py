"""Cutting what is new into volumes: one size class each, no .torrent past its limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from longplay.torrent.hybrid import FIXED_BYTES, entry_bytes

TORRENT_BYTES = 10 * 2**20
"""Largest .torrent: trackers and clients refuse larger ones."""


def divide(
    path_bytes: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], piece_lengths: Sequence[int]
) -> npt.NDArray[np.int64]:
    """The volume, counted from 0, of each object; objects are given most listened-to first.

    Size classes are kept apart, each in the order given; volumes are numbered by their first
    object, so that the first volume begins with what is listened to most.
    """
    lengths = np.asarray(piece_lengths, np.int64)
    pieces = -(-sizes // lengths)
    # The same bound as `entry_bytes`, over columns.
    bounds = (
        2 * (path_bytes + 3 * 8) + 180 + 20 * pieces + np.where(pieces > 1, 32 * pieces + 48, 0)
    )
    volume = np.full(len(sizes), -1, np.int64)
    firsts: list[tuple[int, npt.NDArray[np.int64]]] = []
    for length in np.unique(lengths):
        members = np.flatnonzero(lengths == length)
        ends = np.cumsum(bounds[members])
        start = 0
        while start < len(members):
            base = ends[start] - bounds[members[start]]
            stop = int(np.searchsorted(ends, base + TORRENT_BYTES - FIXED_BYTES, side="right"))
            stop = max(stop, start + 1)
            firsts.append((int(members[start]), members[start:stop]))
            start = stop
    for number, (_, members) in enumerate(sorted(firsts, key=lambda row: row[0])):
        volume[members] = number
    return volume


def fits(path_bytes: int, size: int, piece_length: int) -> bool:
    """Whether one object alone keeps a .torrent within its limit."""
    return entry_bytes(path_bytes, 3, size, piece_length) + FIXED_BYTES <= TORRENT_BYTES
