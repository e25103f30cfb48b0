"""Cutting what is new into volumes: one size class each, no .torrent past its limit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from longplay.errors import ReleaseError
from longplay.release.paths import Names
from longplay.torrent import hybrid, v1, v2

TORRENT_BYTES = 10_000_000
"""Largest .torrent: what libtorrent loads by default (and less than 10 MiB)."""

MAX_NUMBER = 10**10
"""Larger than any count of bytes in a .torrent: reserves digits for it."""

Column = NDArray[np.int64]


def divide(names: Names, sizes: Column, piece_lengths: Column, torrent_name: str) -> Column:
    """The volume, counted from 0, of each object; objects are given most listened-to first.

    Size classes are kept apart, each in the order given; volumes are numbered by their first
    object, so that the first volume begins with what is listened to most. `torrent_name` is as long
    as the names of the torrents. What a .torrent will take is known to within 70 bytes. Raises
    ReleaseError for an object whose own hashes are more than a .torrent holds.
    """
    costs = file_bytes(names, sizes, piece_lengths)
    parts: list[NDArray[np.int64]] = []
    for length in np.unique(piece_lengths):
        members = np.flatnonzero(piece_lengths == length)
        fixed = hybrid.fixed_bytes(torrent_name, int(length), MAX_NUMBER)
        parts += _divide_class(names, members, costs, fixed)
    volume = np.full(len(sizes), -1, np.int64)
    for number, part in enumerate(sorted(parts, key=lambda part: int(part[0]))):
        volume[part] = number
    return volume


def file_bytes(names: Names, sizes: Column, piece_lengths: Column) -> Column:
    """Bytes that each file adds to a .torrent, its folders aside."""
    file = _encoded(names.file_bytes)
    path = _encoded(names.artist_bytes) + _encoded(names.album_bytes) + file
    return (
        v1.entry_bytes(path, sizes, piece_lengths)
        + v1.pad_bytes(sizes, piece_lengths)
        + v2.entry_bytes(file, sizes, piece_lengths)
    )


def _divide_class(
    names: Names, members: Column, costs: Column, fixed: int
) -> Iterator[NDArray[np.int64]]:
    """Fill one volume after the other; a folder costs where a volume first has it."""
    artist_costs = (_encoded(names.artist_bytes) + v2.FOLDER_BYTES)[members].tolist()
    album_costs = (_encoded(names.album_bytes) + v2.FOLDER_BYTES)[members].tolist()
    columns = zip(
        costs[members].tolist(),
        names.artists[members].tolist(),
        artist_costs,
        names.albums[members].tolist(),
        album_costs,
        strict=True,
    )
    artists: set[int] = set()
    albums: set[int] = set()
    start, used = 0, fixed
    for index, (cost, artist, artist_cost, album, album_cost) in enumerate(columns):
        added = cost
        if album not in albums:
            added += album_cost + (0 if artist in artists else artist_cost)
        if used + added > TORRENT_BYTES:
            if index > start:
                yield members[start:index]
            start, used = index, fixed
            artists, albums = set(), set()
            added = cost + artist_cost + album_cost
            if used + added > TORRENT_BYTES:
                raise ReleaseError(
                    "has more hashes than a .torrent holds",
                    where=str(names.paths[int(members[index])]),
                    hint="take it out of what may be released",
                )
        used += added
        artists.add(artist)
        albums.add(album)
    if len(members):
        yield members[start:]


def _encoded(lengths: Column) -> Column:
    """Bytes of texts of these lengths when bencoded."""
    return lengths + v1.digits_of(lengths) + 1
