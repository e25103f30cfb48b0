"""What a library consists of, one thing at a time, as pages and clients show it.

Ids are texts: `tr…`, `al…`, `ar…`, `rec…` as everywhere, `fo-…` for folders, `co-…` for covers.
Times are UTC in ISO 8601; durations are in milliseconds, bit rates in kbit/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Access = Literal["open", "restricted"]
"""Who may listen: anybody, or signed-in listeners. What is dark is not in a library."""

Order = Literal[
    "newest",
    "alphabeticalByName",
    "alphabeticalByArtist",
    "byYear",
    "byYearDescending",
    "popular",
    "random",
]
Role = Literal["album", "artist", "composer", "conductor"]
Root = bytes
"""An object's merkle root."""

Span = tuple[int, int]
"""How many, after how many others."""

MOST = 500
"""Rows of one page at most."""

IGNORED_ARTICLES = ("the", "an", "a", "el", "la", "los", "las", "le", "les", "der", "die", "das")
"""Words that a name may begin with and is not sorted by."""


@dataclass(frozen=True, slots=True)
class ReplayGain:
    """Decibels to -18 LUFS, and peaks as shares of full scale; None where not measured."""

    track_gain: float | None
    album_gain: float | None
    track_peak: float | None
    album_peak: float | None


@dataclass(frozen=True, slots=True)
class Track:
    """One held audio file, or, where a CUE sheet divides it, a part of it: `start_ms` to `end_ms`
    (None: to its end). `root` and `bytes` are those of the object. `artists` and the like are
    (id, name). `path` is made of names, and need not be one that any source has."""

    id: str
    recording: str | None
    title: str
    artist: str
    artists: tuple[tuple[str, str], ...]
    album: str
    album_id: str
    album_artist: str
    album_artists: tuple[tuple[str, str], ...]
    track_number: int | None
    disc_number: int | None
    year: int | None
    release_date: str | None
    genres: tuple[str, ...]
    duration_ms: int
    bytes: int
    suffix: str
    media_type: str
    bit_rate: int | None
    sample_rate: int | None
    bit_depth: int | None
    channels: int | None
    isrc: str | None
    mbid: str | None
    popularity: float | None
    listens: float | None
    path: str
    folder: str
    created: str
    access: Access
    root: Root
    cover: str | None
    replay_gain: ReplayGain | None
    composers: tuple[tuple[str, str], ...]
    conductors: tuple[tuple[str, str], ...]
    licence: str | None
    explicit: bool | None
    start_ms: int
    end_ms: int | None


@dataclass(frozen=True, slots=True)
class Sum:
    """How many tracks of a list may be heard, how long they play, and the first picture."""

    tracks: int
    duration_ms: int
    cover: str | None


@dataclass(frozen=True, slots=True)
class Album:
    """An album, with how much of it the listener may hear, each track once. Files without an
    album are one with the others of their folder."""

    id: str
    title: str
    artist: str
    artists: tuple[tuple[str, str], ...]
    year: int | None
    release_date: str | None
    genres: tuple[str, ...]
    tracks: int
    duration_ms: int
    created: str
    cover: str | None
    mbid: str | None
    label: str | None
    popularity: float | None
    explicit: bool | None
    discs: int
    compilation: bool


@dataclass(frozen=True, slots=True)
class Artist:
    """Somebody whom albums or tracks name, with how much of theirs the listener may hear."""

    id: str
    name: str
    sort_name: str
    albums: int
    tracks: int
    cover: str | None
    mbid: str | None
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Genre:
    """A genre, and what of it the listener may hear."""

    name: str
    tracks: int
    albums: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a source, as its files lay there; the topmost is the source itself. `folders` are
    those in it, without what lies in them."""

    id: str
    name: str
    parent: str | None
    folders: tuple[Folder, ...]
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a listener may hear."""

    artists: int
    albums: int
    tracks: int
    genres: int
    bytes: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found of each kind."""

    artists: list[Artist]
    albums: list[Album]
    tracks: list[Track]
