"""The v2 half of a hybrid: file tree, and piece layers beside the info dictionary, by BEP 52."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from longplay.errors import TorrentError
from longplay.torrent.merkle import DIGEST
from longplay.torrent.v1 import digits_of, pieces_of


def tree_key(path: bytes) -> bytes:
    """What sorts paths as the tree has them: by component, not by byte of the joined path."""
    return path.replace(b"/", b"\x00")


def tree(paths: Sequence[bytes], sizes: Sequence[int], roots: Sequence[bytes]) -> bytes:
    """The bencoded `file tree` of files in the order of `tree_key`.

    Raises TorrentError when they are out of order, one stands twice or is a file and a folder.
    """
    parts = [b"d"]
    folder: list[bytes] = []
    joined = previous = b""
    for path, size, root in zip(paths, sizes, roots, strict=True):
        previous = _following(previous, path)
        above, _, name = path.rpartition(b"/")
        if above != joined:
            joined = above
            folder = _enter(parts, folder, above.split(b"/") if above else [])
        pieces_root = b"11:pieces root32:%b" % root if size else b""
        parts.append(b"%d:%bd0:d6:lengthi%de%bee" % (len(name), name, size, pieces_root))
    parts.append(b"e" * (len(folder) + 1))
    return b"".join(parts)


def _following(previous: bytes, path: bytes) -> bytes:
    """The path's key, which must follow the previous one and not lie in a folder of that name."""
    key = tree_key(path)
    if key <= previous or (previous and key.startswith(previous + b"\x00")):
        raise TorrentError(
            "stands twice, is a file and a folder, or is out of order",
            where=path.decode(errors="replace"),
        )
    return key


def _enter(parts: list[bytes], folder: list[bytes], target: list[bytes]) -> list[bytes]:
    """Close and open folders on the way from one to another."""
    shared = 0
    while shared < min(len(folder), len(target)) and folder[shared] == target[shared]:
        shared += 1
    parts.append(b"e" * (len(folder) - shared))
    parts += [b"%d:%bd" % (len(name), name) for name in target[shared:]]
    return target


def layers(
    sizes: Sequence[int], roots: Sequence[bytes], found: memoryview, piece_length: int
) -> list[bytes | memoryview]:
    """The bencoded `piece layers`, in parts. `found` has the layers of the files that have one
    (those larger than a piece), in the order of the files."""
    spans: list[tuple[bytes, int, int]] = []
    at = 0
    for size, root in zip(sizes, roots, strict=True):
        if size > piece_length:
            length = DIGEST * pieces_of(size, piece_length)
            spans.append((root, at, length))
            at += length
    if at != len(found):
        raise TorrentError(f"{len(found)} bytes of piece layers, where the sizes ask for {at}")
    parts: list[bytes | memoryview] = [b"d"]
    for root, start, length in sorted(spans):
        parts += [b"32:%b%d:" % (root, length), found[start : start + length]]
    return [*parts, b"e"]


def entry_bytes(
    name_bytes: NDArray[np.int64], sizes: NDArray[np.int64], piece_lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Bytes that each file takes in the tree and among the layers, without its folders.

    `name_bytes` is the length of the file's own name, bencoded.
    """
    pieces = pieces_of(sizes, piece_lengths)
    root = np.where(sizes > 0, len(b"11:pieces root32:") + DIGEST, 0)
    layer = len(b"32::") + DIGEST + digits_of(DIGEST * pieces) + DIGEST * pieces
    fixed = len(b"d0:d6:lengthieee")
    return fixed + name_bytes + digits_of(sizes) + root + np.where(pieces > 1, layer, 0)


FOLDER_BYTES = len(b"de")
"""Bytes that a folder takes in the tree, beside its bencoded name."""
