"""`longplay.toml` as typed models, and every limit with its unit and its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from longplay.errors import ArchiveError

SETTINGS_FILE = "longplay.toml"
VERSION = 1
"""Version of the settings' form; a newer one is refused untouched."""

MAX_SETTINGS_BYTES = 1024 * 1024
"""A person writes this file; a megabyte is far more than anybody types."""

Share = Annotated[float, Field(ge=0, le=1)]

MOST_DAYS = 36_500
"""A hundred years: more than that is for ever."""


class Model(BaseModel):
    """Settings are immutable, and a misspelt key is an error rather than silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Model):
    """What a single file may cost us. Each exists because a hostile file asked for more."""

    file_seconds: float = Field(60, gt=0, description="seconds any file gets, whatever its size")
    file_seconds_per_mb: float = Field(4, ge=0, description="further seconds for each MB of it")
    worker_memory_mb: int = Field(1024, ge=256, description="MB of memory a worker may allocate")
    memory_file_mb: int = Field(64, ge=1, description="larger files are spooled, not held")
    tag_bytes: int = Field(64 * 2**20, description="bytes of one file's tags that are looked at")
    text_bytes: int = Field(64 * 1024, description="bytes kept of one tag's value")
    picture_bytes: int = Field(32 * 2**20, description="a larger embedded picture is not extracted")
    audio_hours: float = Field(24, gt=0, description="hours of sound in one file; more is a trap")


class SizeClass(Model):
    """Objects up to `up_to` bytes (None: all larger ones) get this piece length."""

    up_to: int | None
    piece_length: int


class QualityBand(Model):
    """From this popularity (0-100) upward, keep this quality at best."""

    popularity: float = Field(ge=0, le=100)
    keep: Literal["original", "opus", "skip"]


class CurvePoint(Model):
    """One point of the popularity-to-listens curve."""

    popularity: float = Field(ge=0, le=100)
    listens: float = Field(ge=0)


class Policy(Model):
    """What to save first, in what quality; the planner reads nothing else of the settings.

    `quality` is looked up by popularity, highest band first. `opus_quality` is what one listen of
    an Opus copy is worth beside the original in the quality-weighted share. `curve` turns
    popularity into listens where a source gives no play counts: log-linear between its points.
    `near_duplicates` says which of them count as one recording: those that a curator confirmed,
    those that are certain too, or none.
    """

    quality: tuple[QualityBand, ...] = (QualityBand(popularity=0, keep="original"),)
    opus_quality: Share = 0.9
    opus_bit_rate: int = Field(75_000, ge=6_000, le=510_000)
    curve: tuple[CurvePoint, ...] = (
        CurvePoint(popularity=0, listens=1_000),
        CurvePoint(popularity=20, listens=20_000),
        CurvePoint(popularity=50, listens=5_000_000),
        CurvePoint(popularity=80, listens=300_000_000),
        CurvePoint(popularity=100, listens=4_000_000_000),
    )
    stages: tuple[Share, ...] = (0.5, 0.8, 0.95, 1.0)
    replan_tolerance: Share = 0.01
    near_duplicates: Literal["confirmed", "certain", "apart"] = "confirmed"

    @model_validator(mode="after")
    def _in_order(self) -> Policy:
        for name, row in (
            ("stages", self.stages),
            ("curve", tuple(point.popularity for point in self.curve)),
        ):
            if not row or list(row) != sorted(set(row)):
                raise ValueError(f"{name} must rise from one entry to the next")
        if self.stages[-1] != 1.0:
            raise ValueError("the last stage must reach 1.0")
        return self


class Politeness(Model):
    """How much a source's hosts are asked for, by all workers of the archive together."""

    connections: int = Field(2, ge=1, le=64, description="files fetched from one host at a time")
    per_second: float = Field(1.0, gt=0, description="requests to one host in a second")
    robots: bool = Field(True, description="keep to the host's robots.txt")
    private: bool = Field(False, description="fetch from private and loopback addresses")
    file_gb: float = Field(8, gt=0, description="GB of one file; more is a trap")
    file_hours: float = Field(6, gt=0, description="hours that fetching one file may take")
    patience_seconds: float = Field(60, gt=0, description="seconds without a byte from a host")
    contact: str = Field(
        "",
        max_length=200,
        pattern=r"^[!-~]*$",
        description="where those who run a host reach those who fetch: sent with each request",
    )


SourceKind = Literal["folder", "http", "internetarchive", "ddex", "oai", "s3"]


class Source(Model):
    """Somewhere that music lawfully comes from."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    kind: SourceKind
    location: str
    rights: str
    evidence: str = ""
    keep: Literal["best", "all"] = "best"
    licence: str = Field("", description="licence of what the source says of its files")
    politeness: Politeness = Politeness()


class Sharing(Model):
    """How releases are handed on, and how a mirror behaves."""

    address: str = Field("", description="public address of `longplay serve`; empty: none is known")
    listen: str = Field("0.0.0.0:6881", description="address and port of the BitTorrent seeder")
    trackers: tuple[str, ...] = Field((), description="announce addresses beside our own")
    dht: bool = Field(True, description="announce open releases in the distributed hash table")
    local_discovery: bool = Field(False, description="announce on the local network")
    web_seeds: tuple[str, ...] = Field((), description="further addresses that serve the releases")
    feed_days: float = Field(30, gt=0, description="days after which a feed expires")
    rest_days: float = Field(30, ge=0, description="days a mirror rests a withdrawn object")
    withdrawal_share: Share = 0.01
    patience_seconds: float = Field(
        300, gt=0, description="seconds that a volume may give nothing before a mirror leaves it"
    )
    follow_seconds: float = Field(
        300, gt=0, description="seconds after which a mirror at work asks for a newer feed"
    )

    @property
    def all_trackers(self) -> tuple[str, ...]:
        """Trackers: those that are named, and `longplay serve` itself if its address is known."""
        return (*self.trackers, *self._own("announce"))

    @property
    def all_web_seeds(self) -> tuple[str, ...]:
        """Web seeds (BEP 19): those that are named, and `longplay serve` itself."""
        return (*self.web_seeds, *self._own("seed/"))

    def _own(self, path: str) -> tuple[str, ...]:
        return (f"{self.address.rstrip('/')}/{path}",) if self.address else ()


class Serving(Model):
    """How `longplay serve` hands out bytes, and what it writes down of that."""

    naan: str = Field(
        "",
        pattern=r"^([0-9bcdfghjkmnpqrstvwxz]{5,9})?$",
        description="the number under which recordings have ARKs; empty: they have none",
    )
    email: str = Field(
        "",
        max_length=200,
        pattern=r"^(\S+@(\S+\.)+\S+)?$",
        description="where harvesters reach those who run the archive",
    )
    accel: str = Field(
        "",
        pattern=r"^(/([A-Za-z0-9._-]+/)*)?$",
        description="path below which nginx has the archive's files (X-Accel-Redirect)",
    )
    transcodes_gb: float = Field(10, gt=0, description="GB of smaller copies that are kept")
    transcodes: int = Field(0, ge=0, le=256, description="copies made at a time; 0: one a core")
    log_mb: float = Field(64, gt=0, description="MB after which the access log begins anew")
    log_files: int = Field(16, ge=0, description="older files of the access log that are kept")
    log_days: float = Field(
        90,
        ge=0,
        le=MOST_DAYS,
        description="days after which who heard what is erased; 0: only by log_files",
    )


class Fixity(Model):
    """How often stored objects are read again."""

    days: float = Field(90, gt=0, description="days in which every object is read at least once")


class Replica(Model):
    """A further store that keeps a copy of every object: a folder or an `s3://bucket/prefix`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")
    location: str


class Access(Model):
    """How `longplay serve` stands in the world."""

    proxies: tuple[str, ...] = Field(
        (), description="addresses of proxies whose X-Forwarded-For is believed"
    )
    canaries: bool = Field(
        False, description="whether titles are spelled for the API key that asks, to trace leaks"
    )


class Webhook(Model):
    """A server that changes of decisions are posted to."""

    address: str = Field(max_length=2000, pattern=r"^https?://")
    names: bool = Field(False, description="whether it is told who is meant, not pseudonyms")
    private: bool = Field(False, description="post to private and loopback addresses")


class Guarding(Model):
    """What `longplay guard run` does about accounts that copy. Until an operator says otherwise it
    only observes."""

    act: Literal["observe", "slow", "cap", "hold", "disable"] = Field(
        "observe", description="what is done about an account that is called a scraper"
    )
    watch: Literal["observe", "slow", "cap"] = Field(
        "observe", description="what is done about one that is to be watched"
    )
    anonymous: Literal["observe", "slow", "cap"] = Field(
        "cap", description="the most that is done about an address: many people may share it"
    )
    slow_kb: float = Field(
        40, gt=0, description="kB a second for who is slowed down: music at 320 kbit/s, in its time"
    )
    cap_tracks: int = Field(100, ge=1, le=10_000, description="tracks a day for who is capped")
    accounts: int = Field(
        200_000, ge=1000, description="accounts that are remembered, at 1.3 kB each"
    )
    logs: tuple[str, ...] = Field((), description="further access logs (JSON lines) to follow")
    baseline: str = Field("", description="what honest listening is here; empty: what is shipped")
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=16)] = ()


class Settings(Model):
    """All of `longplay.toml`."""

    version: int = VERSION
    name: str = Field("longplay", pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    ledger: str = "sqlite:///ledger.sqlite3"
    objects: str = "objects"
    engine: str = Field("", description="scheduler of a Dask cluster; empty: this machine alone")
    spool: str = Field("", description="folder where files arrive; empty: one of the archive's own")
    size_classes: Annotated[tuple[SizeClass, ...], Field(min_length=1)] = (
        SizeClass(up_to=64 * 2**20, piece_length=256 * 1024),
        SizeClass(up_to=2**30, piece_length=2**20),
        SizeClass(up_to=None, piece_length=4 * 2**20),
    )
    limits: Limits = Limits()
    policy: Policy = Policy()
    sources: tuple[Source, ...] = ()
    keys: str = Field("", description="folder of the secret keys; empty: the user's settings")
    sharing: Sharing = Sharing()
    serving: Serving = Serving()
    access: Access = Access()
    fixity: Fixity = Fixity()
    guard: Guarding = Guarding()
    replicas: tuple[Replica, ...] = ()

    def piece_length(self, size: int) -> int:
        """The piece length in bytes for an object of `size` bytes."""
        for row in self.size_classes:
            if row.up_to is None or size <= row.up_to:
                return row.piece_length
        return self.size_classes[-1].piece_length

    def source(self, name: str) -> Source | None:
        """The source of that name, if there is one."""
        return next((source for source in self.sources if source.name == name), None)


def load(folder: Path) -> Settings:
    """Read the settings of the archive in `folder`. Raises ArchiveError."""
    path = folder / SETTINGS_FILE
    if not path.is_file():
        raise ArchiveError(
            "is not an archive: it has no longplay.toml",
            where=str(folder),
            hint="make one with `longplay init DIR`, or name one with --archive",
        )
    try:
        with path.open("rb") as source:
            document = tomllib.loads(source.read(MAX_SETTINGS_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArchiveError(str(error), where=str(path), hint="correct that line") from error
    found = document.get("version", VERSION)
    if isinstance(found, int) and found > VERSION:
        raise ArchiveError(
            f"was made by a newer Longplay (settings version {found})",
            where=str(path),
            hint="install that version; nothing was touched",
        )
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ArchiveError(f"{key}: {first['msg']}", where=str(path), hint="correct it") from error
