"""Rows of the library's file as the things that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import orjson

from longplay.access.library.hearing import Hearing, rows
from longplay.access.library.layout import ROLES
from longplay.access.library.things import Album, Artist, ReplayGain, Sum, Track
from longplay.audio.tags import media_type_of
from longplay.model import Kind

REMEMBERED = 4096
"""Lists of names that are not read again: the tracks of an album have the same."""

COVER = "co-"
"""What the ids of covers begin with; the picture's root follows."""

_TRACK = (
    "id, recording, title, artist, artists, album, album_id, album_artist, album_artists,"
    " track_number, disc_number, year, release_date, genres, duration_ms, bytes, suffix, bit_rate,"
    " sample_rate, bit_depth, channels, isrc, mbid, popularity, listens, path, folder, created,"
    " access, root, {0}cover, track_gain, album_gain, track_peak, album_peak, composers,"
    " conductors, licence, explicit, start_ms, end_ms"
)
_UNMEASURED = (None, None, None, None)

_ALBUM = (
    "id, title, artist, artists, year, release_date, genres, {0}tracks, {0}duration_ms, created,"
    " {0}cover, mbid, label, popularity, explicit, discs, compilation"
)
_ARTIST = "id, name, sort_name, {0}albums, {0}tracks, {0}cover, mbid, {0}roles"


def tracks(heard: Hearing, numbers: Iterable[int]) -> list[Track]:
    """The tracks of these numbers, in that order."""
    return [_track(row) for row in rows(heard.opened, "track", _TRACK.format(_of(heard)), numbers)]


def total(heard: Hearing, numbers: Sequence[int]) -> Sum:
    """What tracks of these numbers come to, each as often as it is named."""
    columns = f"duration_ms, {_of(heard)}cover"
    once = list(dict.fromkeys(numbers))
    known = dict(zip(once, rows(heard.opened, "track", columns, once), strict=True))
    cover = next((known[one][1] for one in numbers if known[one][1]), None)
    return Sum(len(numbers), sum(known[one][0] for one in numbers), _cover(cover))


def albums(heard: Hearing, numbers: Iterable[int]) -> list[Album]:
    """The albums of these numbers, in that order, with what may be heard of them."""
    columns = _ALBUM.format(_of(heard))
    return [_album(row) for row in rows(heard.opened, "album", columns, numbers)]


def artists(heard: Hearing, numbers: Iterable[int]) -> list[Artist]:
    """The artists of these numbers, in that order, with what may be heard of them."""
    columns = _ARTIST.format(_of(heard))
    return [_artist(row) for row in rows(heard.opened, "artist", columns, numbers)]


def _of(heard: Hearing) -> str:
    return "" if heard.signed_in else "open_"


@lru_cache(REMEMBERED)
def _names(text: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((one[0], one[1]) for one in orjson.loads(text)) if text else ()


@lru_cache(REMEMBERED)
def _texts(text: str | None) -> tuple[str, ...]:
    return tuple(orjson.loads(text)) if text else ()


@lru_cache(64)
def _media_type(suffix: str) -> str:
    return media_type_of(Kind.AUDIO, suffix)


def _cover(root: bytes | None) -> str | None:
    return COVER + root.hex() if root else None


def _said(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _track(row: Sequence[Any]) -> Track:
    values = list(row)
    for place in (4, 8, 35, 36):
        values[place] = _names(values[place])
    values[13] = _texts(values[13])
    values[28] = "restricted" if values[28] else "open"
    values[30] = _cover(values[30])
    values[38] = _said(values[38])
    gains = row[31:35]
    values[31:35] = [None if gains == _UNMEASURED else ReplayGain(*gains)]
    values.insert(17, _media_type(values[16]))
    return Track(*values)


def _album(row: Sequence[Any]) -> Album:
    values = list(row)
    values[3] = _names(values[3])
    values[6] = _texts(values[6])
    values[10] = _cover(values[10])
    values[14] = _said(values[14])
    values[16] = bool(values[16])
    return Album(*values)


def _artist(row: Sequence[Any]) -> Artist:
    values = list(row)
    values[5] = _cover(values[5])
    values[7] = tuple(name for name, bit in ROLES.items() if values[7] & bit)
    return Artist(*values)
