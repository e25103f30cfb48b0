"""Reading one message: composite by composite, in bounded memory, with no entities and no network.

A message is refused as a whole when it is no XML, no message of releases, of a version that is
not known, or made at no known time, since the newest message about a release counts. Everything
else that is amiss is noted beside what could be read.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from lxml import etree

from longplay.capture.sources.ddex import elements, parts, shapes
from longplay.capture.sources.ddex.contents import (
    Deals,
    Graveness,
    Message,
    Problem,
    Release,
    Resource,
)
from longplay.capture.sources.ddex.elements import Element, first
from longplay.capture.sources.ddex.parts import Names
from longplay.errors import InputError
from longplay.rights import ddex
from longplay.rights.ddex import Deal

MAX_BYTES = 64 * 1024 * 1024
"""Of one message: the largest real ones, of box sets with a deal for each country, have some MB."""

MAX_DEPTH = 64
"""Elements within elements; real messages have 12."""

MAX_ELEMENTS = 250_000
"""Elements of one composite: a release with a thousand deals has some ten thousand."""

MAX_ALL = 2_000_000
"""Elements of one message: as many as the longest that is read has."""

MAX_COMPOSITES = 100_000
"""Parties, resources, releases and groups of deals of one message; boxes have some hundred."""

MAX_PAIRS = 1_000_000
"""Deals, counted once for each recording that they are about: a box of 120 recordings with three
deals for each of 120 countries has some 40,000."""

MAX_PROBLEMS = 50
"""Of one message that are told one by one."""

ROOTS = ("NewReleaseMessage", "PurgeReleaseMessage")
OTHERS = {
    "CatalogListMessage": "which lists what exists and delivers nothing",
    "UpdateReleaseMessage": "which the standard does not have: an update is a NewReleaseMessage",
}

_LISTS = ("PartyList", "ResourceList", "ReleaseList", "DealList")
_VERSION = re.compile(r"(?:^|/)ern(?:-main)?/(\d)\.?(\d?)\.?(\d?)(?:D\d)?$", re.IGNORECASE)


class NoMessageError(InputError):
    """A file that is XML, and no message of releases: it lies beside them for its own reasons."""


@dataclass(slots=True)
class _Reading:
    """What was read of a message so far."""

    where: str
    version: str = ""
    kind: str = ""
    header: dict[str, str] = field(default_factory=dict)
    parties: dict[str, str] = field(default_factory=dict)
    resources: list[tuple[Resource, Names]] = field(default_factory=list)
    releases: list[tuple[Release, Names, str]] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    deals: list[Deal] = field(default_factory=list)
    purged: list[tuple[str, ...]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    untold: int = 0

    @property
    def is_full(self) -> bool:
        """Whether no more is told of this message."""
        return len(self.problems) >= MAX_PROBLEMS

    def note(self, line: int, what: str, remedy: str, grave: Graveness) -> None:
        if self.is_full:
            self.untold += 1
            return
        where = f"{self.where} line {line}" if line else self.where
        self.problems.append(Problem(where, what, remedy, grave))

    def complain(self, element: Element, what: str, remedy: str) -> None:
        called = next(
            (
                shapes.called(one)
                for one in (element, *element.iterancestors())
                if elements.name(one) in (*parts.KINDS, "Release", "TrackRelease")
            ),
            shapes.called(element),
        )
        self.note(element.sourceline or 0, f"{called}: {what}" if what.startswith("HashSum")
                  else f"{called} {what}", remedy, "part")  # fmt: skip


def aging(version: str, messages: int, where: str) -> Problem | None:
    """What is to be said of messages of a version; nothing of ERN 4.3."""
    numbers = tuple(map(int, version.split(".")))
    if numbers[:2] == NEWEST:
        return None
    many = f"{messages:,} messages are" if messages > 1 else "a message is"
    words = "which is read, but on its way out"
    if numbers > NEWEST:
        words = "of which only what 4.3 has is read"
    return Problem(where, f"{many} ERN {version}, {words}", "send ERN 4.3", "note")


NEWEST = (4, 3)
"""The version that is read without a word about it."""


def read(path: Path, where: str) -> Message:
    """Read the message in `path`; `where` names it in errors.

    Raises InputError for what cannot be read, NoMessageError for XML of another kind.
    """
    with _opened(path, where) as source:
        if not os.fstat(source.fileno()).st_size:
            raise InputError("is empty", where=where, hint="send the file again")
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        source.seek(0)
        reading = _Reading(where)
        try:
            _walk(source, reading)
        except etree.XMLSyntaxError as error:
            line = f" line {error.lineno}" if error.lineno else ""
            raise InputError(
                f"is no XML: {_plain(error)}",
                where=where + line,
                hint="correct it there, or send the file again, whole and in UTF-8",
            ) from error
        except (etree.LxmlError, LookupError, ValueError) as error:
            raise InputError(f"is no XML: {_plain(error)}", where=where) from error
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=where) from error
        size = source.tell()
    return _finished(reading, size, digest)


def _opened(path: Path, where: str) -> BufferedReader:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        facts = os.fstat(descriptor)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=where) from error
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
        os.close(descriptor)
        raise InputError(
            f"has {facts.st_size:,} bytes, more than the {MAX_BYTES:,} of a message"
            if stat.S_ISREG(facts.st_mode)
            else "is no file",
            where=where,
            hint="send the releases in several messages",
        )
    return os.fdopen(descriptor, "rb")


def _plain(error: Exception) -> str:
    """A library's words in one line, without the line that stands before them already."""
    said = str(error.msg if isinstance(error, etree.XMLSyntaxError) else error)
    return re.sub(r", line \d+, column \d+.*$", "", " ".join(said.split()))[:200]


def _walk(source: BufferedReader, reading: _Reading) -> None:
    """Go through a message, and take each composite out of memory once it is read."""
    events = etree.iterparse(
        source,
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=False,
    )
    depth = count = total = composites = 0
    top = ""
    for event, element in events:
        if event == "start":
            depth, count, total = depth + 1, count + 1, total + 1
            if depth == 1:
                _begin(element, reading)
            elif depth == 2:
                top, count = elements.local(element.tag), 0
            _bound(depth, MAX_DEPTH, "elements in each other", element, reading)
            _bound(count, MAX_ELEMENTS, "elements in one composite", element, reading)
            _bound(total, MAX_ALL, "elements", element, reading)
            continue
        depth -= 1
        whole = depth == 2 if top in _LISTS else depth == 1
        if whole and top:
            composites += 1
            _bound(composites, MAX_COMPOSITES, "composites", element, reading)
            elements.localise(element)
            _composite(element, top, reading)
        if whole or depth == 1:
            _forget(element)
            count = 0


def _bound(count: int, limit: int, what: str, element: Element, reading: _Reading) -> None:
    if count > limit:
        raise InputError(
            f"has more than {limit:,} {what}",
            where=f"{reading.where} line {element.sourceline}",
            hint="no release needs that many: look at what wrote the message",
        )


def _forget(element: Element) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _begin(root: Element, reading: _Reading) -> None:
    """The root element says what this is, and of which version."""
    if root.getroottree().docinfo.internalDTD is not None:
        raise InputError(
            "has a DOCTYPE, which messages do not have: it is not read",
            where=reading.where,
            hint="take the DOCTYPE out",
        )
    reading.kind = elements.local(root.tag)
    if reading.kind not in ROOTS:
        said = OTHERS.get(reading.kind, "")
        raise NoMessageError(
            f"is no message of releases, but {reading.kind[:60]!r}{', ' + said if said else ''}",
            where=reading.where,
            hint="a DDEX ERN file begins with NewReleaseMessage or PurgeReleaseMessage",
        )
    namespace = root.tag[1:].partition("}")[0] if root.tag.startswith("{") else ""
    reading.version = _version(namespace) or _version(root.get("MessageSchemaVersionId", ""))
    numbers = tuple(map(int, reading.version.split("."))) if reading.version else ()
    if not numbers or numbers[0] not in (3, 4):
        named = namespace or root.get("MessageSchemaVersionId", "")
        raise InputError(
            f"is of version {named[:80]!r}, which is not known" if named else "tells no version",
            where=reading.where,
            hint="send ERN 4.3: http://ddex.net/xml/ern/43",
        )


def _version(named: str) -> str:
    found = _VERSION.search(named.strip())
    if found is None:
        return ""
    return ".".join(one for one in found.groups() if one)


def _composite(element: Element, top: str, reading: _Reading) -> None:
    for breach in shapes.breaches(element, reading.version):
        if reading.is_full:
            reading.untold += 1
            continue
        row = breach.row
        line = breach.element.sourceline or 0
        reading.note(line, breach.words, row.remedy, "part" if row.grave else "note")
    if top == "MessageHeader":
        _header(element, reading)
    elif top == "PurgedRelease":
        ids = tuple(parts.identities(element))
        if ids:
            reading.purged.append(ids)
    elif top == "PartyList":
        reference, called = parts.party(element)
        if reference:
            reading.parties[reference] = called
    elif top == "ResourceList":
        made = parts.resource(element, reading.complain)
        if made is not None:
            reading.resources.append(made)
    elif top == "ReleaseList":
        reading.called.update(elements.texts(element, "ReleaseReference"))
        found = parts.release(element)
        if found is not None:
            reading.releases.append(found)
    elif top == "DealList" and elements.name(element) == "ReleaseDeal":
        reading.deals.extend(ddex.read_deals(element))


def _header(element: Element, reading: _Reading) -> None:
    reading.header = {
        "id": first(element, "MessageId"),
        "sender": first(element, "MessageSender/PartyId"),
        "name": first(
            element, "MessageSender/PartyName/FullName", "MessageSender/PartyName",
            "SentOnBehalfOf/PartyName/FullName",
        ),
        "created": first(element, "MessageCreatedDateTime"),
        "control": first(element, "MessageControlType"),
    }  # fmt: skip


def _finished(reading: _Reading, size: int, digest: str) -> Message:
    """The message, once it was read to its end. Raises InputError for one of no known time."""
    header = reading.header
    created = _time(header.get("created", ""))
    if created is None:
        said = header.get("created", "")
        raise InputError(
            f"its MessageCreatedDateTime is {said[:40]!r}, which is no time"
            if said
            else "its header has no MessageCreatedDateTime",
            where=reading.where,
            hint="of several messages about a release the one made last counts: say when",
        )
    if header["control"] == "TestMessage":
        reading.note(0, "is a TestMessage: nothing is done with it",
                     "send it as a LiveMessage when it is meant", "message")  # fmt: skip
    parties = reading.parties
    resources = {
        it.reference: replace(it, artists=names.resolve(parties)) for it, names in reading.resources
    }
    releases = tuple(
        replace(it, artists=names.resolve(parties), label=it.label or parties.get(label, ""))
        for it, names, label in reading.releases
    )
    if releases and all(it.tracks for it in releases):
        releases = (replace(releases[0], tracks=False), *releases[1:])
    deals = Deals.of(reading.deals, releases)
    if deals.reach(releases) > MAX_PAIRS:
        raise InputError(
            f"has more than {MAX_PAIRS:,} pairs of a deal and a recording that it is about",
            where=reading.where,
            hint="send the releases in several messages",
        )
    _check_references(reading, resources)
    if reading.untold:
        last = Problem(reading.where, f"{reading.untold:,} more problems", "", "note")
        reading.problems.append(last)
    return Message(
        version=reading.version,
        identity=header["id"][:200] or digest[:16],
        test=header["control"] == "TestMessage",
        sender=(header["sender"] or header["name"])[:200],
        sender_name=(header["name"] or header["sender"])[:200],
        created=created,
        size=size,
        sha256=digest,
        resources=resources,
        releases=releases,
        deals=deals,
        purged=tuple(reading.purged),
        problems=tuple(reading.problems),
    )


def _check_references(reading: _Reading, resources: dict[str, Resource]) -> None:
    """What is referred to must be there."""
    if len(resources) < len(reading.resources):
        counts = Counter(it.reference for it, _ in reading.resources)
        for one in sorted(name for name, times in counts.items() if times > 1):
            line = resources[one].line
            reading.note(line, f"two resources are called {one}", "give each its own reference",
                         "part")  # fmt: skip
    known = set(reading.called)
    for deal in reading.deals:
        for one in deal.releases:
            if one not in known:
                reading.note(deal.line, f"a deal is about {one[:40]}, which no release is called",
                             "correct DealReleaseReference", "part")  # fmt: skip
                known.add(one)


def _time(said: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
