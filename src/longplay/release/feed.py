"""The feed: one signed JSON document that says what an archive hands on, and what it took back.

What it says is typed here, and bounded: it comes from elsewhere. docs/feed.md; its JSON Schema
is `feed.schema.json` beside this module.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from longplay.errors import FeedError
from longplay.release.document import Kind

FORMAT = "longplay-feed"
VERSION = 1
"""Version of the feed's form; a newer one is refused."""

MAX_FEED_BYTES = 64 * 2**20
"""Some 60,000 volumes, which is 2,000 TB of music in files of 4 MB."""

MAX_TORRENT_BYTES = 32 * 2**20
"""Ours stay below 10 MB; other archives may cut larger ones."""

MOST_HEADS = 10_000
"""Log heads that a feed repeats: one a day for 27 years."""

SCHEMA_FILE = "feed.schema.json"


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    return text


Hash20 = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Hash32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
ShareOfListens = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[str, Field(max_length=40), AfterValidator(_moment)]
Text = Annotated[str, Field(max_length=2_000)]
VolumeName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
ReleaseName = Annotated[str, Field(pattern=r"^s[1-9][0-9]{0,2}-[0-9]{4,9}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
TorrentPath = Annotated[
    str, Field(pattern=r"^s[1-9][0-9]{0,2}-[0-9]{4,9}/[a-z0-9][a-z0-9-]{0,79}\.torrent$")
]
Code = Annotated[str, Field(pattern=r"^[A-Z0-9]{12}$")]
RecordingId = Annotated[str, Field(pattern=r"^rec[0-9A-Za-z]{1,40}$")]


class _Said(BaseModel):
    """Fields may be added later, so unknown ones are passed over; known ones are as typed."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Log(_Said):
    """The head of the archive's log, and the heads that earlier feeds vouched for: a mirror that
    remembers one finds it again, or the past was rewritten."""

    entries: Count
    hash: Hash32
    heads: Annotated[list[tuple[Count, Count, Hash32]], Field(max_length=MOST_HEADS)]


class Sharing(_Said):
    """Where the releases can be had beside their torrents' own peers."""

    trackers: Annotated[list[Text], Field(max_length=100)]
    web_seeds: Annotated[list[Text], Field(max_length=100)]
    dht: bool


class File(_Said):
    """A file in a release's folder, which is no torrent."""

    path: FileName
    bytes: Count
    sha256: Hash32


class Volume(_Said):
    """A torrent; `torrent` is its path beside the feed, `copies` how many peers were seen of late
    that have all of it, if anybody counts."""

    name: VolumeName
    kind: Kind
    torrent: TorrentPath
    torrent_bytes: Annotated[int, Field(gt=0, le=MAX_TORRENT_BYTES)]
    info_hash_v1: Hash20
    info_hash_v2: Hash32
    magnet: Text
    objects: Count
    bytes: Count
    share_of_listens: ShareOfListens
    supersedes: VolumeName | None
    copies: Count | None


class Release(_Said):
    """A release. One that another supersedes is `current` no more, and names no volumes."""

    release: ReleaseName
    stage: Annotated[int, Field(ge=1, le=999)]
    current: bool
    supersedes: ReleaseName | None
    objects: Count
    bytes: Count
    share_of_listens: ShareOfListens
    tdm_reserved: Count
    files: Annotated[list[File], Field(max_length=100)]
    volumes: list[Volume]


class Scarce(_Said):
    """How much a volume needs another copy: `score` is its share of listens by its copies."""

    volume: VolumeName
    copies: Count | None
    share_of_listens: ShareOfListens
    score: Annotated[float, Field(ge=0)]


class Tombstone(_Said):
    """An object that was withdrawn, named by root and size."""

    root: Hash32
    size: Count
    isrcs: Annotated[list[Code], Field(max_length=1_000)]
    recordings: Annotated[list[RecordingId], Field(max_length=10_000)]
    time: Moment
    log: Count


class Feed(_Said):
    """All that a feed says. `archive` is the id of the root key, `serial` grows with each."""

    format: Literal["longplay-feed"]
    version: Annotated[int, Field(ge=1, le=VERSION)]
    archive: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    serial: Annotated[int, Field(ge=1, lt=2**53)]
    issued: Moment
    expires: Moment
    log: Log
    sharing: Sharing
    releases: list[Release]
    scarcity: list[Scarce]
    tombstones: list[Tombstone]

    @model_validator(mode="after")
    def _each_once(self) -> Feed:
        """Releases, and the volumes of those that are current, are told apart by their names."""
        releases = [one.release for one in self.releases]
        volumes = [volume.name for one in self.current for volume in one.volumes]
        for names in (releases, volumes):
            if len(set(names)) < len(names):
                raise ValueError("names one thing twice")
        return self

    @property
    def current(self) -> list[Release]:
        """The releases that nothing supersedes, by stage."""
        return sorted((one for one in self.releases if one.current), key=lambda one: one.stage)

    def expired(self, at: datetime) -> bool:
        """Whether it is past its time."""
        return at >= datetime.fromisoformat(self.expires).astimezone(UTC)

    def document(self) -> bytes:
        """The file that is signed."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        return text.encode() + b"\n"


def parse(data: bytes, where: str) -> Feed:
    """A feed from its file's bytes, whoever signed it. Raises FeedError."""
    if len(data) > MAX_FEED_BYTES:
        raise FeedError(f"is larger than {MAX_FEED_BYTES:,} bytes", where=where)
    try:
        return Feed.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["loc"] == ("version",) and first["type"] == "less_than_equal":
            raise FeedError(
                "was made by a newer Longplay", where=where, hint="install that version"
            ) from error
        place = ".".join(_printable(part) for part in first["loc"]) or "it"
        raise FeedError(f"is no feed: {place}: {first['msg']}", where=where) from error


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a feed, as `feed.schema.json` has it."""
    found = Feed.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _printable(part: int | str) -> str:
    return re.sub(r"[^0-9A-Za-z_-]", "?", str(part))[:60]
