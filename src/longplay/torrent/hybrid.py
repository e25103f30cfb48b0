"""Hybrid v1 + v2 metainfo, assembled from stored hashes alone: no byte of any file is read.

Every file begins a piece, so that one set of bytes answers both views; the files stand in the
order of the v2 tree in both (BEP 52, "Upgrade path"). There is no date in it and nothing random:
the same files give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from longplay.errors import TorrentError
from longplay.torrent import v1, v2
from longplay.torrent.bencode import encode


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one torrent as columns, in the order of `v2.tree_key`.

    `paths` have their components joined by `/`. `piece_layers` has the layers of those larger than
    a piece, one after the other; `v1_pieces` the pieces of all, as if each were followed by
    padding; `v1_last_bare` the last piece of the last file that has bytes, without padding.
    """

    paths: Sequence[bytes]
    sizes: Sequence[int]
    roots: Sequence[bytes]
    piece_layers: memoryview
    v1_pieces: memoryview
    v1_last_bare: bytes


@dataclass(frozen=True, slots=True)
class Metainfo:
    """A .torrent: its bytes, both info-hashes, the bytes of its files, and what the v1 view adds
    to them in padding."""

    data: bytes
    info_hash_v1: bytes
    info_hash_v2: bytes
    bytes: int
    padding: int


def assemble(name: str, piece_length: int, files: Files) -> Metainfo:
    """The hybrid torrent of these files in a folder called `name`.

    Raises TorrentError when hashes do not fit the sizes, or paths are out of order.
    """
    pieces = v1.DIGEST * sum(v1.pieces_of(size, piece_length) for size in files.sizes)
    if len(files.v1_pieces) != pieces or len(files.v1_last_bare) != min(pieces, v1.DIGEST):
        raise TorrentError(
            f"{len(files.v1_pieces)} bytes of v1 pieces, where the sizes ask for {pieces}",
            where=name,
        )
    info = b"".join(
        (
            b"d9:file tree",
            v2.tree(files.paths, files.sizes, files.roots),
            b"5:filesl",
            v1.entries(files.paths, files.sizes, piece_length),
            b"e12:meta versioni2e4:name",
            encode(name),
            b"12:piece lengthi%de6:pieces%d:" % (piece_length, pieces),
            files.v1_pieces[: -v1.DIGEST],
            files.v1_last_bare,
            b"e",
        )
    )
    layers = v2.layers(files.sizes, files.roots, files.piece_layers, piece_length)
    return Metainfo(
        b"".join((b"d4:info", info, b"12:piece layers", *layers, b"e")),
        hashlib.sha1(info, usedforsecurity=False).digest(),
        hashlib.sha256(info).digest(),
        sum(files.sizes),
        v1.padding_total(files.sizes, piece_length),
    )


def fixed_bytes(name: str, piece_length: int, pieces: int) -> int:
    """Bytes that a .torrent has beside what its files and folders add to it."""
    head = b"d4:infod9:file treede5:filesle12:meta versioni2e4:name" + encode(name)
    numbers = b"12:piece lengthi%de6:pieces%d:" % (piece_length, v1.DIGEST * pieces)
    return len(head) + len(numbers) + len(b"e12:piece layersdee")


def magnets(metainfo: Metainfo, name: str) -> tuple[str, str]:
    """The v2-only magnet and the hybrid one (BEP 9, BEP 52; 1220 marks a SHA-256 multihash)."""
    two = f"xt=urn:btmh:1220{metainfo.info_hash_v2.hex()}"
    one = f"xt=urn:btih:{metainfo.info_hash_v1.hex()}"
    shown = f"dn={quote(name)}"
    return f"magnet:?{two}&{shown}", f"magnet:?{one}&{two}&{shown}"
