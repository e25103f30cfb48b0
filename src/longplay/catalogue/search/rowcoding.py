"""Rows of the row store as bytes: what few bytes say of a track, an album or an artist.

Rows lie in blocks of `BLOCK`; a row may say only how it differs from the one before it in its
block. `docs/formats/search.md` has the layout.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longplay.catalogue.compiled import compiled, whole
from longplay.catalogue.search.symbols import Bytes, Offsets, Words

Numbers = npt.NDArray[np.uint32]

BLOCK = 32
"""Rows that are read to get at one: 2 microseconds; and share an offset of 8 bytes."""

NOWHERE = np.uint32(2**32 - 1)

KNOWN_GENRES = 4096
"""Genres that have a number, at most; others are written out."""

SAME_ALBUM, SAME_ARTISTS, DURATION, ISRC, NEAR_ISRC, OTHER_RECORDING, EXPLICIT, MORE = (
    1, 2, 4, 8, 16, 32, 64, 128,
)  # fmt: skip
"""A track's first byte."""
EXPLICIT_UNKNOWN, DATE, MBID, GENRES, POPULARITY, MORE_ISRCS, NO_ALBUM, LONG = (
    1, 2, 4, 8, 16, 32, 64, 128,
)  # fmt: skip
"""Its second, if the first says `MORE`."""

SHORT_MS = 1 << 24
"""Durations below this (4.6 hours) take three bytes."""

NEAR = 1 << 27
"""ISRCs differ by less than this from the row before, to be written as a difference."""


@compiled
def put(out: Bytes, at: int, value: int) -> int:
    """Write a number, seven bits a byte, the lowest first; where it ends."""
    while value >= 128:
        out[at] = value & 127 | 128
        value >>= 7
        at += 1
    out[at] = value
    return at + 1


@compiled
def zigzag(value: int) -> int:
    """A number that may be negative as one that is not."""
    return value << 1 if value >= 0 else (-value << 1) - 1


@compiled
def put_bytes(out: Bytes, at: int, value: int, count: int) -> int:
    """Write the lowest bytes of a number, the lowest first; where they end."""
    for k in range(count):
        out[at + k] = value >> 8 * k & 255
    return at + count


@compiled
def put_text(out: Bytes, at: int, ends: Offsets, codes: Bytes, row: int, none: bool) -> int:
    """Write a text's codes after how many they are + 1 (0: no text); where they end."""
    if none:
        out[at] = 0
        return at + 1
    at = put(out, at, ends[row + 1] - ends[row] + 1)
    for k in range(ends[row], ends[row + 1]):
        out[at] = codes[k]
        at += 1
    return at


@compiled
def encode_tracks(  # noqa: PLR0912, PLR0915 - the fields of a row, one after the other
    title_ends: Offsets, titles: Bytes, no_title: npt.NDArray[np.bool_],
    albums: Numbers, artist_ends: Offsets, artists: Numbers, durations: npt.NDArray[np.int32],
    isrc_ends: Offsets, isrcs: Words, popularity: Numbers, same_as: Numbers, explicit: Bytes,
    dates: Numbers, has_mbid: npt.NDArray[np.bool_], mbids: Bytes,
    list_ends: Offsets, genres: Numbers, genre_ends: Offsets, genre_codes: Bytes,
    first: int, artist_bytes: int,
) -> tuple[Bytes, Offsets]:  # fmt: skip
    """Tracks, of which row 0 is number `first`: their bytes, and where each block begins."""
    rows = len(albums)
    room = 80 * rows + len(titles) + 5 * len(artists) + 10 * len(isrcs) + 64
    for genre in genres:
        room += 5
        if genre >= KNOWN_GENRES:
            room += genre_ends[genre - KNOWN_GENRES + 1] - genre_ends[genre - KNOWN_GENRES] + 5
    out = np.empty(room, np.uint8)
    blocks = np.zeros((rows + BLOCK - 1) // BLOCK, np.int64)
    at = 0
    for row in range(rows):
        start = row % BLOCK == 0
        if start:
            blocks[row // BLOCK] = at
        flags, more = 0, 0
        before = row - 1
        count = artist_ends[row + 1] - artist_ends[row]
        codes = isrc_ends[row + 1] - isrc_ends[row]
        album = whole(albums[row])
        if albums[row] == NOWHERE:
            more |= NO_ALBUM
        elif not start and albums[before] == albums[row]:
            flags |= SAME_ALBUM
        if not start and artist_ends[row] - artist_ends[before] == count:
            same = True
            for k in range(count):
                same = same and artists[artist_ends[row] + k] == artists[artist_ends[before] + k]
            flags |= SAME_ARTISTS if same else 0
        duration = whole(durations[row])
        if duration >= 0:
            flags |= DURATION
            more |= LONG if duration >= SHORT_MS else 0
        difference = whole(0)
        if codes:
            flags |= ISRC
            more |= MORE_ISRCS if codes > 1 else 0
            if not start and isrc_ends[row] > isrc_ends[before]:
                last = whole(isrcs[isrc_ends[before]])
                difference = whole(isrcs[isrc_ends[row]]) - last
                flags |= NEAR_ISRC if -NEAR < difference < NEAR else 0
        if same_as[row] != NOWHERE:
            flags |= OTHER_RECORDING
        if explicit[row] == 1:
            flags |= EXPLICIT
        elif explicit[row] > 1:
            more |= EXPLICIT_UNKNOWN
        more |= DATE if dates[row] else 0
        more |= MBID if has_mbid[row] else 0
        more |= GENRES if list_ends[row + 1] > list_ends[row] else 0
        if start or popularity[row] != popularity[before]:
            more |= POPULARITY
        out[at] = flags | (MORE if more else 0)
        at += 1
        if more:
            out[at] = more
            at += 1
        at = put_text(out, at, title_ends, titles, row, no_title[row])
        if not (flags & SAME_ALBUM or more & NO_ALBUM):
            known = not start and albums[before] != NOWHERE
            at = put(out, at, zigzag(album - (whole(albums[before]) if known else 0)))
        if not flags & SAME_ARTISTS:
            at = put(out, at, count)
            for k in range(artist_ends[row], artist_ends[row + 1]):
                at = put_bytes(out, at, whole(artists[k]), artist_bytes)
        if flags & DURATION:
            at = put_bytes(out, at, duration, 4 if more & LONG else 3)
        if flags & ISRC:
            if flags & NEAR_ISRC:
                at = put(out, at, zigzag(difference))
            else:
                at = put_bytes(out, at, whole(isrcs[isrc_ends[row]]), 7)
            if more & MORE_ISRCS:
                at = put(out, at, codes - 1)
                for k in range(isrc_ends[row] + 1, isrc_ends[row + 1]):
                    at = put_bytes(out, at, whole(isrcs[k]), 7)
        if flags & OTHER_RECORDING:
            at = put(out, at, zigzag(whole(same_as[row]) - (first + row)))
        if more & DATE:
            at = put_bytes(out, at, whole(dates[row]), 3)
        if more & MBID:
            for k in range(16):
                out[at + k] = mbids[16 * row + k]
            at += 16
        if more & POPULARITY:
            at = put_bytes(out, at, whole(popularity[row]), 4)
        if more & GENRES:
            at = put(out, at, list_ends[row + 1] - list_ends[row])
            for k in range(list_ends[row], list_ends[row + 1]):
                genre = whole(genres[k])
                if genre < KNOWN_GENRES:
                    at = put(out, at, genre + 1)
                else:
                    out[at] = 0
                    at = put_text(out, at + 1, genre_ends, genre_codes, genre - KNOWN_GENRES, False)
    return out[:at].copy(), blocks


@compiled
def encode_names(
    text_ends: Offsets, texts: Bytes, none: npt.NDArray[np.bool_], artist_ends: Offsets,
    artists: Numbers, dates: Numbers, credited: bool, artist_bytes: int,
) -> tuple[Bytes, Offsets]:  # fmt: skip
    """Albums (`credited`: with artists and dates) or artists: their bytes; where blocks begin."""
    rows = len(none)
    out = np.empty(20 * rows + len(texts) + 5 * len(artists) + 64, np.uint8)
    blocks = np.zeros((rows + BLOCK - 1) // BLOCK, np.int64)
    at = 0
    for row in range(rows):
        if row % BLOCK == 0:
            blocks[row // BLOCK] = at
        at = put_text(out, at, text_ends, texts, row, none[row])
        if credited:
            at = put(out, at, artist_ends[row + 1] - artist_ends[row])
            for k in range(artist_ends[row], artist_ends[row + 1]):
                at = put_bytes(out, at, whole(artists[k]), artist_bytes)
            at = put_bytes(out, at, whole(dates[row]), 3)
    return out[:at].copy(), blocks


@compiled
def pack_isrcs(offsets: Offsets, data: Bytes) -> Words:
    """ISRCs as numbers: five signs in base 36, then seven digits, plus 1; 0 for what is none."""
    found = np.zeros(len(offsets) - 1, np.uint64)
    for row in range(len(found)):
        begin = offsets[row]
        if offsets[row + 1] - begin != 12:
            continue
        value, sound = whole(0), True
        for k in range(12):
            sign = whole(data[begin + k])
            digit = sign - 48 if sign < 58 else sign - 55
            base = 36 if k < 5 else 10
            sound = sound and 0 <= digit < base and not 57 < sign < 65
            value = value * base + digit
        if sound:
            found[row] = np.uint64(value + 1)
    return found


@compiled
def pack_dates(offsets: Offsets, data: Bytes) -> Numbers:
    """Dates (`1999`, `1999-05`, `1999-05-01`) as numbers: year << 9 | month << 5 | day; 0 for what
    is none."""
    found = np.zeros(len(offsets) - 1, np.uint32)
    for row in range(len(found)):
        begin, size = offsets[row], offsets[row + 1] - offsets[row]
        if size not in (4, 7, 10):
            continue
        parts, part, sound = np.zeros(3, np.int64), 0, True
        for k in range(size):
            sign = whole(data[begin + k])
            if k in (4, 7):
                sound = sound and sign == 45
                part += 1
            else:
                sound = sound and 48 <= sign <= 57
                parts[part] = parts[part] * 10 + sign - 48
        if sound and parts[1] < 16 and parts[2] < 32:
            found[row] = parts[0] << 9 | parts[1] << 5 | parts[2]
    return found


@compiled
def pack_mbids(offsets: Offsets, data: Bytes) -> tuple[Bytes, npt.NDArray[np.bool_]]:
    """MBIDs as 16 bytes each, and which rows have one."""
    rows = len(offsets) - 1
    found, sound = np.zeros(16 * rows, np.uint8), np.zeros(rows, np.bool_)
    for row in range(rows):
        if offsets[row + 1] - offsets[row] != 36:
            continue
        sound[row], digits = True, 0
        for k in range(36):
            sign = whole(data[offsets[row] + k])
            if k in (8, 13, 18, 23):
                continue
            digit = sign - 48 if sign < 58 else sign - 87
            sound[row] = sound[row] and 0 <= digit < 16
            found[16 * row + (digits >> 1)] |= (digit & 15) << (4 if digits % 2 == 0 else 0)
            digits += 1
    return found, sound
