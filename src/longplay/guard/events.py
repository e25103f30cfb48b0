"""What one line of an access log says, in the shape that all detectors read.

Accounts, tracks and addresses are 64-bit hashes under a key drawn from the log itself: whoever
picks account names to collide with somebody else's would have to know the log.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Events = npt.NDArray[np.void]
"""Rows of `EVENT`."""


class Action(IntEnum):
    """What an account did. Play, skip and download take sound; search and browse only look."""

    PLAY = 0
    SKIP = 1
    DOWNLOAD = 2
    SEARCH = 3
    BROWSE = 4


UNKNOWN = -1
"""Bytes, seconds listened, or a track's number that the log does not tell."""

UNTOLD, MARKED, UNMARKED = 0, 1, 2
"""Whether the part of a track that a line is has the track's mark (`reading.parts`), where the log
tells parts."""

EVENT = np.dtype(
    [
        ("account", np.uint64),
        ("track", np.uint64),
        ("address", np.uint64),
        ("time", np.int64),  # seconds since 1970
        ("number", np.int64),  # the track's place in an order: the number that its id ends with
        ("bytes", np.int64),
        ("listened", np.int32),  # seconds
        ("action", np.uint8),
        ("mark", np.uint8),
    ]
)


def key_of(first_bytes: bytes) -> int:
    """The key under which a log's names are hashed, from how the log begins."""
    return int.from_bytes(hashlib.blake2b(first_bytes, digest_size=8).digest(), "little")
