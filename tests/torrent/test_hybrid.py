"""Torrents assembled from hashes are those that libtorrent makes from bytes, and accepts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import libtorrent as lt
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from longplay.errors import TorrentError
from longplay.model import BLOCK
from longplay.torrent import bencode, hybrid, metainfo, v1, v2
from tests.torrent.making import content, files_of, torrent_of, write_all

PIECE = 2 * BLOCK

paths = st.lists(st.sampled_from("abc. é"), min_size=1, max_size=3).map(
    lambda parts: "/".join(f"{part}{number}" for number, part in enumerate(parts)) + "/file"
)
sizes = st.sampled_from([0, 1, BLOCK, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE + 3])
folders = st.dictionaries(paths, sizes, min_size=1, max_size=6).map(
    lambda found: {path: content(size, seed) for seed, (path, size) in enumerate(found.items())}
)


def as_libtorrent_makes_it(folder: Path, name: str, contents: dict[str, bytes]) -> bytes:
    root = folder / name
    write_all(root, contents)
    ordered = sorted(contents, key=lambda path: v2.tree_key(path.encode()))
    entries = [lt.create_file_entry(f"{name}/{path}", len(contents[path])) for path in ordered]
    torrent = lt.create_torrent(
        entries, piece_size=PIECE, flags=lt.create_torrent.canonical_files_no_tail_padding
    )
    lt.set_piece_hashes(torrent, str(folder))
    made: Any = torrent.generate()
    return lt.bencode({b"info": made[b"info"], b"piece layers": made[b"piece layers"]})


@settings(max_examples=40, deadline=None)
@given(folders)
def test_bytes_are_those_of_libtorrent(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("made")
    in_tree_order = sorted(contents, key=lambda path: v2.tree_key(path.encode()))
    # libtorrent makes no torrent without bytes, and lists v1 files by joined path, where "a b/x"
    # comes before "a/x", but the tree by component.
    assume(any(contents.values()) and in_tree_order == sorted(contents))
    theirs = as_libtorrent_makes_it(folder, "whole", contents)
    assert torrent_of("whole", contents, PIECE).data == theirs


@settings(max_examples=60, deadline=None)
@given(folders)
def test_libtorrent_reads_it_and_so_do_we(contents: dict[str, bytes]) -> None:
    made = torrent_of("whole", contents, PIECE)
    assert made.bytes == sum(map(len, contents.values()))
    if not made.bytes:
        return
    info = lt.torrent_info(made.data)
    assert info.info_hashes().v1.to_bytes() == made.info_hash_v1
    assert info.info_hashes().v2.to_bytes() == made.info_hash_v2
    read = metainfo.parse(made.data)
    assert (read.info_hash_v1, read.info_hash_v2) == (made.info_hash_v1, made.info_hash_v2)
    assert {"/".join(file.path): file.size for file in read.files} == {
        path: len(data) for path, data in contents.items()
    }
    assert read.padding == made.padding


def test_single_pieces_are_the_bytes_of_the_files() -> None:
    """The v1 view, read from the files with their padding, has the pieces that it declares."""
    contents = {"a/x": content(PIECE + 5), "a/y": b"", "b/z": content(7), "c": b""}
    made = metainfo.parse(torrent_of("whole", contents, PIECE).data)
    view = content(PIECE + 5) + bytes(PIECE - 5) + content(7)
    pieces = [view[at : at + PIECE] for at in range(0, len(view), PIECE)]
    assert made.v1_pieces == b"".join(hashlib.sha1(piece).digest() for piece in pieces)
    assert made.padding == PIECE - 5


@settings(max_examples=100, deadline=None)
@given(folders)
def test_what_a_torrent_will_take_is_known_beforehand(contents: dict[str, bytes]) -> None:
    made = torrent_of("whole", contents, PIECE)
    files = files_of(contents, PIECE)
    size = np.array(files.sizes, np.int64)
    length = np.full(len(size), PIECE, np.int64)
    parts = [path.split(b"/") for path in files.paths]

    def coded(texts: list[bytes]) -> int:
        return sum(len(bencode.encode(text)) for text in texts)

    path = np.array([coded(part) for part in parts])
    name = np.array([coded(part[-1:]) for part in parts])
    above = {tuple(part[:depth]) for part in parts for depth in range(1, len(part))}
    pads = v1.pad_bytes(size, length)
    predicted = (
        hybrid.fixed_bytes("whole", PIECE, int(v1.pieces_of(size, length).sum()))
        + int(v1.entry_bytes(path, size, length).sum())
        + int(v2.entry_bytes(name, size, length).sum())
        + sum(coded([folder[-1]]) + v2.FOLDER_BYTES for folder in above)
        + int(pads[: max(v1.last_with_bytes(files.sizes), 0)].sum())
    )
    assert predicted == len(made.data)


@given(st.lists(st.integers(0, 10**18), min_size=1))
def test_digits(numbers: list[int]) -> None:
    assert v1.digits_of(np.array(numbers)).tolist() == [len(str(number)) for number in numbers]


def test_magnets_name_both_halves() -> None:
    made = torrent_of("one", {"a": b"x"}, PIECE)
    two, both = hybrid.magnets(made, "a name")
    assert two == f"magnet:?xt=urn:btmh:1220{made.info_hash_v2.hex()}&dn=a%20name"
    read = lt.parse_magnet_uri(both)
    assert read.info_hashes.v1.to_bytes() == made.info_hash_v1
    assert read.info_hashes.v2.to_bytes() == made.info_hash_v2
    assert lt.parse_magnet_uri(two).info_hashes.v2.to_bytes() == made.info_hash_v2
    assert not lt.parse_magnet_uri(two).info_hashes.has_v1()


@pytest.mark.parametrize("wrong", [[b"b", b"a"], [b"a", b"a"], [b"a", b"a/b"], [b"a b", b"a/b"]])
def test_paths_out_of_order_are_refused(wrong: list[bytes]) -> None:
    with pytest.raises(TorrentError, match="out of order"):
        v2.tree(wrong, [1] * len(wrong), [bytes(32)] * len(wrong))


def test_hashes_that_do_not_fit_are_refused() -> None:
    good = files_of({"a": content(3 * PIECE)}, PIECE)
    short = hybrid.Files(
        good.paths, good.sizes, good.roots, good.piece_layers, good.v1_pieces[20:], b"x" * 20
    )
    with pytest.raises(TorrentError, match="40 bytes of v1 pieces, where the sizes ask for 60"):
        hybrid.assemble("x", PIECE, short)
    bare = hybrid.Files(
        good.paths, good.sizes, good.roots, good.piece_layers[32:], good.v1_pieces, b"x" * 20
    )
    with pytest.raises(TorrentError, match="64 bytes of piece layers, where the sizes ask for 96"):
        hybrid.assemble("x", PIECE, bare)
