"""Torrents of small files, for tests: contents in, metainfo out."""

from __future__ import annotations

import hashlib
from pathlib import Path

from longplay.model import ObjectHashes
from longplay.torrent import hybrid, v2
from longplay.torrent.merkle import ObjectHasher


def content(size: int, seed: int = 0) -> bytes:
    """Bytes in which no two blocks are alike."""
    return hashlib.shake_128(b"%d %d" % (size, seed)).digest(size)


def hashed(data: bytes, piece_length: int) -> ObjectHashes:
    hasher = ObjectHasher(piece_length)
    hasher.update(data)
    return hasher.finish()


def files_of(contents: dict[str, bytes], piece_length: int) -> hybrid.Files:
    """The columns of a torrent of these files, by path."""
    paths = sorted((path.encode() for path in contents), key=v2.tree_key)
    found = [hashed(contents[path.decode()], piece_length) for path in paths]
    bare = [one.v1_last_bare for one in found if one.size]
    return hybrid.Files(
        paths,
        [one.size for one in found],
        [one.root for one in found],
        memoryview(b"".join(one.piece_layer for one in found)),
        memoryview(b"".join(one.v1_pieces for one in found)),
        bare[-1] if bare else b"",
    )


def torrent_of(name: str, contents: dict[str, bytes], piece_length: int) -> hybrid.Metainfo:
    return hybrid.assemble(name, piece_length, files_of(contents, piece_length))


def write_all(folder: Path, contents: dict[str, bytes]) -> None:
    for path, data in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
