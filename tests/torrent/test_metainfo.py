"""Metainfo of others: a table of malformed torrents, each with the exact error it must give."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.errors import TorrentError
from longplay.model import BLOCK
from longplay.torrent import bencode, metainfo
from tests.torrent.making import content, hashed, torrent_of

PIECE = 2 * BLOCK
CONTENTS = {"a/x": content(PIECE + 5), "a/y": content(9), "b": content(4 * PIECE, 1)}
ROOT_X = hashed(CONTENTS["a/x"], PIECE).root
ROOT_B = hashed(CONTENTS["b"], PIECE).root


def good() -> dict[bytes, Any]:
    made = torrent_of("whole", CONTENTS, PIECE)
    value = bencode.decode(made.data)
    assert isinstance(value, dict)
    return value


def leaf(torrent: dict[bytes, Any], *path: bytes) -> dict[bytes, Any]:
    found = torrent[b"info"][b"file tree"]
    for part in path:
        found = found[part]
    facts: dict[bytes, Any] = found[b""]
    return facts


def put(*keys: Any, value: Any) -> Callable[[dict[bytes, Any]], None]:
    """Replace what stands under these keys."""

    def change(torrent: dict[bytes, Any]) -> None:
        place: Any = torrent
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def drop(*keys: Any) -> Callable[[dict[bytes, Any]], None]:
    def change(torrent: dict[bytes, Any]) -> None:
        place: Any = torrent
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def both(*changes: Callable[[dict[bytes, Any]], None]) -> Callable[[dict[bytes, Any]], None]:
    def change(torrent: dict[bytes, Any]) -> None:
        for one in changes:
            one(torrent)

    return change


def nested(depth: int) -> dict[bytes, Any]:
    """An empty file below so many folders."""
    return {b"a": nested(depth - 1)} if depth else {b"": {b"length": 0}}


INFO, TREE, FILES, FACTS = b"info", b"file tree", b"files", b""
NO_V1 = both(drop(INFO, b"pieces"), drop(INFO, FILES))
NO_V2 = both(drop(INFO, TREE), drop(INFO, b"meta version"), drop(b"piece layers"))

MALFORMED: dict[str, tuple[Callable[[dict[bytes, Any]], None], str]] = {
    "no info": (drop(INFO), "has no 'info'"),
    "info is a list": (put(INFO, value=[]), "info is no dictionary"),
    "no name": (drop(INFO, b"name"), "has no 'name'"),
    "name climbs": (put(INFO, b"name", value=b".."), "name: has the name '..', which is none"),
    "name has a slash": (
        put(INFO, b"name", value=b"a/b"),
        "name: has the name 'a/b', which is none",
    ),
    "name is empty": (put(INFO, b"name", value=b""), "name: has the name '', which is none"),
    "name not UTF-8": (put(INFO, b"name", value=b"\xff"), "name: has a name that is not UTF-8"),
    "nothing": (both(NO_V1, NO_V2), "has neither pieces nor a file tree"),
    "no piece length": (drop(INFO, b"piece length"), "has no 'piece length'"),
    "piece length 0": (put(INFO, b"piece length", value=0), "has a piece length of 0"),
    "piece length < 0": (put(INFO, b"piece length", value=-BLOCK), "has a piece length of -16384"),
    "piece length huge": (
        put(INFO, b"piece length", value=2**40),
        f"has a piece length of {2**40}",
    ),
    "piece length odd": (
        put(INFO, b"piece length", value=3 * BLOCK),
        "has a piece length of 49152: v2 asks for a power of two from 16384",
    ),
    "piece length small": (
        put(INFO, b"piece length", value=8192),
        "has a piece length of 8192: v2 asks for a power of two from 16384",
    ),
    "piece length text": (put(INFO, b"piece length", value=b"1"), "piece length is no number"),
    "no meta version": (drop(INFO, b"meta version"), "has no 'meta version'"),
    "meta version 3": (
        put(INFO, b"meta version", value=3),
        "has meta version 3, which is not known",
    ),
    "tree is a list": (put(INFO, TREE, value=[]), "file tree is no dictionary"),
    "tree is empty": (put(INFO, TREE, value={}), "has an empty folder"),
    "folder is empty": (put(INFO, TREE, b"a", value={}), "a: has an empty folder"),
    "folder is a number": (put(INFO, TREE, b"a", value=1), "a is no dictionary"),
    "file and folder": (
        put(INFO, TREE, b"a", value={b"": {b"length": 0}, b"z": {b"": {b"length": 0}}}),
        "a: is a file and a folder",
    ),
    "path climbs": (
        put(INFO, TREE, b"..", value={b"": {b"length": 0}}),
        "?: has the name '..', which is none",
    ),
    "path has a backslash": (
        put(INFO, TREE, b"a", b"c\\d", value={b"": {b"length": 0}}),
        "a/?: has the name 'c\\\\d', which is none",
    ),
    "path not UTF-8": (
        put(INFO, TREE, b"\xfe", value={b"": {b"length": 0}}),
        "?: has a name that is not UTF-8",
    ),
    "no length": (drop(INFO, TREE, b"b", FACTS, b"length"), "b: has no 'length'"),
    "length < 0": (put(INFO, TREE, b"b", FACTS, b"length", value=-1), "b: has a length of -1"),
    "length huge": (
        put(INFO, TREE, b"b", FACTS, b"length", value=2**60),
        f"b: has a length of {2**60}",
    ),
    "no root": (
        drop(INFO, TREE, b"b", FACTS, b"pieces root"),
        f"b: has a root of 0 bytes for {4 * PIECE} bytes",
    ),
    "short root": (
        put(INFO, TREE, b"b", FACTS, b"pieces root", value=b"x" * 31),
        f"b: has a root of 31 bytes for {4 * PIECE} bytes",
    ),
    "root of nothing": (
        put(INFO, TREE, b"b", FACTS, b"length", value=0),
        "b: has a root of 32 bytes for 0 bytes",
    ),
    "no layers": (drop(b"piece layers"), "has no 'piece layers'"),
    "layer lacks": (drop(b"piece layers", ROOT_B), "b: has no piece layer"),
    "layer is a number": (put(b"piece layers", ROOT_B, value=1), "b: has no piece layer"),
    "layer short": (
        put(b"piece layers", ROOT_B, value=bytes(96)),
        "b: has a piece layer of 96 bytes",
    ),
    "layer ragged": (
        put(b"piece layers", ROOT_B, value=bytes(127)),
        "b: has a piece layer of 127 bytes",
    ),
    "layer of another": (
        put(b"piece layers", ROOT_B, value=bytes(128)),
        "b: has a piece layer that is not its root's",
    ),
    "layer of no file": (
        put(b"piece layers", b"z" * 32, value=bytes(64)),
        f"{(b'z' * 32).hex()}: has a piece layer of no file",
    ),
    "v1 length and files": (
        put(INFO, b"length", value=5),
        "must have either a length or files",
    ),
    "v1 neither": (drop(INFO, FILES), "must have either a length or files"),
    "v1 files a number": (put(INFO, FILES, value=7), "files is no list"),
    "v1 file a number": (put(INFO, FILES, 0, value=7), "a file is no dictionary"),
    "v1 no path": (drop(INFO, FILES, 0, b"path"), "has no 'path'"),
    "v1 path empty": (put(INFO, FILES, 0, b"path", value=[]), "has a file without a path"),
    "v1 path climbs": (
        put(INFO, FILES, 0, b"path", value=[b"..", b"x"]),
        "a path: has the name '..', which is none",
    ),
    "v1 path of numbers": (put(INFO, FILES, 0, b"path", value=[1]), "a path is no string"),
    "v1 length < 0": (put(INFO, FILES, 0, b"length", value=-5), "a/x: has a length of -5"),
    "v1 pieces ragged": (
        put(INFO, b"pieces", value=bytes(139)),
        f"has 139 bytes of pieces for {7 * PIECE} bytes",
    ),
    "v1 pieces lack": (
        put(INFO, b"pieces", value=bytes(120)),
        f"has 120 bytes of pieces for {7 * PIECE} bytes",
    ),
    "v1 pieces empty": (
        both(put(INFO, b"pieces", value=b""), put(INFO, FILES, value=[])),
        "has 0 bytes of pieces for 0 bytes",
    ),
    "v1 file twice": (
        both(NO_V2, put(INFO, FILES, 2, b"path", value=[b"a", b"x"])),
        "names a file twice",
    ),
    "hybrid names differ": (
        put(INFO, FILES, 0, b"path", value=[b"a", b"q"]),
        "whole: has other files in its v1 half than in its v2 half",
    ),
    "hybrid padding is a file": (
        drop(INFO, FILES, 1, b"attr"),
        f".pad/{PIECE - 5}: does not begin a piece",
    ),
    "hybrid padding elsewhere": (
        both(
            put(INFO, FILES, 1, b"length", value=PIECE - 6),
            put(INFO, FILES, 3, b"length", value=PIECE - 8),
        ),
        ".pad/32763: has padding of 32762 bytes",
    ),
    "hybrid padding lacks": (
        drop(INFO, FILES, 1),
        "a/y: does not begin a piece",
    ),
    "hybrid padding of whole pieces": (
        both(
            put(INFO, FILES, 1, b"length", value=2 * PIECE - 5),
            put(INFO, b"pieces", value=bytes(160)),
        ),
        f".pad/{PIECE - 5}: has padding of {2 * PIECE - 5} bytes",
    ),
    "hybrid padding of nothing": (
        lambda torrent: torrent[INFO][FILES].insert(
            0, {b"attr": b"p", b"length": 0, b"path": [b".pad", b"0"]}
        ),
        ".pad/0: has padding of 0 bytes",
    ),
    "v1 path too deep": (
        put(INFO, FILES, 0, b"path", value=[b"a"] * 33),
        "has a path of more than 32 components",
    ),
    "v2 path too deep": (
        put(INFO, TREE, b"a", value=nested(32)),
        "/".join(["a"] * 32) + ": has a path of more than 32 components",
    ),
    "name too long": (
        put(INFO, b"name", value=b"n" * 256),
        "name: has a name of 256 bytes",
    ),
    "path has a slash": (
        put(INFO, TREE, b"/etc", value={b"": {b"length": 0}}),
        "?: has the name '/etc', which is none",
    ),
    "path has a NUL": (
        put(INFO, FILES, 0, b"path", value=[b"a\x00b"]),
        "a path: has the name 'a\\x00b', which is none",
    ),
    "v1 file in a file": (
        both(NO_V2, put(INFO, FILES, 0, b"path", value=[b"b", b"x"])),
        "b/x: lies in a file",
    ),
    "v1 link": (put(INFO, FILES, 0, b"attr", value=b"lx"), "a/x: is a symbolic link"),
    "v1 link without a mark": (
        put(INFO, FILES, 0, b"symlink path", value=[b"b"]),
        "a/x: is a symbolic link",
    ),
    "v2 link": (put(INFO, TREE, b"b", FACTS, b"attr", value=b"l"), "b: is a symbolic link"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(case: str) -> None:
    change, message = MALFORMED[case]
    torrent = copy.deepcopy(good())
    change(torrent)
    with pytest.raises(TorrentError) as caught:
        metainfo.parse(bencode.encode(torrent))
    assert str(caught.value) == message


def test_each_half_alone_is_read() -> None:
    expected = {path: len(data) for path, data in CONTENTS.items()}
    for change, halves in ((NO_V1, (False, True)), (NO_V2, (True, False))):
        torrent = good()
        change(torrent)
        read = metainfo.parse(bencode.encode(torrent))
        assert (bool(read.info_hash_v1), bool(read.info_hash_v2)) == halves
        assert {"/".join(file.path): file.size for file in read.files} == expected


def test_one_file_alone() -> None:
    info: dict[bytes, bencode.Encodable] = {
        b"name": b"song",
        b"piece length": PIECE,
        b"length": 9,
        b"pieces": bytes(20),
    }
    read = metainfo.parse(bencode.encode({b"info": info}))
    assert read.files == (metainfo.File(("song",), 9),)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_torrents_with_flipped_bytes_are_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(bencode.encode(good()))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        metainfo.parse(bytes(raw))
    except TorrentError as error:
        assert error.message
