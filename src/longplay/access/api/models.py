"""What the API answers, thing by thing. Times are UTC in ISO 8601, durations milliseconds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Value = str | int | float | bool | list[str]


class Hit(BaseModel):
    """A recording that a search found, by the track of it that answers best."""

    id: str
    recording: str
    ark: str | None
    title: str | None
    artists: list[str]
    album: str | None
    year: int | None
    duration_ms: int | None
    isrc: str | None
    popularity: float | None
    held: bool
    source: str


class Facets(BaseModel):
    """Hits by year and by genre, and how many are held; `of` says how many were looked at."""

    years: list[tuple[str, int]]
    genres: list[tuple[str, int]]
    held: list[tuple[str, int]]
    of: int
    exact: bool


class SearchPage(BaseModel):
    """A page of hits. `total` is known where all were looked at; `meant` are the words that were
    searched instead, where nothing has those that were typed; `next` is the cursor of the next
    page."""

    query: str
    total: int | None
    meant: str | None
    notes: list[str]
    items: list[Hit]
    facets: Facets | None
    next: str | None


class Fact(BaseModel):
    """One value of a field: its source, and of which of that's tracks, albums, artists."""

    field: str
    value: Value
    source: str
    of: str


class Line(BaseModel):
    """A track in the list of an album, an artist or a recording."""

    id: str
    recording: str
    source: str
    title: str | None
    artists: list[str]
    album: str | None
    duration_ms: int | None
    isrcs: list[str]
    popularity: float | None
    held: bool


class Thing(BaseModel):
    """A track, album, artist or recording. `was` is the id that was asked for, where it has become
    another; `gone` says that no source has it any more; `parts` were split from it."""

    kind: Literal["track", "album", "artist", "recording"]
    id: str
    was: str | None
    gone: bool
    parts: list[str]
    recording: str | None
    ark: str | None
    held: bool
    facts: list[Fact]
    tracks: list[Line]
    track_count: int


class SourceOf(BaseModel):
    """A source of facts: the licence of what it says, and what that permits others."""

    name: str
    licence: str | None
    permits: Literal["share", "share non-commercially", "local only"]


class Shown(BaseModel):
    """What an id or identifier stands for, and the sources of what is said."""

    asked: str
    found: list[Thing]
    sources: list[SourceOf]


class RightsOf(BaseModel):
    """A statement by which something may be heard."""

    uri: str
    name: str


class Recording(BaseModel):
    """A recording that is held. `stream` is where it sounds, for who asks."""

    id: str
    ark: str | None
    title: str | None
    artists: list[str]
    album: str | None
    release_date: str | None
    duration_ms: int | None
    isrc: str | None
    object: str
    bytes: int
    rights: list[RightsOf]
    tdm_reserved: bool
    stream: str | None


class Named(BaseModel):
    """Somebody, by id and name."""

    id: str
    name: str


class HeldTrack(BaseModel):
    """A held audio file that the asker may hear."""

    id: str
    recording: str | None
    ark: str | None
    title: str
    artist: str
    artists: list[Named]
    album: str
    album_id: str
    album_artist: str
    track_number: int | None
    disc_number: int | None
    year: int | None
    release_date: str | None
    genres: list[str]
    duration_ms: int
    bytes: int
    media_type: str
    bit_rate: int | None = Field(description="kbit/s")
    isrc: str | None
    mbid: str | None
    popularity: float | None
    access: Literal["open", "restricted"]
    licence: str | None
    object: str
    created: str
    stream: str | None


class HeldAlbum(BaseModel):
    """An album, with how much of it the asker may hear."""

    id: str
    title: str
    artist: str
    artists: list[Named]
    year: int | None
    release_date: str | None
    genres: list[str]
    tracks: int
    duration_ms: int
    created: str
    mbid: str | None
    label: str | None
    popularity: float | None


class HeldArtist(BaseModel):
    """Somebody whom held albums or tracks name."""

    id: str
    name: str
    sort_name: str
    albums: int
    tracks: int
    mbid: str | None


class TrackPage(BaseModel):
    """A page of held tracks."""

    items: list[HeldTrack]
    next: str | None


class AlbumPage(BaseModel):
    """A page of albums of which something is held."""

    items: list[HeldAlbum]
    next: str | None


class ArtistPage(BaseModel):
    """A page of artists of whom something is held."""

    items: list[HeldArtist]
    next: str | None


class RecordingPage(BaseModel):
    """A page of held recordings: those of which the asker may hear something."""

    items: list[HeldTrack]
    next: str | None


class VolumeOf(BaseModel):
    """A volume of a release, with its torrent."""

    name: str
    kind: str
    objects: int
    bytes: int
    torrent: str
    magnet: str


class ReleaseOf(BaseModel):
    """One signed state of a stage."""

    release: str
    stage: int
    time: str
    objects: int
    bytes: int
    share_of_listens: float
    supersedes: str | None
    volumes: list[VolumeOf]


class ReleasePage(BaseModel):
    """A page of releases, the newest first."""

    items: list[ReleaseOf]
    next: str | None


class StageOf(BaseModel):
    """A stage: the shares of listens between which it lies, and its newest release."""

    stage: int
    from_share: float
    to_share: float
    release: ReleaseOf | None


class Stages(BaseModel):
    """All stages, most listened-to first."""

    items: list[StageOf]


class ClaimSubject(BaseModel):
    """What a claim is about."""

    kind: str
    value: str


class ClaimStep(BaseModel):
    """What was done about a claim."""

    time: str
    step: str
    log: int


class ClaimOf(BaseModel):
    """A claim as everybody may see it: nothing of who made it, and none of their words."""

    id: str
    time: str
    state: str
    asks: str
    subjects: list[ClaimSubject]
    steps: list[ClaimStep]


class ClaimPage(BaseModel):
    """A page of claims, the newest first."""

    items: list[ClaimOf]
    next: str | None


class HeldCounts(BaseModel):
    """How much the asker may hear."""

    artists: int
    albums: int
    tracks: int
    genres: int
    bytes: int
    duration_ms: int


class CatalogueCounts(BaseModel):
    """How much the catalogue knows, over all sources."""

    snapshot: int
    tracks: int
    albums: int
    artists: int
    sources: list[SourceOf]


class Statistics(BaseModel):
    """The archive in figures."""

    name: str
    objects: int
    bytes: int
    recordings: int
    share_of_listens: float
    releases: int
    by_access_class: dict[str, int]
    held: HeldCounts
    catalogue: CatalogueCounts


def named(pairs: tuple[tuple[str, str], ...]) -> list[Named]:
    """(id, name) pairs as they are told."""
    return [Named(id=identity, name=name) for identity, name in pairs]


def value(found: Any) -> Value:
    """A fact's value: whatever is no plain value is told as text."""
    if isinstance(found, list | tuple):
        return [str(one) for one in found]
    return found if isinstance(found, str | int | float | bool) else str(found)
