"""The v1 half of a hybrid's info dictionary: the list of files with padding between them.

BEP 3 (files, pieces) and BEP 47 (padding: `attr` p, path `.pad/LENGTH`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

DIGEST = 20
"""Bytes of a SHA-1 digest."""

Count = TypeVar("Count", int, NDArray[np.int64])


def pieces_of(size: Count, piece_length: Count) -> Count:
    """How many pieces a file takes when it begins one."""
    return -(-size // piece_length)


def padding_of(size: Count, piece_length: Count) -> Count:
    """Bytes of padding after a file that another one follows."""
    return -size % piece_length


def last_with_bytes(sizes: Sequence[int]) -> int:
    """Index of the file after which nothing needs an aligned start; -1 where all are empty."""
    return next((index for index in range(len(sizes) - 1, -1, -1) if sizes[index]), -1)


def padding_total(sizes: Sequence[int], piece_length: int) -> int:
    """Bytes of padding in the v1 view of files of these sizes, in this order."""
    last = last_with_bytes(sizes)
    return sum(padding_of(size, piece_length) for size in sizes[: max(last, 0)])


def entries(paths: Sequence[bytes], sizes: Sequence[int], piece_length: int) -> bytes:
    """The bencoded items of `files`. Paths have their components joined by `/`.

    Padding stands before the next file that has bytes; there is none at the end.
    """
    parts: list[bytes] = []
    folder, folders = b"", b""
    padding = 0
    for path, size in zip(paths, sizes, strict=True):
        above, _, name = path.rpartition(b"/")
        if above != folder:
            folder = above
            parents = above.split(b"/") if above else []
            folders = b"".join([b"%d:%b" % (len(part), part) for part in parents])
        if size and padding:
            digits = b"%d" % padding
            parts.append(
                b"d4:attr1:p6:lengthi%be4:pathl4:.pad%d:%bee" % (digits, len(digits), digits)
            )
        parts.append(b"d6:lengthi%de4:pathl%b%d:%bee" % (size, folders, len(name), name))
        if size:
            padding = -size % piece_length
    return b"".join(parts)


def entry_bytes(
    path_bytes: NDArray[np.int64], sizes: NDArray[np.int64], piece_lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Bytes that each file's entry and its pieces take, without its padding's entry.

    `path_bytes` is the length of the path's components, each bencoded.
    """
    fixed = len(b"d6:lengthie4:pathlee")
    return fixed + digits_of(sizes) + path_bytes + DIGEST * pieces_of(sizes, piece_lengths)


def pad_bytes(sizes: NDArray[np.int64], piece_lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes that the entry of each file's padding takes; 0 where the file needs none."""
    padding = padding_of(sizes, piece_lengths)
    digits = digits_of(padding)
    fixed = len(b"d4:attr1:p6:lengthie4:pathl4:.pad:ee")
    return np.where(padding > 0, fixed + 2 * digits + digits_of(digits), 0)


def digits_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many decimal digits each number has that is not negative."""
    limits = 10 ** np.arange(1, 19, dtype=np.int64)
    return np.searchsorted(limits, numbers, side="right").astype(np.int64) + 1
