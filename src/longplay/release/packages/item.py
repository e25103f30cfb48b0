"""What a package tells of one object: values, gathered by whoever knows ledger and catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from longplay.model import ObjectKey
from longplay.rights.gate import AccessClass, Shareable

URN = "urn:longplay:"
"""Stands before ids where other systems want a URI."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object: PREMIS event type, ISO 8601 time, the log's entry that
    vouches for it, and whether another program than Longplay took part."""

    type: str
    time: str
    outcome: str
    detail: str
    entry: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a statement, or all together, says of one act: `restriction` is `allow` or why not."""

    act: str
    restriction: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Right:
    """One rights statement about the object, with what it alone would permit."""

    uri: str
    name: str
    basis: str
    evidence: str
    start: str
    end: str
    territories: tuple[str, ...]
    granted: tuple[Granted, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """A path that led to the object, as text that names its bytes (`files.escape`)."""

    source: str
    path: str


@dataclass(frozen=True, slots=True)
class Carried:
    """A recording that the object carries, as the catalogue describes it."""

    recording: str
    start_ms: int
    end_ms: int | None
    role: str
    title: str = ""
    artists: tuple[str, ...] = ()
    album: str = ""
    date: str = ""
    isrc: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One object with all that is told of it.

    `name` is its safe file name, `media_type` its MIME type, `properties` what was measured as
    (name, value); `inside` are roots of objects that have this picture in their tags. `granted`
    is the gate's answer for each act, `leave` its leave to release the object, where it was asked
    and gave one.
    """

    key: ObjectKey
    sha256: bytes
    kind: str
    name: str
    media_type: str
    format: str
    properties: tuple[tuple[str, str], ...]
    origins: tuple[Origin, ...]
    carries: tuple[Carried, ...]
    inside: tuple[bytes, ...]
    events: tuple[Event, ...]
    rights: tuple[Right, ...]
    access: AccessClass
    granted: tuple[Granted, ...]
    archive: str
    suffix: str
    leave: Shareable | None = None

    @property
    def id(self) -> str:
        """The object's id as text."""
        return f"obj{self.key.hex}"

    @property
    def urn(self) -> str:
        """The object's id as a URI."""
        return f"{URN}{self.id}"
