"""What `release.json` says: a release, and the volumes that are its state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from longplay.errors import ReleaseError

VERSION = 1
"""Version of a release's files."""

Kind = Literal["metadata", "art", "audio"]
"""What a volume holds."""

KINDS: tuple[Kind, ...] = ("metadata", "art", "audio")
"""In the order in which they are listed, and fetched."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One torrent. `torrent` is its path below the releases folder, `release` the one that cut it;
    `supersedes` names the volume that this one is without what was withdrawn, or of metadata those
    of the release before. `objects` counts files: of metadata those of the release itself."""

    name: str
    number: int
    release: str
    torrent: str
    info_hash_v1: str
    info_hash_v2: str
    magnet_v2: str
    magnet: str
    objects: int
    bytes: int
    padding: int
    piece_length: int
    supersedes: str | None
    kind: Kind = "audio"

    @property
    def place(self) -> tuple[int, int]:
        """What sorts the volumes of a release: metadata, art, audio; each by number."""
        return KINDS.index(self.kind), self.number


@dataclass(frozen=True, slots=True)
class File:
    """A file in a release's folder that is no torrent, and its digest in hexadecimal."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """One state of a stage: all its volumes, of which `fresh` names those that it cut itself.

    `objects` and `bytes` are those of the music and its art. `last_number` is the highest number
    that a volume of audio ever had in the stage, `last_art` of art. `files` are all files beside
    the torrents but for this document; releases of old have none.
    """

    name: str
    stage: int
    volumes: tuple[Volume, ...]
    fresh: tuple[str, ...]
    objects: int
    bytes: int
    share_of_listens: float
    supersedes: str | None
    last_number: int
    last_art: int = 0
    files: tuple[File, ...] = ()
    version: int = VERSION

    def document(self) -> dict[str, Any]:
        """As `release.json` has it."""
        return asdict(self)

    @property
    def sequence(self) -> int:
        """Its number within its stage: `s1-0003` is the third."""
        return int(self.name.rpartition("-")[2])

    @property
    def metadata(self) -> Volume | None:
        """The volume of its metadata; releases of old have none."""
        return next((one for one in self.volumes if one.kind == "metadata"), None)

    @property
    def music(self) -> tuple[Volume, ...]:
        """The volumes that hold objects."""
        return tuple(one for one in self.volumes if one.kind != "metadata")


def newest_by_stage(releases: Iterable[Release]) -> dict[int, Release]:
    """The newest release of each stage, by its number: clocks may be set back."""
    return {one.stage: one for one in sorted(releases, key=lambda one: one.sequence)}


def read_release(document: dict[str, Any]) -> Release:
    """A release from its document. Raises ReleaseError when it is of another version, or none."""
    if document.get("version") != VERSION:
        raise ReleaseError(
            f"the release has version {document.get('version')!r}, not {VERSION}",
            hint="it was cut by another version of Longplay",
        )
    try:
        volumes = tuple(Volume(**_known(Volume, volume)) for volume in document["volumes"])
        files = tuple(File(**_known(File, file)) for file in document.get("files", ()))
        more = {"volumes": volumes, "fresh": tuple(document["fresh"]), "files": files}
        return Release(**{**_known(Release, document), **more})
    except (KeyError, TypeError) as error:
        raise ReleaseError(f"is no document of a release: {error}") from error


def _known(
    kind: type[Volume] | type[File] | type[Release], document: dict[str, Any]
) -> dict[str, Any]:
    """What we know of a document: fields may be added later."""
    return {field.name: document[field.name] for field in fields(kind) if field.name in document}
