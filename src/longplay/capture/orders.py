"""What a worker is asked, and what it answers. Light to import: codecs load in workers only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longplay import clock
from longplay.model import Action, AudioDescription, Kind, ObjectHashes
from longplay.settings import Settings

READ_BYTES = 1024 * 1024
"""Bytes read at once, wherever a file comes from."""

HEAD_BYTES = 4096
"""Bytes of its beginning that tell what kind of file it is."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that a source gave, whole and synced in the spool file, hashed as it came. `head` is
    its beginning; `mtime_ns` is 0 where nobody knows it."""

    spool: Path
    hashes: ObjectHashes
    mtime_ns: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """One file to take. `spool` is where it may write, as a path without suffix; without
    `listen` the file's bytes are taken and nothing is decoded. With `fetched` it is here already,
    else it lies in `folder`. `version` is what its source tells this state of it by, `kind` what
    its source says it is, `mtime_ns` when it was changed last, 0 where nobody says.
    `derived_from` is the root of the held object that it is to be a copy of."""

    ordinal: int
    source: str
    folder: str
    path: bytes
    action: Action
    spool: str
    size: int
    settings: Settings
    listen: bool = True
    fetched: Fetched | None = None
    version: str | None = None
    kind: Kind | None = None
    mtime_ns: int = 0
    derived_from: bytes | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes in a spool file that may become an object."""

    hashes: ObjectHashes
    spool: Path
    kind: Kind
    suffix: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of one file. `refusal` says why it must go to quarantine; `source_sha256` is the
    digest of the file as it was offered, which differs from the object's after transcoding."""

    main: Part
    source_size: int
    mtime_ns: int
    mode: int
    source_sha256: bytes
    sound: AudioDescription | None = None
    pictures: tuple[tuple[Part, str], ...] = ()
    refusal: str | None = None
    version: str | None = None


def take(order: Order) -> Taken:
    """Carry out an order; see `intake.take`."""
    from longplay.capture import intake

    return intake.take(order)


def timed(function: Callable[[Order], Taken], order: Order) -> tuple[Taken, float]:
    """What becomes of a file, and how many seconds its worker had it."""
    started = clock.monotonic()
    return function(order), clock.monotonic() - started
