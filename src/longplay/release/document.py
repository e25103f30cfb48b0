"""What `release.json` says: a release, and the volumes that are its state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from longplay.errors import ReleaseError

VERSION = 1
"""Version of a release's files."""

Kind = Literal["metadata", "art", "audio"]
"""What a volume holds."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One torrent. `torrent` is its path below the releases folder, `release` the one that cut it;
    `supersedes` names the volume that this one is without what was withdrawn."""

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


@dataclass(frozen=True, slots=True)
class Release:
    """One state of a stage: all its volumes, of which `fresh` names those that it cut itself.

    `last_number` is the highest number that a volume of the stage ever had.
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
    version: int = VERSION

    def document(self) -> dict[str, Any]:
        """As `release.json` has it."""
        return asdict(self)


def read_release(document: dict[str, Any]) -> Release:
    """A release from its document. Raises ReleaseError when it is of another version, or none."""
    if document.get("version") != VERSION:
        raise ReleaseError(
            f"the release has version {document.get('version')!r}, not {VERSION}",
            hint="it was cut by another version of Longplay",
        )
    try:
        volumes = tuple(Volume(**_known(Volume, volume)) for volume in document["volumes"])
        more = {"volumes": volumes, "fresh": tuple(document["fresh"])}
        return Release(**{**_known(Release, document), **more})
    except (KeyError, TypeError) as error:
        raise ReleaseError(f"is no document of a release: {error}") from error


def _known(kind: type[Volume] | type[Release], document: dict[str, Any]) -> dict[str, Any]:
    """What we know of a document: fields may be added later."""
    return {field.name: document[field.name] for field in fields(kind) if field.name in document}
