"""BEP 52 merkle trees, and one hasher for all digests of an object in one pass over its bytes.

A tree's leaves are the SHA-256 of each 16 KiB block (the last block as short as it is); leaves that
are missing to a power of two are 32 zero bytes; a parent is the SHA-256 of its two children. Leaves
and parents are hashed alike, so a root proves nothing without the size beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from longplay.errors import InputError
from longplay.model import BLOCK, ObjectHashes

DIGEST = 32
"""Bytes of a SHA-256 digest."""

EMPTY_ROOT = bytes(DIGEST)
"""Root of an object without bytes: BEP 52 gives empty files no root; ours is its padding leaf."""

SLICE = 256 * 1024
"""Bytes that all three functions hash before the next slice: they stay in the CPU's cache."""


class ObjectHasher:
    """Computes all digests of one object while its bytes go by, in chunks of any length.

    `piece_length` is that of the object's size class: a power of two, at least 16 KiB.
    """

    def __init__(self, piece_length: int) -> None:
        if piece_length < BLOCK or piece_length & (piece_length - 1):
            raise InputError(f"{piece_length} is no piece length", hint="a power of two from 16384")
        self.piece_length = piece_length
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._block = hashlib.sha256()
        self._piece = hashlib.sha1(usedforsecurity=False)
        self._leaves = bytearray()
        self._pieces = bytearray()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the object."""
        view = memoryview(data).cast("B")
        while view:
            room = self.piece_length - self._size % self.piece_length
            part = view[: min(SLICE, room)]
            self._sha256.update(part)
            self._piece.update(part)
            self._take_blocks(part)
            self._size += len(part)
            if len(part) == room:
                self._pieces += self._piece.digest()
                self._piece = hashlib.sha1(usedforsecurity=False)
            view = view[len(part) :]

    def _take_blocks(self, part: memoryview) -> None:
        begun = self._size % BLOCK
        at = 0
        if begun:
            at = min(BLOCK - begun, len(part))
            self._block.update(part[:at])
            if begun + at == BLOCK:
                self._leaves += self._block.digest()
                self._block = hashlib.sha256()
        whole = len(part) - (len(part) - at) % BLOCK
        for start in range(at, whole, BLOCK):
            self._leaves += hashlib.sha256(part[start : start + BLOCK]).digest()
        if whole < len(part):
            self._block.update(part[whole:])

    def finish(self, piece_length_for: Callable[[int], int] | None = None) -> ObjectHashes:
        """The digests of all bytes taken; the hasher cannot be used afterwards.

        With `piece_length_for` (the archive's table), raises InputError when the size turned out
        to be of another class than the piece length given at the start.
        """
        if piece_length_for is not None and piece_length_for(self._size) != self.piece_length:
            raise InputError(
                f"has {self._size} bytes, too many or too few for {self.piece_length}-byte pieces",
                hint="it changed while it was read: read it again",
            )
        if self._size % BLOCK:
            self._leaves += self._block.digest()
        leaves = bytes(self._leaves)
        pieces, bare = self._v1()
        return ObjectHashes(
            root_of(leaves, self._size),
            self._size,
            self._sha256.digest(),
            leaves,
            self.piece_length,
            piece_layer(leaves, self.piece_length),
            pieces,
            bare,
        )

    def _v1(self) -> tuple[bytes, bytes]:
        """All v1 pieces with BEP 47 padding after the object, and its last piece without."""
        begun = self._size % self.piece_length
        if not begun:
            return bytes(self._pieces), bytes(self._pieces[-20:])
        bare = self._piece.digest()
        self._piece.update(bytes(self.piece_length - begun))
        return bytes(self._pieces) + self._piece.digest(), bare


def blocks_of(size: int) -> int:
    """How many 16 KiB blocks, the last perhaps short, hold `size` bytes."""
    return -(-size // BLOCK)


def depth_of(size: int) -> int:
    """Levels between the leaves and the root of an object of `size` bytes."""
    return max(blocks_of(size) - 1, 0).bit_length()


def root_of(leaves: bytes, size: int) -> bytes:
    """The root over concatenated leaves. Raises InputError when they cannot be those of `size`."""
    if len(leaves) != blocks_of(size) * DIGEST:
        raise InputError(f"{len(leaves)} bytes of leaves do not belong to {size} bytes")
    return _levels(leaves, depth_of(size))[-1] if leaves else EMPTY_ROOT


def piece_layer(leaves: bytes, piece_length: int) -> bytes:
    """The layer that has one hash a piece, as `piece layers` of BEP 52 carries it: without the
    hashes that lie wholly beyond the object, and empty where one piece holds the object."""
    per_piece = piece_length // BLOCK
    if len(leaves) <= per_piece * DIGEST:
        return b""
    return _levels(leaves, per_piece.bit_length() - 1)[-1]


def root_of_layer(layer: bytes, piece_length: int) -> bytes:
    """The root over a piece layer, as a reader of `piece layers` checks it."""
    height = (piece_length // BLOCK).bit_length() - 1
    count = len(layer) // DIGEST
    return _levels(layer, max(count - 1, 0).bit_length(), height)[-1]


def proof(leaves: bytes, index: int) -> tuple[bytes, ...]:
    """The hashes beside the way from leaf `index` up to the root, lowest first.

    Raises InputError when there is no such leaf.
    """
    count = len(leaves) // DIGEST
    if not 0 <= index < count:
        raise InputError(f"there is no leaf {index}: the object has {count}")
    found = []
    levels = _levels(leaves, (count - 1).bit_length())
    for height, level in enumerate(levels[:-1]):
        at = ((index >> height) ^ 1) * DIGEST
        found.append(level[at : at + DIGEST] or _PADDING[height])
    return tuple(found)


def verify_proof(root: bytes, size: int, index: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Whether `leaf` is the hash of block `index` of the object (root, size).

    The path must be exactly as long as the tree of `size` bytes is deep: else an inner node could
    be passed off as a leaf.
    """
    if not 0 <= index < blocks_of(size) or len(path) != depth_of(size):
        return False
    if len(leaf) != DIGEST or any(len(beside) != DIGEST for beside in path):
        return False
    node = leaf
    for height, beside in enumerate(path):
        pair = beside + node if index >> height & 1 else node + beside
        node = hashlib.sha256(pair).digest()
    return node == root


def damaged_blocks(expected: bytes, found: bytes) -> list[int]:
    """Indexes of the blocks whose leaves differ, or that only one of the two has."""
    if expected == found:
        return []
    count = max(len(expected), len(found)) // DIGEST
    spans = (slice(index * DIGEST, (index + 1) * DIGEST) for index in range(count))
    return [index for index, span in enumerate(spans) if expected[span] != found[span]]


def _paddings() -> tuple[bytes, ...]:
    nodes = [bytes(DIGEST)]
    while len(nodes) < 64:  # deeper than any size that fits 64 bits
        nodes.append(hashlib.sha256(nodes[-1] * 2).digest())
    return tuple(nodes)


_PADDING = _paddings()
"""By height, the node over nothing but padding leaves."""


def _levels(nodes: bytes, more: int, height: int = 0) -> list[bytes]:
    """The nodes of one level, which stands at `height`, and of `more` levels above it; without
    the nodes over padding alone."""
    sha256 = hashlib.sha256
    levels = [nodes]
    for padding in _PADDING[height : height + more]:
        below = levels[-1]
        if len(below) % (2 * DIGEST):
            below += padding
        pairs = range(0, len(below), 2 * DIGEST)
        levels.append(b"".join([sha256(below[at : at + 2 * DIGEST]).digest() for at in pairs]))
    return levels
