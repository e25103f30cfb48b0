"""The row store: what is shown of tracks, albums and artists, by number, without Parquet.

Derived, and made to be small and to give any row in microseconds. Of a track's dates and ISRCs only
those in their normal form are kept; Parquet has all.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longplay.catalogue import keys
from longplay.catalogue.compiled import string_buffers
from longplay.catalogue.search import files, rowcoding, rowdecoding, symbols
from longplay.catalogue.search.rowcoding import BLOCK, NOWHERE
from longplay.catalogue.search.symbols import Bytes, Offsets, Symbols

Documents = npt.NDArray[np.uint32]
Fields = npt.NDArray[np.int64]

TRACKS, ALBUMS, ARTISTS = "tracks.rows", "albums.rows", "artists.rows"
COLUMNS = {
    TRACKS: [
        "own_id", "title", "artists", "album", "duration_ms", "isrcs", "recording_mbid",
        "release_date", "genres", "explicit", "popularity", "same_as",
    ],
    ALBUMS: ["title", "artists", "release_date"],
    ARTISTS: ["name"],
}  # fmt: skip
"""The columns of the tables that the row store is made from."""

OFTEN = 8
"""Times that a genre is met in the sample, to be worth a number."""

MOST_GENRES = 5
"""Genres of a track that are shown."""

NO_POPULARITY = np.uint32(0x7FC00000)
"""The bits of the number that is none."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Some rows' bytes, where each block begins in them, how many rows; and of tracks the keys."""

    data: Bytes
    blocks: Offsets
    rows: int
    keys: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Coding:
    """How the rows of a table are written: the table of `symbols`, the genres that have a number,
    and the bytes of an artist's number."""

    table: Symbols
    genres: tuple[str, ...]
    artist_bytes: int


def learn(name: str, samples: Sequence[pa.RecordBatch], artists: int) -> Coding:
    """How to write a table, from some of its rows, with columns `COLUMNS[name]`; `artists` is how
    many artists there are."""
    names = [rows["name" if name == ARTISTS else "title"] for rows in samples]
    table = symbols.learn(pa.concat_arrays([pa.array([], pa.string()), *names]))
    genres: tuple[str, ...] = ()
    if name == TRACKS:
        lists = pa.chunked_array([rows["genres"] for rows in samples], pa.list_(pa.string()))
        counts = pc.list_flatten(lists).drop_null().value_counts().to_pylist()
        counts.sort(key=lambda each: (-each["counts"], each["values"]))
        frequent = (each["values"] for each in counts if each["counts"] >= OFTEN)
        genres = tuple(itertools.islice(frequent, rowcoding.KNOWN_GENRES))
    # The highest number of so many bytes stands for none.
    return Coding(table, genres, max(1, -(-(artists + 1).bit_length() // 8)))


def encode(name: str, rows: pa.RecordBatch, first: int, coding: Coding, source: str) -> Encoded:
    """The rows of a table from number `first` on, with the columns `COLUMNS[name]`."""
    titles = rows["name" if name == ARTISTS else "title"]
    missing = titles.is_null().to_numpy(zero_copy_only=False)
    codes = symbols.shortened(*string_buffers(titles), coding.table)
    if name == TRACKS:
        fields = (*codes, missing, *_track_fields(rows, coding), first, coding.artist_bytes)
        data, blocks = rowcoding.encode_tracks(*fields)
        return Encoded(data, blocks, len(rows), keys.row_keys("tr", source, rows["own_id"]))
    ends, artists = np.zeros(1, np.int64), np.zeros(0, np.uint32)
    dates = np.zeros(0, np.uint32)
    if name == ALBUMS:
        ends, artists = _lists(rows["artists"])
        dates = rowcoding.pack_dates(*string_buffers(rows["release_date"]))
    data, blocks = rowcoding.encode_names(
        *codes, missing, ends, artists, dates, name == ALBUMS, coding.artist_bytes
    )
    return Encoded(data, blocks, len(rows), np.zeros(0, np.uint64))


def _track_fields(rows: pa.RecordBatch, coding: Coding) -> Any:
    """The arrays that `rowcoding.encode_tracks` takes after the titles."""
    isrcs = rows["isrcs"]
    packed = rowcoding.pack_isrcs(*string_buffers(isrcs.flatten()))
    isrc_ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(packed != 0)])[_ends(isrcs)]
    has_mbid_and_bytes = rowcoding.pack_mbids(*string_buffers(rows["recording_mbid"]))
    genres = pc.list_slice(rows["genres"], 0, MOST_GENRES)
    popularity = rows["popularity"].to_numpy(zero_copy_only=False).astype(np.float32)
    bits = np.where(np.isnan(popularity), NO_POPULARITY, popularity.view(np.uint32))
    return (
        rows["album"].fill_null(int(NOWHERE)).to_numpy(),
        *_lists(rows["artists"]),
        rows["duration_ms"].fill_null(-1).to_numpy(),
        isrc_ends,
        packed[packed != 0],
        bits,
        rows["same_as"].fill_null(int(NOWHERE)).to_numpy(),
        rows["explicit"].cast(pa.uint8()).fill_null(2).to_numpy(),
        rowcoding.pack_dates(*string_buffers(rows["release_date"])),
        has_mbid_and_bytes[1],
        has_mbid_and_bytes[0],
        _ends(genres),
        *_genre_fields(genres.flatten(), coding),
    )


def _genre_fields(genres: pa.Array, coding: Coding) -> Any:
    """The numbers of genres, those that the table lacks after all it can have; and their codes."""
    coded = genres.fill_null("").dictionary_encode()
    known = {genre: number for number, genre in enumerate(coding.genres)}
    others: list[str] = []
    numbers = np.zeros(len(coded.dictionary), np.uint32)
    for place, genre in enumerate(coded.dictionary.to_pylist()):
        numbers[place] = known.get(genre, rowcoding.KNOWN_GENRES + len(others))
        if genre not in known:
            others.append(genre)
    texts = string_buffers(pa.array(others, pa.string()))
    return (numbers[coded.indices.to_numpy()], *symbols.shortened(*texts, coding.table))


def _ends(column: pa.ListArray) -> Offsets:
    """Where each list begins in the flattened column, and the end."""
    lengths = column.value_lengths().fill_null(0).to_numpy()
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _lists(column: pa.ListArray) -> tuple[Offsets, npt.NDArray[np.uint32]]:
    return _ends(column), column.flatten().fill_null(int(NOWHERE)).to_numpy()


class Writer:
    """Writes one table of the row store, from encoded parts in their order."""

    def __init__(self, path: Path, coding: Coding) -> None:
        self._file = files.Writer(path)
        self._coding = coding
        self._blocks: list[Offsets] = []
        self._first_rows, self._first_blocks, self._size = [0], [0], 0
        self._keys: list[npt.NDArray[np.uint64]] = []

    def write(self, parts: Iterator[Encoded]) -> int:
        """Write all parts, and the file's end; its size in bytes."""
        self._file.array("data", "u1", self._pieces(parts))
        self._file.array("blocks", "<i8", [*self._blocks, np.array([self._size], np.int64)])
        self._file.array("keys", "<u8", self._keys)
        self._file.array("first_rows", "<i8", [np.array(self._first_rows, np.int64)])
        self._file.array("first_blocks", "<i8", [np.array(self._first_blocks, np.int64)])
        table = self._coding.table
        self._file.array("values", "<u8", [table.values])
        self._file.array("lengths", "u1", [table.lengths])
        self._file.array("word_ends", "<i8", [table.word_ends])
        self._file.array("words", "u1", [table.words])
        genres = json.dumps(self._coding.genres).encode()
        self._file.array("genres", "u1", [np.frombuffer(genres, np.uint8)])
        return self._file.finish(
            {"rows": self._first_rows[-1], "artist_bytes": self._coding.artist_bytes}
        )

    def _pieces(self, parts: Iterator[Encoded]) -> Iterator[Bytes]:
        for part in parts:
            self._blocks.append(part.blocks + self._size)
            self._keys.append(part.keys)
            self._size += len(part.data)
            self._first_rows.append(self._first_rows[-1] + part.rows)
            self._first_blocks.append(self._first_blocks[-1] + len(part.blocks))
            yield part.data


@dataclass(frozen=True, slots=True)
class Rows:
    """An open table of the row store. Part p has the rows from `first_rows[p]` on, in blocks from
    `first_blocks[p]` on; block b is `data[blocks[b]:blocks[b + 1]]`."""

    data: Bytes
    blocks: Offsets
    keys: npt.NDArray[np.uint64]
    first_rows: Offsets
    first_blocks: Offsets
    coding: Coding
    path: Path

    @classmethod
    def open(cls, path: Path) -> Rows:
        """Map a table. Raises ArchiveError when it is missing or damaged."""
        file = files.open_arrays(path)
        data, row_keys = file.part("data", "u1"), file.part("keys", "<u8")
        blocks, first_rows, first_blocks = (
            file.part(name, "<i8") for name in ("blocks", "first_rows", "first_blocks")
        )
        sound = (
            len(blocks) > 0
            and int(blocks[-1]) == len(data)
            and files.rises(first_rows, file.number("rows"))
            and files.rises(first_blocks, len(blocks) - 1)
            and len(first_rows) == len(first_blocks)
            and bool((np.diff(first_blocks) == -(-np.diff(first_rows) // BLOCK)).all())
            and len(row_keys) == (int(first_rows[-1]) if path.name == TRACKS else 0)
        )
        if not sound:
            raise files.damaged(path)
        return cls(data, blocks, row_keys, first_rows, first_blocks, _coding(file), path)

    def __len__(self) -> int:
        return int(self.first_rows[-1])

    def fields(self, numbers: Offsets) -> Fields:
        """What the bytes say of rows: see `rowdecoding.FIELDS`. Raises IndexError for rows that
        there are not, ArchiveError when a block is damaged."""
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"{self.path.name} has {len(self)} rows")
        part = np.searchsorted(self.first_rows, numbers, side="right") - 1
        inside = numbers - self.first_rows[part]
        block = self.first_blocks[part] + inside // BLOCK
        begins, ends = self.blocks[block], self.blocks[block + 1]
        if ((begins < 0) | (begins > ends) | (ends > len(self.data))).any():
            raise files.damaged(self.path)
        where = self.data, begins, ends, inside % BLOCK
        if self.path.name == TRACKS:
            found, sound = rowdecoding.find_tracks(*where, numbers, self.coding.artist_bytes)
        else:
            credited = self.path.name == ALBUMS
            found, sound = rowdecoding.find_names(*where, credited, self.coding.artist_bytes)
        if not sound:
            raise files.damaged(self.path)
        return found

    def texts(self, begins: Offsets, ends: Offsets) -> pa.Array:
        """The texts of codes; null where `begins` is -1."""
        none = begins < 0
        offsets, data = symbols.restored(
            self.data, np.where(none, 0, begins), np.where(none, 0, ends), self.coding.table
        )
        return _strings(offsets, data, ~none)

    def lists(self, found: Fields) -> tuple[Offsets, Documents]:
        """The artists of rows: where each list ends (after a 0), and their numbers."""
        counts = found[:, rowdecoding.ARTISTS].copy()
        at = found[:, rowdecoding.ARTISTS_AT].copy()
        width = self.coding.artist_bytes
        numbers = rowdecoding.numbers_at(self.data, at, counts, len(self.data), width)
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), numbers


@dataclass(frozen=True, slots=True)
class RowStore:
    """The three tables of a layer, open."""

    tracks: Rows
    albums: Rows
    artists: Rows

    @classmethod
    def open(cls, folder: Path) -> RowStore:
        """Map them. Raises ArchiveError when one is missing or damaged."""
        return cls(*(Rows.open(folder / name) for name in (TRACKS, ALBUMS, ARTISTS)))

    def track_rows(self, documents: Documents) -> pa.Table:
        """Tracks in the order asked for: `number`, `key`, `title`, `artists` (names),
        `artist_numbers`, `album` (title), `album_number`, `year`, `release_date` (the album's where
        the track has none), `duration_ms`, `isrcs`, `recording_mbid`, `explicit`, `popularity`,
        `genres` (the first few), `same_as` and `standing` (key of the track that stands for its
        recording)."""
        numbers = documents.astype(np.int64)
        found = self.tracks.fields(numbers)
        albums = found[:, rowdecoding.ALBUM]
        has_album = (albums >= 0) & (albums < len(self.albums))
        album_fields = self.albums.fields(albums[has_album])
        titles, dates = _spread(self.albums, album_fields, has_album)
        dates = np.where(
            found[:, rowdecoding.DATE_VALUE] > 0, found[:, rowdecoding.DATE_VALUE], dates
        )
        ends, artists = self.tracks.lists(found)
        stands_for = self._standing(found)
        own = stands_for == numbers
        return pa.table(
            {
                "number": pa.array(documents, pa.uint32()),
                "key": pa.array(self.tracks.keys[numbers], pa.uint64()),
                "title": self._titles(found),
                "artists": _list(ends, self._artist_names(artists)),
                "artist_numbers": _list(ends, _numbers(artists)),
                "album": titles,
                "album_number": pa.array(albums, pa.uint32(), mask=~has_album),
                "year": pa.array(dates >> 9, pa.int32(), mask=dates >> 9 == 0),
                "release_date": _dates(dates),
                **self._plain_columns(found),
                "same_as": pa.array(stands_for, pa.uint32(), mask=own),
                "standing": pa.array(self.tracks.keys[stands_for], pa.uint64()),
            }
        )

    def stands_for(self, documents: Documents) -> Documents:
        """The tracks that stand for the recordings of these."""
        found = self.tracks.fields(documents.astype(np.int64))
        return self._standing(found).astype(np.uint32)

    def standing(self, documents: Documents) -> npt.NDArray[np.uint64]:
        """The keys of the tracks that stand for the recordings of these."""
        return self.tracks.keys[self.stands_for(documents)]

    def popularity(self, documents: Documents) -> npt.NDArray[np.float32]:
        """The popularity of tracks as their source says, -1 where it does not."""
        found = self.tracks.fields(documents.astype(np.int64))
        bits = found[:, rowdecoding.POPULARITY_BITS].astype(np.uint32)
        return np.where(bits == NO_POPULARITY, np.float32(-1), bits.view(np.float32))

    def evidence(self, documents: Documents) -> pa.RecordBatch:
        """What tracks are matched by, in the order asked for: `key`, `standing` (key of the track
        that stands for its recording), `title`, `first_artist` (name), `isrcs`, `recording_mbid`,
        `duration_ms`."""
        numbers = documents.astype(np.int64)
        found = self.tracks.fields(numbers)
        ends, artists = self.tracks.lists(found)
        credited = ends[1:] > ends[:-1]
        firsts = np.full(len(documents), NOWHERE)
        firsts[credited] = artists[ends[:-1][credited]]
        return pa.record_batch(
            {
                "key": pa.array(self.tracks.keys[numbers], pa.uint64()),
                "standing": pa.array(self.tracks.keys[self._standing(found)], pa.uint64()),
                "title": self._titles(found),
                "first_artist": self._artist_names(firsts),
                "isrcs": self._isrcs(found),
                "recording_mbid": self._mbids(found[:, rowdecoding.MBID_AT]),
                "duration_ms": _durations(found),
            }
        )

    def names(self, numbers: Offsets) -> tuple[pa.Array, pa.Array, Offsets, pa.Array]:
        """What tracks are found by: titles, titles of their albums, and their artists' names, with
        where each track's begin."""
        found = self.tracks.fields(numbers)
        albums = found[:, rowdecoding.ALBUM]
        has_album = (albums >= 0) & (albums < len(self.albums))
        album_titles, _ = _spread(self.albums, self.albums.fields(albums[has_album]), has_album)
        titles = self._titles(found)
        ends, artists = self.tracks.lists(found)
        return titles, album_titles, ends, self._artist_names(artists)

    def _standing(self, found: Fields) -> Offsets:
        """The numbers of the tracks that stand for tracks."""
        stands_for: Offsets = np.clip(found[:, rowdecoding.STANDS_FOR], 0, len(self.tracks) - 1)
        return stands_for

    def _titles(self, found: Fields) -> pa.Array:
        return self.tracks.texts(found[:, rowdecoding.TITLE_AT], found[:, rowdecoding.TITLE_END])

    def _plain_columns(self, found: Fields) -> dict[str, pa.Array]:
        """The columns that need no other table."""
        explicit = found[:, rowdecoding.EXPLICIT_VALUE]
        bits = found[:, rowdecoding.POPULARITY_BITS].astype(np.uint32)
        return {
            "duration_ms": _durations(found),
            "isrcs": self._isrcs(found),
            "recording_mbid": self._mbids(found[:, rowdecoding.MBID_AT]),
            "explicit": pa.array(explicit > 0, pa.bool_(), mask=explicit < 0),
            "popularity": pa.array(bits.view(np.float32), mask=bits == NO_POPULARITY),
            "genres": self._genres(found),
        }

    def album_rows(self, numbers: Documents) -> pa.Table:
        """Albums in the order asked for: `number`, `title`, `artists`, `artist_numbers`, `year`,
        `release_date`."""
        found = self.albums.fields(numbers.astype(np.int64))
        ends, artists = self.albums.lists(found)
        dates = found[:, rowdecoding.DATE_VALUE]
        return pa.table(
            {
                "number": pa.array(numbers, pa.uint32()),
                "title": self.albums.texts(
                    found[:, rowdecoding.TITLE_AT], found[:, rowdecoding.TITLE_END]
                ),
                "artists": _list(ends, self._artist_names(artists)),
                "artist_numbers": _list(ends, _numbers(artists)),
                "year": pa.array(dates >> 9, pa.int32(), mask=dates >> 9 == 0),
                "release_date": _dates(dates),
            }
        )

    def artist_rows(self, numbers: Documents) -> pa.Table:
        """Artists in the order asked for: `number`, `name`."""
        return pa.table(
            {"number": pa.array(numbers, pa.uint32()), "name": self._artist_names(numbers)}
        )

    def _artist_names(self, numbers: Documents) -> pa.Array:
        known = numbers < len(self.artists)
        found = self.artists.fields(numbers[known].astype(np.int64))
        return _spread(self.artists, found, known)[0]

    def _isrcs(self, found: Fields) -> pa.Array:
        counts = found[:, rowdecoding.ISRCS].copy()
        values = rowdecoding.isrc_values(
            self.tracks.data,
            found[:, rowdecoding.ISRC_VALUE].copy(),
            found[:, rowdecoding.ISRCS_AT].copy(),
            counts,
            len(self.tracks.data),
        )
        texts = rowdecoding.isrc_texts(values)
        offsets = np.arange(len(values) + 1, dtype=np.int64) * 12
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return _list(ends, _strings(offsets, texts, np.ones(len(values), np.bool_)))

    def _mbids(self, at: Offsets) -> pa.Array:
        texts: list[str | None] = []
        for place in at.tolist():
            digits = self.tracks.data[place : place + 16].tobytes().hex()
            parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
            texts.append("-".join(parts) if place >= 0 else None)
        return pa.array(texts, pa.string())

    def _genres(self, found: Fields) -> pa.Array:
        counts = found[:, rowdecoding.GENRE_COUNT].copy()
        at = found[:, rowdecoding.GENRES_AT].copy()
        data = self.tracks.data
        numbers, begins, ends = rowdecoding.genres_at(data, at, counts, len(data))
        written = self.tracks.texts(begins, ends).to_pylist()
        known = self.tracks.coding.genres
        texts = [
            known[number - 1] if 0 < number <= len(known) else text
            for number, text in zip(numbers.tolist(), written, strict=True)
        ]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return _list(offsets, pa.array(texts, pa.string()))


def _coding(file: files.Arrays) -> Coding:
    """How a file is written. Raises ArchiveError when that cannot be."""
    values, lengths = file.part("values", "<u8"), file.part("lengths", "u1")
    word_ends, words = file.part("word_ends", "<i8"), file.part("words", "u1")
    artist_bytes = file.number("artist_bytes")
    try:
        genres = json.loads(file.part("genres", "u1").tobytes())
    except ValueError as error:
        raise files.damaged(file.path) from error
    sound = (
        len(values) == len(lengths) <= symbols.SHORT_WORD
        and bool((lengths <= symbols.LONGEST).all())
        and len(word_ends) <= symbols.MOST_WORDS
        and (files.rises(word_ends, len(words)) or not len(word_ends))
        and int(np.diff(word_ends).max(initial=0)) <= symbols.LONGEST_WORD
        and 0 < artist_bytes <= 4
        and isinstance(genres, list)
        and all(isinstance(genre, str) for genre in genres)
    )
    if not sound:
        raise files.damaged(file.path)
    return Coding(symbols.reading(values, lengths, word_ends, words), tuple(genres), artist_bytes)


def _spread(
    rows: Rows, found: Fields, where: npt.NDArray[np.bool_]
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Names and dates of rows, at the places that have a row; nulls and 0 elsewhere."""
    fields = np.full((len(where), rowdecoding.FIELDS), -1, np.int64)
    fields[where] = found
    texts = rows.texts(fields[:, rowdecoding.TITLE_AT], fields[:, rowdecoding.TITLE_END])
    return texts, np.maximum(fields[:, rowdecoding.DATE_VALUE], 0)


def _strings(offsets: Offsets, data: Bytes, known: npt.NDArray[np.bool_]) -> pa.Array:
    """A column of texts; what is damaged UTF-8 is shown as such."""
    column = pa.Array.from_buffers(
        pa.large_binary(), len(known), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid:
        texts = pa.array([raw.decode(errors="replace") for raw in column.to_pylist()], pa.string())
    return (
        texts if known.all() else pc.if_else(pa.array(known), texts, pa.scalar(None, pa.string()))
    )


def _durations(found: Fields) -> pa.Array:
    durations = found[:, rowdecoding.DURATION_MS]
    return pa.array(durations, pa.int32(), mask=durations < 0)


def _numbers(numbers: Documents) -> pa.Array:
    return pa.array(numbers, pa.uint32(), mask=numbers == NOWHERE)


def _list(ends: Offsets, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)


def _dates(packed: npt.NDArray[np.int64]) -> pa.Array:
    texts: list[str | None] = []
    for date in packed.tolist():
        parts = (f"{date >> 9:04d}", f"-{date >> 5 & 15:02d}", f"-{date & 31:02d}")
        known = 3 if date & 31 else 2 if date & 511 else 1
        texts.append("".join(parts[:known]) if date else None)
    return pa.array(texts, pa.string())
