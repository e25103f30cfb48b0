"""One pass over an object gives all its digests, however the bytes are cut into chunks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.errors import InputError
from longplay.model import BLOCK, ObjectHashes
from longplay.torrent import merkle
from longplay.torrent.merkle import ObjectHasher

PIECE = 4 * BLOCK

edges = st.builds(
    lambda unit, count, off: max(0, unit * count + off),
    st.sampled_from([BLOCK, PIECE, 256 * 1024]),
    st.integers(0, 5),
    st.integers(-1, 1),
)


def content(size: int) -> bytes:
    """Bytes in which no two blocks are alike."""
    return hashlib.shake_128(size.to_bytes(8, "big")).digest(size)


def hashed(data: bytes, piece_length: int = PIECE, chunk: int = 1 << 20) -> ObjectHashes:
    hasher = ObjectHasher(piece_length)
    for at in range(0, len(data), chunk):
        hasher.update(data[at : at + chunk])
    return hasher.finish()


def plain(data: bytes, piece_length: int) -> ObjectHashes:
    """The same digests, written down from the definitions with the whole object at hand."""

    def sha256(piece: bytes) -> bytes:
        return hashlib.sha256(piece).digest()

    leaves = [sha256(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK)]
    width = 1
    while width < len(leaves):
        width *= 2
    level = leaves + [bytes(32)] * (width - len(leaves))
    layer: list[bytes] = []
    spanned = BLOCK
    while len(level) > 1:
        level = [sha256(level[at] + level[at + 1]) for at in range(0, len(level), 2)]
        spanned *= 2
        if spanned == piece_length and len(data) > piece_length:
            layer = level[: -(-len(data) // piece_length)]
    if piece_length == BLOCK and len(data) > BLOCK:
        layer = leaves
    pieces = [data[at : at + piece_length] for at in range(0, len(data), piece_length)]
    padded = [piece + bytes(piece_length - len(piece)) for piece in pieces]
    return ObjectHashes(
        level[0] if level else bytes(32),
        len(data),
        sha256(data),
        b"".join(leaves),
        piece_length,
        b"".join(layer),
        b"".join(hashlib.sha1(piece).digest() for piece in padded),
        hashlib.sha1(pieces[-1]).digest() if pieces else b"",
    )


@settings(deadline=None)
@given(edges, st.sampled_from([BLOCK, PIECE, 256 * 1024]))
def test_digests_are_those_of_the_definitions(size: int, piece_length: int) -> None:
    assert hashed(content(size), piece_length) == plain(content(size), piece_length)


@settings(deadline=None)
@given(edges, st.lists(edges.filter(bool), min_size=1, max_size=6))
def test_the_cutting_into_chunks_does_not_matter(size: int, chunks: list[int]) -> None:
    data, hasher, at, turn = content(size), ObjectHasher(PIECE), 0, 0
    while at < size:
        length = chunks[turn % len(chunks)]
        hasher.update(memoryview(data)[at : at + length])
        at, turn = at + length, turn + 1
    assert hasher.finish() == hashed(data)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_tiny_chunks(chunk: int) -> None:
    data = content(BLOCK + 3)
    assert hashed(data, chunk=chunk) == plain(data, PIECE)


@pytest.mark.parametrize("size", [1, BLOCK, BLOCK + 1, PIECE, PIECE + 1, 9 * PIECE - 1])
def test_roots_layers_and_pieces_are_those_of_libtorrent(tmp_path: Path, size: int) -> None:
    data = content(size)
    (tmp_path / "one").write_bytes(data)
    torrent = lt.create_torrent([lt.create_file_entry("one", size)], piece_size=PIECE)
    lt.set_piece_hashes(torrent, str(tmp_path))
    made: Any = torrent.generate()
    found = hashed(data)
    assert made[b"info"][b"file tree"][b"one"][b""][b"pieces root"] == found.root
    assert made[b"piece layers"].get(found.root, b"") == found.piece_layer
    assert made[b"info"][b"pieces"] == found.v1_pieces[:-20] + found.v1_last_bare


def test_every_leaf_is_proved_and_nothing_else_is() -> None:
    for size in (1, BLOCK, 2 * BLOCK + 1, 5 * BLOCK, 8 * BLOCK):
        found = hashed(content(size))
        for index in range(merkle.blocks_of(size)):
            leaf = found.leaves[index * 32 : index * 32 + 32]
            path = merkle.proof(found.leaves, index)
            assert merkle.verify_proof(found.root, size, index, leaf, path)
            assert not merkle.verify_proof(found.root, size, index, bytes(32), path)
            assert not merkle.verify_proof(found.root, size, index + 1, leaf, path)
            assert not merkle.verify_proof(found.root, size, index, leaf, (*path, bytes(32)))


def test_an_inner_node_is_no_leaf_of_a_smaller_object() -> None:
    """A 64-byte file made of two leaves has the root of the 32 KiB file they came from."""
    big = hashed(content(2 * BLOCK))
    small = hashed(big.leaves)
    assert small.root == big.root
    assert merkle.verify_proof(big.root, 64, 0, big.root, ())
    assert not merkle.verify_proof(big.root, 2 * BLOCK, 0, big.root, ())


def test_damaged_blocks_are_named() -> None:
    data = bytearray(content(6 * BLOCK + 5))
    good = hashed(bytes(data)).leaves
    data[BLOCK] ^= 1
    data[-1] ^= 1
    assert merkle.damaged_blocks(good, good) == []
    assert merkle.damaged_blocks(good, hashed(bytes(data)).leaves) == [1, 6]
    assert merkle.damaged_blocks(good, hashed(bytes(data[: 4 * BLOCK])).leaves) == [1, 4, 5, 6]


def test_a_size_of_another_class_is_told() -> None:
    hasher = ObjectHasher(BLOCK)
    hasher.update(bytes(BLOCK + 1))
    with pytest.raises(InputError, match="has 16385 bytes"):
        hasher.finish(lambda size: BLOCK if size <= BLOCK else PIECE)


@pytest.mark.parametrize("piece_length", [0, 1, BLOCK - 1, BLOCK + 1, 3 * BLOCK])
def test_what_is_no_piece_length(piece_length: int) -> None:
    with pytest.raises(InputError, match="is no piece length"):
        ObjectHasher(piece_length)


def test_questions_that_have_no_answer() -> None:
    leaves = hashed(content(3 * BLOCK)).leaves
    with pytest.raises(InputError, match="no leaf 3"):
        merkle.proof(leaves, 3)
    with pytest.raises(InputError, match="do not belong to"):
        merkle.root_of(leaves, BLOCK)
