"""What the deals of a label's deliveries permit, as rights statements of tracks and albums.

The newest message about a release counts, wholly. A recording that no deal permits anything, that
is purged or no longer on its release, is stated so: else the right of the whole source would hold
for it. What was stated of a release stays when its delivery is cleared away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from longplay.archive import Archive
from longplay.capture.sources.ddex import offering, whole_survey
from longplay.capture.sources.ddex.contents import Message, Release
from longplay.capture.sources.ddex.deliveries import Group, Survey
from longplay.catalogue import ids
from longplay.files import escape
from longplay.ledger import queries, record
from longplay.model import Statement
from longplay.rights import ddex, rows
from longplay.rights.ddex import Deal
from longplay.rights.statements import AGREEMENT
from longplay.settings import Source

ORIGIN = "deals:"
"""What stands before a source's name as the origin of these statements."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What was stated: releases and recordings that messages speak of, and statements about
    them."""

    releases: int
    recordings: int
    statements: int


def state_deals(archive: Archive, source: Source, found: Survey | None = None) -> Stated:
    """Write what the deals of `source` (of kind `ddex`) permit into the ledger; what they said
    before of the same releases goes. Nothing is written where nothing changed.

    `found` is what lies in its folder, where the caller knows. Raises UnavailableError for a folder
    that is not there, InputError when no message in it can be read.
    """
    found = found or whole_survey(source)
    releases = recordings = statements = 0
    for some in _parts(_spoken(source.name, found)):
        with archive.ledger.write() as connection:
            for one in some:
                spoken = {it.subject for it in one.said}
                before = {it.subject for it in queries.statements_of(connection, one.origin)}
                gone = [
                    statement
                    for subject in sorted(before - spoken)
                    for statement in _permitted(subject, (), one.place, one.created)
                ]
                record.replace_statements(connection, one.origin, [*one.said, *gone])
                releases += one.stands
                recordings += sum(subject.startswith("tr") for subject in spoken)
                statements += len(one.said) + len(gone)
    return Stated(releases, recordings, statements)


PART, PART_STATEMENTS = 200, 20_000
"""Releases whose statements one transaction writes, and about how many statements."""


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What the newest message says of one release: the origin of its statements, where and when it
    says so, and whether there is a release."""

    origin: str
    place: str
    created: str
    said: tuple[Statement, ...]
    stands: bool


def _spoken(source: str, found: Survey) -> Iterator[_Spoken]:
    """What is said of each release; of all messages one is in memory."""
    for group, message, release in found.current():
        place = f"deals in {escape(group.newest.path)}, message {message.key}"
        created = message.created.isoformat(timespec="seconds")
        said = tuple(_about(source, group, message, release, place, created))
        yield _Spoken(f"{ORIGIN}{source} {group.key}", place, created, said, release is not None)


def _parts(spoken: Iterator[_Spoken]) -> Iterator[list[_Spoken]]:
    """Releases together whose statements are written at once. Messages are read before: others
    wait for a transaction."""
    some: list[_Spoken] = []
    statements = 0
    for one in spoken:
        some.append(one)
        statements += len(one.said)
        if len(some) >= PART or statements >= PART_STATEMENTS:
            yield some
            some, statements = [], 0
    if some:
        yield some


def track_id(source: str, own_id: str) -> str:
    """What the catalogue calls a recording of a delivery."""
    return ids.text("tr", ids.row_key("tr", source, own_id))


def album_id(source: str, group: Group) -> str:
    """What the catalogue calls a release."""
    return ids.text("al", ids.row_key("al", source, group.key))


def _about(
    source: str, group: Group, message: Message, release: Release | None, place: str, created: str
) -> Iterator[Statement]:
    """The statements that a message makes: about the release, for pictures and booklets, and about
    each recording. A purge speaks of the release alone."""
    whole = () if release is None else message.deals_for(release, "")
    yield from _permitted(album_id(source, group), whole, place, created)
    for track in () if release is None else offering.tracks(group.key, message, release):
        deals = message.deals_for(release, track.place.resource) if release else ()
        yield from _permitted(track_id(source, track.own_id), deals, place, created)


def _permitted(
    subject: str, deals: Iterable[Deal], place: str, created: str
) -> Iterator[Statement]:
    for one in ddex.permissions(tuple(deals)):
        said = rows.evidence(place, created, one.words)
        yield Statement(subject, AGREEMENT, said, one.start, one.end, one.territories, one.uses)
