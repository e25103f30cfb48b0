"""Hybrid v1 + v2 metainfo, assembled from stored hashes alone: no byte of any file is read.

Every file begins a piece: BEP 47 padding stands between files in the v1 view, so that one set of
bytes answers both views. BEP 3 (v1), BEP 47 (padding), BEP 52 (v2 and hybrids).
There is no date in it and nothing random: the same files give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from longplay.errors import TorrentError
from longplay.torrent.bencode import encode


@dataclass(frozen=True, slots=True)
class File:
    """A file of a torrent with its stored hashes. `path` has its components as UTF-8."""

    path: tuple[bytes, ...]
    size: int
    root: bytes
    piece_layer: bytes
    v1_pieces: bytes
    v1_last_bare: bytes


@dataclass(frozen=True, slots=True)
class Metainfo:
    """A .torrent: its bytes, both info-hashes, and what the v1 view adds in padding."""

    data: bytes
    info_hash_v1: bytes
    info_hash_v2: bytes
    bytes: int
    padding: int


FIXED_BYTES = 1024
"""More than what a .torrent has beside its files: keys, numbers, the name."""


def padding_of(size: int, piece_length: int) -> int:
    """Bytes of padding that follow a file that is not the last."""
    return -size % piece_length


def entry_bytes(path_bytes: int, components: int, size: int, piece_length: int) -> int:
    """An upper bound of what one file adds to a .torrent, for cutting volumes by size."""
    pieces = -(-size // piece_length)
    names = 2 * (path_bytes + components * 8)
    layer = 32 * pieces + 48 if pieces > 1 else 0
    return names + 180 + 20 * pieces + layer


def assemble(name: str, files: Iterable[File], piece_length: int) -> Metainfo:
    """The hybrid torrent `name` of these files. Raises TorrentError when two have one path, or
    hashes do not fit sizes."""
    ordered = sorted(files, key=lambda file: file.path)
    for file in ordered:
        _check(file, piece_length)
    entries, pieces, padding = _v1(ordered, piece_length)
    info = b"".join(
        (
            b"d9:file tree",
            _tree(ordered),
            b"5:filesl",
            *entries,
            b"e12:meta versioni2e4:name",
            encode(name),
            b"12:piece lengthi%de6:pieces%d:" % (piece_length, sum(map(len, pieces))),
            *pieces,
            b"e",
        )
    )
    layers = {file.root: file.piece_layer for file in ordered if file.piece_layer}
    data = b"d4:info%b12:piece layers%be" % (info, encode(layers))
    return Metainfo(
        data,
        hashlib.sha1(info, usedforsecurity=False).digest(),
        hashlib.sha256(info).digest(),
        sum(file.size for file in ordered),
        padding,
    )


def magnets(metainfo: Metainfo, name: str) -> tuple[str, str]:
    """The v2-only magnet and the hybrid one (BEP 9, BEP 52)."""
    v2 = f"xt=urn:btmh:1220{metainfo.info_hash_v2.hex()}"
    v1 = f"xt=urn:btih:{metainfo.info_hash_v1.hex()}"
    return f"magnet:?{v2}&dn={name}", f"magnet:?{v1}&{v2}&dn={name}"


def _check(file: File, piece_length: int) -> None:
    pieces = -(-file.size // piece_length)
    layer = 32 * pieces if pieces > 1 else 0
    if len(file.v1_pieces) != 20 * pieces or len(file.piece_layer) != layer:
        where = b"/".join(file.path).decode(errors="replace")
        raise TorrentError("its hashes are not those of a file of its size", where=where)


def _v1(files: Sequence[File], piece_length: int) -> tuple[list[bytes], list[bytes], int]:
    """The v1 view: file entries, their pieces, and the sum of the padding."""
    entries, pieces, total = [], [], 0
    for number, file in enumerate(files, 1):
        path = b"".join(b"%d:%b" % (len(part), part) for part in file.path)
        entries.append(b"d6:lengthi%de4:pathl%bee" % (file.size, path))
        padding = padding_of(file.size, piece_length) if number < len(files) else 0
        if padding:
            digits = b"%d" % padding
            entries.append(
                b"d4:attr1:p6:lengthi%be4:pathl4:.pad%d:%bee" % (digits, len(digits), digits)
            )
            total += padding
        if number < len(files):
            pieces.append(file.v1_pieces)
        else:
            pieces += [file.v1_pieces[:-20], file.v1_last_bare]
    return entries, pieces, total


def _tree(files: Sequence[File]) -> bytes:
    """The v2 file tree of files sorted by path, written in one walk."""
    parts, above = [b"d"], ()
    folder: tuple[bytes, ...] = above
    previous: tuple[bytes, ...] | None = None
    for file in files:
        if previous is not None and file.path[: len(previous)] == previous:
            where = b"/".join(file.path).decode(errors="replace")
            raise TorrentError("stands twice, or is a file and a folder", where=where)
        shared = 0
        while shared < len(folder) and folder[shared] == file.path[shared]:
            shared += 1
        parts.append(b"e" * (len(folder) - shared))
        parts += [b"%d:%bd" % (len(name), name) for name in file.path[shared:-1]]
        folder, previous = file.path[:-1], file.path
        root = b"11:pieces root32:%b" % file.root if file.size else b""
        name = file.path[-1]
        parts.append(b"%d:%bd0:d6:lengthi%de%bee" % (len(name), name, file.size, root))
    parts.append(b"e" * (len(folder) + 1))
    return b"".join(parts)
