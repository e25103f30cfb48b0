"""Rows of the row store out of their bytes. Whatever the bytes are, reading ends, and never leaves
them: a damaged block is told, not followed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, whole
from longplay.catalogue.search.rowcoding import (
    DATE,
    DURATION,
    EXPLICIT,
    EXPLICIT_UNKNOWN,
    GENRES,
    ISRC,
    LONG,
    MBID,
    MORE,
    MORE_ISRCS,
    NEAR_ISRC,
    NO_ALBUM,
    NOWHERE,
    OTHER_RECORDING,
    POPULARITY,
    SAME_ALBUM,
    SAME_ARTISTS,
)
from longplay.catalogue.search.symbols import Bytes, Offsets

Numbers = npt.NDArray[np.uint32]

TITLE_AT, TITLE_END, ALBUM, ARTISTS_AT, ARTISTS, DURATION_MS, ISRC_VALUE, ISRCS_AT, ISRCS = range(9)
STANDS_FOR, EXPLICIT_VALUE, DATE_VALUE, MBID_AT, POPULARITY_BITS, GENRES_AT, GENRE_COUNT = range(
    9, 16
)
FIELDS = 16
"""What `find_tracks` says of a row: values, or where in the bytes a field lies (-1: nowhere)."""


@compiled
def take(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """A number written by `rowcoding.put`, and where it ends: after `end` if it is cut short."""
    value, shift = whole(0), 0
    while at < end and shift < 63:
        byte = whole(data[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return 0, end + 1


@compiled
def take_bytes(data: Bytes, at: int, end: int, count: int) -> tuple[int, int]:
    """A number of `count` bytes, and where it ends."""
    if at + count > end:
        return 0, end + 1
    value = whole(0)
    for k in range(count):
        value |= whole(data[at + k]) << 8 * k
    return value, at + count


@compiled
def unzigzag(value: int) -> int:
    """The number that `rowcoding.zigzag` was given."""
    return value >> 1 if not value & 1 else -((value + 1) >> 1)


@compiled
def skip_text(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Where a text's codes begin (-1: no text), and where they end."""
    size, at = take(data, at, end)
    if size == 0:
        return -1, at
    return (at, at + size - 1) if size - 1 <= end - at else (-1, end + 1)


@compiled
def find_tracks(  # noqa: PLR0912, PLR0915 - the fields of a row, one after the other
    data: Bytes,
    begins: Offsets,
    ends: Offsets,
    places: Offsets,
    numbers: Offsets,
    artist_bytes: int,
) -> tuple[npt.NDArray[np.int64], bool]:
    """The fields of row `places[i]` of the block at `begins[i]`, for each i; `numbers[i]` is its
    track's number. And whether all blocks are sound."""
    found = np.full((len(begins), FIELDS), -1, np.int64)
    for i in range(len(begins)):
        at, end = begins[i], ends[i]
        album, isrc, popularity = whole(-1), whole(0), whole(0)
        artists_at, artists = whole(-1), whole(0)
        for row in range(places[i] + 1):
            flags, at = take_bytes(data, at, end, 1)
            more = whole(0)
            if flags & MORE:
                more, at = take_bytes(data, at, end, 1)
            title_at, at = skip_text(data, at, end)
            title_end = at
            if more & NO_ALBUM:
                album = whole(-1)
            elif not flags & SAME_ALBUM:
                step, at = take(data, at, end)
                album = max(album, 0) + unzigzag(step)
            if not flags & SAME_ARTISTS:
                artists, at = take(data, at, end)
                artists_at = at
                if artists > end - at:
                    return found, False
                at += artist_bytes * artists
            duration = whole(-1)
            if flags & DURATION:
                duration, at = take_bytes(data, at, end, 4 if more & LONG else 3)
            isrcs, isrcs_at = 0, whole(-1)
            if flags & ISRC:
                isrcs = 1
                if flags & NEAR_ISRC:
                    step, at = take(data, at, end)
                    isrc += unzigzag(step)
                else:
                    isrc, at = take_bytes(data, at, end, 7)
                if more & MORE_ISRCS:
                    others, at = take(data, at, end)
                    if others > end - at:
                        return found, False
                    isrcs, isrcs_at = 1 + others, at
                    at += 7 * others
            stands_for = numbers[i] - places[i] + row
            if flags & OTHER_RECORDING:
                step, at = take(data, at, end)
                stands_for += unzigzag(step)
            date, mbid_at = whole(0), whole(-1)
            if more & DATE:
                date, at = take_bytes(data, at, end, 3)
            if more & MBID:
                mbid_at = at
                at += 16
            if more & POPULARITY:
                popularity, at = take_bytes(data, at, end, 4)
            genres_at, genres = whole(-1), whole(0)
            if more & GENRES:
                genres, at = take(data, at, end)
                genres_at = at
                if genres > end - at:
                    return found, False
                for _ in range(genres):
                    genre, at = take(data, at, end)
                    if genre == 0:
                        _, at = skip_text(data, at, end)
            if at > end:
                return found, False
            # Of the block's other rows no more is kept than what the next ones build on.
            if not flags & ISRC:
                isrcs, isrcs_at = 0, whole(-1)
            if row < places[i]:
                continue
            found[i, TITLE_AT], found[i, TITLE_END] = title_at, title_end
            found[i, ALBUM], found[i, ARTISTS_AT], found[i, ARTISTS] = album, artists_at, artists
            found[i, DURATION_MS] = duration
            found[i, ISRC_VALUE], found[i, ISRCS_AT], found[i, ISRCS] = isrc, isrcs_at, isrcs
            found[i, STANDS_FOR] = stands_for
            explicit = 1 if flags & EXPLICIT else 0
            found[i, EXPLICIT_VALUE] = -1 if more & EXPLICIT_UNKNOWN else explicit
            found[i, DATE_VALUE], found[i, MBID_AT] = date, mbid_at
            found[i, POPULARITY_BITS] = popularity
            found[i, GENRES_AT], found[i, GENRE_COUNT] = genres_at, genres
    return found, True


@compiled
def find_names(
    data: Bytes, begins: Offsets, ends: Offsets, places: Offsets, credited: bool, artist_bytes: int
) -> tuple[npt.NDArray[np.int64], bool]:
    """The fields of albums (`credited`) or artists: text, artists and date, as `find_tracks`."""
    found = np.full((len(begins), FIELDS), -1, np.int64)
    for i in range(len(begins)):
        at, end = begins[i], ends[i]
        for _ in range(places[i] + 1):
            title_at, at = skip_text(data, at, end)
            title_end = at
            artists, artists_at, date = whole(0), whole(-1), whole(0)
            if credited:
                artists, at = take(data, at, end)
                artists_at = at
                if artists > end - at:
                    return found, False
                at += artist_bytes * artists
                date, at = take_bytes(data, at, end, 3)
            if at > end:
                return found, False
            found[i, TITLE_AT], found[i, TITLE_END] = title_at, title_end
            found[i, ARTISTS_AT], found[i, ARTISTS] = artists_at, artists
            found[i, DATE_VALUE] = date
    return found, True


@compiled
def numbers_at(data: Bytes, at: Offsets, counts: Offsets, end: int, width: int) -> Numbers:
    """Lists of numbers of `width` bytes each, one after the other; `NOWHERE` for the highest."""
    out = np.empty(counts.sum(), np.uint32)
    highest = (1 << 8 * width) - 1
    size = 0
    for row in range(len(at)):
        here = at[row]
        for _ in range(counts[row]):
            value, here = take_bytes(data, here, end, width)
            out[size] = NOWHERE if value == highest else np.uint32(value)
            size += 1
    return out


@compiled
def isrc_values(
    data: Bytes, firsts: Offsets, at: Offsets, counts: Offsets, end: int
) -> npt.NDArray[np.int64]:
    """All ISRCs of rows, packed: the first of each, then those that lie at `at`."""
    out = np.empty(counts.sum(), np.int64)
    size = 0
    for row in range(len(firsts)):
        for k in range(counts[row]):
            value = firsts[row]
            if k:
                value, _ = take_bytes(data, at[row] + 7 * (k - 1), end, 7)
            out[size] = value
            size += 1
    return out


@compiled
def genres_at(
    data: Bytes, at: Offsets, counts: Offsets, end: int
) -> tuple[Offsets, Offsets, Offsets]:
    """Lists of genres, one after the other: their numbers + 1, or 0 and where their codes begin and
    end."""
    numbers = np.zeros(counts.sum(), np.int64)
    begins, ends = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
    size = 0
    for row in range(len(at)):
        here = at[row]
        for _ in range(counts[row]):
            numbers[size], here = take(data, here, end)
            if numbers[size] == 0:
                begin, here = skip_text(data, here, end)
                begins[size], ends[size] = max(begin, 0), here if begin >= 0 else 0
            size += 1
    return numbers, begins, ends


@compiled
def isrc_texts(values: npt.NDArray[np.int64]) -> Bytes:
    """Packed ISRCs as 12 signs each."""
    out = np.empty(12 * len(values), np.uint8)
    for row in range(len(values)):
        value = values[row] - 1
        for k in range(11, -1, -1):
            base = 36 if k < 5 else 10
            digit = value % base
            value //= base
            out[12 * row + k] = digit + 48 if digit < 10 else digit + 55
    return out
