"""What a message says: its resources, releases and deals, as values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from longplay.model import Kind
from longplay.rights.ddex import Deal

Graveness = Literal["message", "part", "note"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should know. `where` is a file and a line, `remedy` what to do.
    `grave` says what is left out for it: the whole message, a part of it, or nothing."""

    where: str
    what: str
    remedy: str
    grave: Graveness

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}" if self.remedy else (
            f"{self.where}: {self.what}"
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file as a message names it, with what it says of it. `checksum` is as in `model.Offer`."""

    name: str
    checksum: str
    codec: str
    bit_rate: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Edition:
    """One recording that a resource is delivered as: its own id within the message's sender
    (`isrc:…` or a proprietary one), its ISRC, its files."""

    own: str
    isrc: str
    files: tuple[NamedFile, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """Something delivered. `lines` are its ℗ and © lines as (field, text); `label` and `genres`
    are what ERN 3 says of recordings rather than of releases."""

    reference: str
    kind: Kind
    title: str
    artists: tuple[str, ...]
    duration_ms: int | None
    editions: tuple[Edition, ...]
    lines: tuple[tuple[str, str], ...]
    label: str
    genres: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource stands on a release."""

    resource: str
    disc: int | None
    track: int | None


@dataclass(frozen=True, slots=True)
class Release:
    """A release. `ids` are its identifiers, the most lasting first (`icpn:…`, `grid:…`); `tracks`
    says that it is a single track of another release of the message, for deals alone."""

    references: tuple[str, ...]
    ids: tuple[str, ...]
    tracks: bool
    title: str
    artists: tuple[str, ...]
    label: str
    date: str
    genres: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]
    places: tuple[Place, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Deals:
    """The deals of a message, found by what they are about: `by_reference` has their places in
    `all`, `tracks` the references of the track releases of each resource."""

    all: tuple[Deal, ...]
    by_reference: dict[str, list[int]]
    tracks: dict[str, list[str]]

    @staticmethod
    def of(deals: Sequence[Deal], releases: Iterable[Release]) -> Deals:
        """Deals, put in order by the releases of their message."""
        by_reference: dict[str, list[int]] = defaultdict(list)
        for number, deal in enumerate(deals):
            for one in deal.releases:
                by_reference[one].append(number)
        tracks: dict[str, list[str]] = defaultdict(list)
        for release in releases:
            for place in release.places if release.tracks else ():
                tracks[place.resource].extend(release.references)
        return Deals(tuple(deals), dict(by_reference), dict(tracks))

    def about(self, references: Iterable[str]) -> tuple[Deal, ...]:
        """Those about any of these releases, in the order of the message."""
        found = {one for it in dict.fromkeys(references) for one in self.by_reference.get(it, ())}
        return tuple(self.all[one] for one in sorted(found))

    def reach(self, releases: Iterable[Release]) -> int:
        """How many pairs of a deal and a resource that it is about there are."""
        counts = {name: len(found) for name, found in self.by_reference.items()}
        pairs = 0
        for release in releases:
            own = sum(counts.get(one, 0) for one in release.references)
            pairs += own * len(release.places)
            for place in () if release.tracks else release.places:
                names = self.tracks.get(place.resource, ())
                pairs += sum(counts.get(one, 0) for one in names)
        return pairs


@dataclass(frozen=True, slots=True)
class Message:
    """A message, read; `size` in bytes. `purged` are the identifiers of each release that it
    purges; `test` says that its sender only tries: nothing follows from it."""

    version: str
    identity: str
    test: bool
    sender: str
    sender_name: str
    created: datetime
    size: int
    sha256: str
    resources: dict[str, Resource]
    releases: tuple[Release, ...]
    deals: Deals
    purged: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]

    @property
    def main(self) -> tuple[Release, ...]:
        """The releases that are delivered, without those that single tracks are."""
        return tuple(one for one in self.releases if not one.tracks)

    @property
    def key(self) -> str:
        """What tells this message from every other: ids alone are given twice in real life."""
        return f"{self.identity} from {self.sender} of {self.created.isoformat()}"

    def deals_for(self, release: Release, resource: str) -> tuple[Deal, ...]:
        """The deals about one resource of a release, be it by the release or by its track."""
        return self.deals.about((*release.references, *self.deals.tracks.get(resource, ())))
