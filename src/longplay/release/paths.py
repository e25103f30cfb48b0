"""Names inside a torrent: readable, and safe on every file system that may receive them.

`Artist/Album/01 Title.ogg`, always three components, so that no file can stand where another has
a folder. What file systems refuse: https://learn.microsoft.com/windows/win32/fileio/naming-a-file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from longplay.errors import ReleaseError

FOLDER_BYTES = 64
"""UTF-8 bytes of an artist's or album's name. With a title, both and the torrent's own name stay
below the 260 characters that a whole path may have on Windows."""

TITLE_BYTES = 80
"""UTF-8 bytes of a title, beside its number and suffix."""

NO_ARTIST, NO_ALBUM, NO_TITLE = "Unknown artist", "Singles", "Untitled"

COLUMNS = [
    *("artists", "album_artist", "album", "title", "disc_number", "track_number", "suffix", "root")
]
"""What names are made of."""

SLICE_ROWS = 1_000_000
"""Paths that are held folded at once."""

ROOT_DIGITS = (0, 8, 64)
"""Digits of the root that tell apart names which are one: more of them while they still are."""

_LETTERS = "A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u0481\u048a-\u052f"
_SYLLABLES = "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
_ANY = _LETTERS + _SYLLABLES
_PLAIN = f"^[{_ANY}]( ?[{_ANY}_()',&!+.-])*$"
"""Texts that `safe` leaves as they are, if they end in no dot: composed letters, single spaces."""

_RESERVED = r"(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?$"
_SUFFIX = r"^(\.[a-z0-9]{1,8})?$"
_UNSAFE = re.compile(r'[<>:"/\\|?*]')


@dataclass(frozen=True, slots=True)
class Names:
    """Paths as columns. `artists` and `albums` number the folders (an album under two artists is
    two); the other three are bytes of each component as UTF-8."""

    paths: pa.Array
    artists: NDArray[np.int64]
    albums: NDArray[np.int64]
    artist_bytes: NDArray[np.int64]
    album_bytes: NDArray[np.int64]
    file_bytes: NDArray[np.int64]

    def part(self, at: NDArray[np.int64]) -> Names:
        """The names of these rows, which are in ascending order."""
        if len(at) == len(self.paths):
            return self
        numbers = (self.artists, self.albums, self.artist_bytes, self.album_bytes, self.file_bytes)
        return Names(self.paths.take(pa.array(at)), *(column[at] for column in numbers))


def safe(text: str, limit: int) -> str:
    """One component of any text, at most `limit` bytes of UTF-8: NFC, with nothing that a file
    system refuses, hides or drops. May be empty."""
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable() or c.isspace())
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    text = _UNSAFE.sub("_", text)
    if text.startswith("."):
        text = "_" + text.lstrip(".")
    if re.match(_RESERVED, text):
        text = f"_{text}"
    return text.encode()[:limit].decode(errors="ignore").rstrip(". ")


def fold(path: str) -> str:
    """What two paths share that are one where capitals or forms of accents do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path.casefold()).casefold())


def name_all(objects: pa.Table, taken: pa.ChunkedArray) -> Names:
    """A path for each row of `objects` (`COLUMNS` of them), unlike each other and unlike
    the paths that are `taken`, whatever the file system."""
    objects = objects.combine_chunks()
    artists = _folders(_artist_of(objects), NO_ARTIST)
    albums = _folders(_column(objects, "album"), NO_ALBUM)
    stems = pc.binary_join_element_wise(_numbers(objects), _titles(objects), "")
    files = _told_apart(artists, albums, stems, objects, taken)
    pairs = pc.binary_join_element_wise(artists, albums, "/")
    return Names(
        pc.binary_join_element_wise(pairs, files, "/"),
        _codes(artists),
        _codes(pairs),
        _bytes(artists),
        _bytes(albums),
        _bytes(files),
    )


def _artist_of(objects: pa.Table) -> pa.Array:
    lists = _column(objects, "artists")
    offsets = lists.offsets.to_numpy()
    first = lists.values.take(pa.array(offsets[:-1], mask=np.diff(offsets) == 0))
    named = _column(objects, "album_artist")
    return pc.if_else(pc.greater(pc.fill_null(pc.binary_length(named), 0), 0), named, first)


def _folders(texts: pa.Array, fallback: str) -> pa.Array:
    return _by_value(texts, lambda text: safe(text, FOLDER_BYTES) or fallback, fallback)


def _titles(objects: pa.Table) -> pa.Array:
    """Titles made safe; nearly all are already, which Arrow finds out faster than Python."""
    titles = pc.fill_null(_column(objects, "title"), "")
    plain = pc.and_(
        pc.match_substring_regex(titles, _PLAIN),
        pc.less_equal(pc.binary_length(titles), TITLE_BYTES),
    )
    plain = pc.and_not(plain, pc.ends_with(titles, "."))
    plain = pc.and_not(plain, pc.match_substring_regex(titles, _RESERVED))
    odd = titles.filter(pc.invert(plain))
    mended = _by_value(odd, lambda text: safe(text, TITLE_BYTES) or NO_TITLE, NO_TITLE)
    return pc.replace_with_mask(titles, pc.invert(plain), mended)


def _numbers(objects: pa.Table) -> pa.Array:
    """`03 `, on further discs `2-03 `, or nothing."""
    disc, track = (
        pc.fill_null(_column(objects, name), 0).cast(pa.int64())
        for name in ("disc_number", "track_number")
    )
    padded = pc.utf8_lpad(track.cast(pa.string()), 2, "0")
    disced = pc.binary_join_element_wise(disc.cast(pa.string()), padded, "-")
    text = pc.binary_join_element_wise(pc.if_else(pc.greater(disc, 1), disced, padded), "", " ")
    return pc.if_else(pc.greater(track, 0), text, "")


def _told_apart(
    artists: pa.Array, albums: pa.Array, stems: pa.Array, objects: pa.Table, taken: pa.ChunkedArray
) -> pa.Array:
    """File names: stems with suffixes, and with digits of the root where paths would be one."""
    suffixes = _by_value(
        _column(objects, "suffix"), lambda text: text if re.match(_SUFFIX, text) else "", ""
    )
    files = pc.binary_join_element_wise(stems, suffixes, "")
    used = np.zeros(len(files), np.int64)
    occupied = np.concatenate([np.empty(0, np.int64), *map(_hashes, taken.chunks)])
    for _ in range(2 * len(ROOT_DIGITS)):
        clashing = _clashing((artists, albums, files), taken, occupied)
        if not len(clashing):
            return files
        used[clashing] = np.minimum(used[clashing] + 1, len(ROOT_DIGITS) - 1)
        files = _with_roots(files, stems, suffixes, _column(objects, "root"), clashing, used)
    raise ReleaseError("names cannot be told apart", where=str(files[int(clashing[0])]))


def _clashing(
    parts: tuple[pa.Array, pa.Array, pa.Array], taken: pa.ChunkedArray, occupied: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows whose paths are those of others, or taken; `occupied` are the hashes of the latter.

    Hashes say which could be: only those are compared, so that millions of paths need not be held
    folded.
    """
    slices = (
        [part.slice(start, SLICE_ROWS) for part in parts]
        for start in range(0, len(parts[0]), SLICE_ROWS)
    )
    hashes = [_hashes(pc.binary_join_element_wise(*part, "/")) for part in slices]
    every = np.concatenate([*hashes, occupied])
    order = np.sort(every)
    twice = np.unique(order[1:][order[1:] == order[:-1]])
    suspects = np.flatnonzero(np.isin(every, twice))
    own = suspects[suspects < len(parts[0])]
    others = suspects[len(own) :] - len(parts[0])
    rows = (part.take(pa.array(own)) for part in parts)
    there = taken.take(pa.array(others)).combine_chunks()
    codes = _codes(_folded(pa.concat_arrays([pc.binary_join_element_wise(*rows, "/"), there])))
    counts = np.bincount(codes)
    return own[counts[codes[: len(own)]] > 1]


def _hashes(paths: pa.Array) -> NDArray[np.int64]:
    """A number for each path; paths that are one where capitals do not count have the same."""
    return np.fromiter(map(hash, _folded(paths).to_pylist()), np.int64, len(paths))


def _with_roots(
    files: pa.Array,
    stems: pa.Array,
    suffixes: pa.Array,
    roots: pa.Array,
    rows: NDArray[np.int64],
    used: NDArray[np.int64],
) -> pa.Array:
    columns = (column.take(pa.array(rows)).to_pylist() for column in (stems, suffixes, roots))
    names = [
        f"{stem} [{root.hex()[: ROOT_DIGITS[level]]}]{suffix}"
        for stem, suffix, root, level in zip(*columns, used[rows].tolist(), strict=True)
    ]
    mask = np.zeros(len(files), bool)
    mask[rows] = True
    return pc.replace_with_mask(files, pa.array(mask), pa.array(names, pa.string()))


def _folded(paths: pa.Array) -> pa.Array:
    """`fold` of each path; what is ASCII needs no Unicode tables."""
    lower = pc.ascii_lower(paths)
    wide = pc.invert(pc.string_is_ascii(paths))
    if not pc.any(wide).as_py():
        return lower
    folded = [fold(path) for path in paths.filter(wide).to_pylist()]
    return pc.replace_with_mask(lower, wide, pa.array(folded, pa.string()))


def _by_value(texts: pa.Array, change: Callable[[str], str], missing: str) -> pa.Array:
    """Each text changed by a function that is called once per value."""
    encoded = pc.fill_null(texts, missing).dictionary_encode()
    values = [change(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(encoded.indices)


def _column(table: pa.Table, name: str) -> pa.Array:
    chunked = table[name]
    return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()


def _codes(texts: pa.Array) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = texts.dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes


def _bytes(texts: pa.Array) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = pc.binary_length(texts).to_numpy().astype(np.int64)
    return lengths
