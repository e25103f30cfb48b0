"""Reading metainfo that others wrote: v1, v2 or hybrid, refused unless all of it agrees.

BEP 3, BEP 47 and BEP 52. What is checked: the shapes and lengths of everything that is used, names
that stay inside their folder, each piece layer against its root, and that both views of a hybrid
name the same files at the same places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from longplay.errors import TorrentError
from longplay.model import BLOCK
from longplay.torrent import bencode, merkle, v1
from longplay.torrent.bencode import Value

MAX_PIECE_LENGTH = 2**29
"""Largest piece length taken: what libtorrent takes."""

MAX_SIZE = 2**53
"""Most bytes of one file: nine petabytes; larger numbers are meant to overflow somebody's sums."""

MAX_PATH = 32
"""Most components of a path: ours have three, libtorrent takes 100."""

MAX_NAME_BYTES = 255
"""Longest component of a path: no file system takes longer ones."""

Kind = TypeVar("Kind", int, bytes, list[Value], dict[bytes, Value])


@dataclass(frozen=True, slots=True)
class File:
    """A file that is no padding. `root` is empty in a v1 torrent, and for files without bytes;
    `piece_layer` is empty where one piece holds the file."""

    path: tuple[str, ...]
    size: int
    root: bytes = b""
    piece_layer: bytes = b""


@dataclass(frozen=True, slots=True)
class Torrent:
    """What a .torrent says. An info-hash is empty where the torrent has no such half; `v1_pieces`
    are those of the v1 view, in which `padding` bytes lie between the files."""

    name: str
    piece_length: int
    files: tuple[File, ...]
    info_hash_v1: bytes
    info_hash_v2: bytes
    v1_pieces: bytes
    padding: int


_V1File = tuple[tuple[str, ...], int, bool]


def parse(data: bytes) -> Torrent:
    """What the bytes of a .torrent say. Raises TorrentError, telling the first thing wrong."""
    whole = _is(bencode.decode(data), dict, "the torrent")
    info = _get(whole, b"info", dict)
    name = _name(_get(info, b"name", bytes), "name")
    two = b"file tree" in info
    one = b"pieces" in info
    if not one and not two:
        raise TorrentError("has neither pieces nor a file tree")
    length = _get(info, b"piece length", int)
    _check_piece_length(length, two)
    v2_files = _v2_files(whole, info, length) if two else ()
    v1_files = _v1_files(info, name, length) if one else ()
    files = v2_files or tuple(File(path, size) for path, size, pad in v1_files if not pad)
    if one and two:
        _agree(v1_files, v2_files, name, length)
    packed = bencode.encode(info)
    return Torrent(
        name,
        length,
        files,
        hashlib.sha1(packed, usedforsecurity=False).digest() if one else b"",
        hashlib.sha256(packed).digest() if two else b"",
        _get(info, b"pieces", bytes) if one else b"",
        sum(size for _, size, pad in v1_files if pad),
    )


def _check_piece_length(length: int, two: bool) -> None:
    if not 0 < length <= MAX_PIECE_LENGTH:
        raise TorrentError(f"has a piece length of {length}")
    if two and (length < BLOCK or length & (length - 1)):
        raise TorrentError(f"has a piece length of {length}: v2 asks for a power of two from 16384")


def _v2_files(whole: dict[bytes, Value], info: dict[bytes, Value], length: int) -> tuple[File, ...]:
    version = _get(info, b"meta version", int)
    if version != 2:
        raise TorrentError(f"has meta version {version}, which is not known")
    layers = _get(whole, b"piece layers", dict)
    files = tuple(_walk(_get(info, b"file tree", dict), (), layers, length))
    if not files:
        raise TorrentError("has no files")
    used = {file.root for file in files if file.size > length}
    strange = next((root for root in layers if root not in used), None)
    if strange is not None:
        raise TorrentError("has a piece layer of no file", where=strange.hex())
    return files


def _walk(
    tree: dict[bytes, Value], above: tuple[str, ...], layers: dict[bytes, Value], length: int
) -> Iterator[File]:
    if not tree:
        raise TorrentError("has an empty folder", where="/".join(above))
    if len(above) == MAX_PATH:
        raise TorrentError(f"has a path of more than {MAX_PATH} components", where="/".join(above))
    for key, value in tree.items():
        path = (*above, _name(key, "/".join((*above, "?"))))
        below = _is(value, dict, "/".join(path))
        if b"" not in below:
            yield from _walk(below, path, layers, length)
        elif len(below) > 1:
            raise TorrentError("is a file and a folder", where="/".join(path))
        else:
            yield _v2_file(_get(below, b"", dict), path, layers, length)


def _v2_file(
    facts: dict[bytes, Value], path: tuple[str, ...], layers: dict[bytes, Value], length: int
) -> File:
    where = "/".join(path)
    _refuse_link(facts, where)
    size = _size(facts, where)
    root = _get(facts, b"pieces root", bytes, where) if b"pieces root" in facts else b""
    if len(root) != (merkle.DIGEST if size else 0):
        raise TorrentError(f"has a root of {len(root)} bytes for {size} bytes", where=where)
    if size <= length:
        return File(path, size, root)
    layer = layers.get(root)
    if not isinstance(layer, bytes):
        raise TorrentError("has no piece layer", where=where)
    if len(layer) != merkle.DIGEST * v1.pieces_of(size, length):
        raise TorrentError(f"has a piece layer of {len(layer)} bytes", where=where)
    if merkle.root_of_layer(layer, length) != root:
        raise TorrentError("has a piece layer that is not its root's", where=where)
    return File(path, size, root, layer)


def _v1_files(info: dict[bytes, Value], name: str, length: int) -> tuple[_V1File, ...]:
    if (b"files" in info) == (b"length" in info):
        raise TorrentError("must have either a length or files")
    if b"length" in info:
        found: tuple[_V1File, ...] = (((name,), _size(info, name), False),)
    else:
        entries = _get(info, b"files", list)
        found = tuple(_v1_file(_is(entry, dict, "a file")) for entry in entries)
    pieces = _get(info, b"pieces", bytes)
    total = sum(size for _, size, _ in found)
    if len(pieces) != v1.DIGEST * v1.pieces_of(total, length) or not pieces:
        raise TorrentError(f"has {len(pieces)} bytes of pieces for {total} bytes")
    plain = [path for path, _, pad in found if not pad]
    _check_apart(plain)
    return found


def _check_apart(paths: list[tuple[str, ...]]) -> None:
    """No path stands twice, and none is a folder of another."""
    known = set(paths)
    if len(known) != len(paths):
        raise TorrentError("names a file twice")
    for path in paths:
        if any(path[:length] in known for length in range(1, len(path))):
            raise TorrentError("lies in a file", where="/".join(path))


def _v1_file(entry: dict[bytes, Value]) -> _V1File:
    parts = _get(entry, b"path", list)
    if len(parts) > MAX_PATH:
        raise TorrentError(f"has a path of more than {MAX_PATH} components")
    path = tuple(_name(_is(part, bytes, "a path"), "a path") for part in parts)
    if not path:
        raise TorrentError("has a file without a path")
    attributes = _refuse_link(entry, "/".join(path))
    return path, _size(entry, "/".join(path)), b"p" in attributes


def _refuse_link(facts: dict[bytes, Value], where: str) -> bytes:
    """The file's attributes, which must not make it a symbolic link (BEP 47)."""
    attributes = _get(facts, b"attr", bytes, where) if b"attr" in facts else b""
    if b"l" in attributes or b"symlink path" in facts:
        raise TorrentError("is a symbolic link", where=where)
    return attributes


def _agree(
    v1_files: tuple[_V1File, ...], v2_files: tuple[File, ...], name: str, length: int
) -> None:
    """Both views of a hybrid have the same files, each beginning a piece, and padding does no more
    than fill one."""
    at = 0
    plain = []
    for path, size, pad in v1_files:
        if not pad:
            plain.append((path, size))
        if size and not pad and at % length:
            raise TorrentError("does not begin a piece", where="/".join(path))
        if pad and not 0 < size == -at % length:
            raise TorrentError(f"has padding of {size} bytes", where="/".join(path))
        at += size
    if plain != [(file.path, file.size) for file in v2_files]:
        raise TorrentError("has other files in its v1 half than in its v2 half", where=name)


def _size(facts: dict[bytes, Value], where: str) -> int:
    size = _get(facts, b"length", int, where)
    if not 0 <= size <= MAX_SIZE:
        raise TorrentError(f"has a length of {size}", where=where)
    return size


def _name(raw: bytes, where: str) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise TorrentError("has a name that is not UTF-8", where=where) from error
    if len(raw) > MAX_NAME_BYTES:
        raise TorrentError(f"has a name of {len(raw)} bytes", where=where)
    if text in ("", ".", "..") or "/" in text or "\\" in text or "\x00" in text:
        raise TorrentError(f"has the name {text!r}, which is none", where=where)
    return text


def _get(facts: dict[bytes, Value], key: bytes, kind: type[Kind], where: str = "") -> Kind:
    if key not in facts:
        raise TorrentError(f"has no {key.decode()!r}", where=where)
    return _is(facts[key], kind, key.decode())


def _is(value: Value, kind: type[Kind], what: str) -> Kind:
    if not isinstance(value, kind):
        words = {int: "number", bytes: "string", list: "list", dict: "dictionary"}
        raise TorrentError(f"{what} is no {words[kind]}")
    return value
