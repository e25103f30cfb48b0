"""What there is to tell of a kept copy: its format, its rights and where they were read, what
happened to it, and which releases have it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.access.context import Context
from longplay.access.library.covers import Hears
from longplay.access.site import describing
from longplay.archive import Archive
from longplay.catalogue import database
from longplay.errors import StoreError
from longplay.ledger import queries, tables
from longplay.model import Kind
from longplay.release.document import newest_by_stage, read_release
from longplay.release.tables import MEMBERS
from longplay.rights import gate, inheritance
from longplay.rights.gate import AccessClass, Refusal, Shareable
from longplay.rights.statements import TERMS, Act, Duty, Sort, Terms
from longplay.workflows import judging
from longplay.workflows.judging import Stated

MOST = 20
"""Copies of one recording that are told of."""

MOST_EVENTS = 200
"""Events of one copy that are listed, the newest first."""

REMEMBERED = 4096
"""Copies whose events and releases are kept in memory."""

INGESTION = "ingestion"
"""The event that names paths of sources, which are for signed-in listeners alone."""

DUTIES = {
    Duty.ATTRIBUTION: "say who made it",
    Duty.SHARE_ALIKE: "share what you make of it alike",
    Duty.NON_COMMERCIAL: "use it for no commerce",
    Duty.UNCHANGED: "hand it on unchanged",
}

_SOUND = (
    "container, codec, sample_rate, channels, bit_depth, bit_rate, duration_ms, integrated_lufs,"
    " true_peak_dbtp, verdict"
)
_UNMEASURED = dict.fromkeys(name.strip() for name in _SOUND.split(","))
"""Of what came without evidence of its sound, as on a mirror, or lost it."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A statement in force, where it was read, and whether its address says more of it."""

    name: str
    uri: str
    spdx: str
    evidence: str
    public: bool

    @property
    def read_in(self) -> str:
        """Where it was read, without when, and without digests."""
        return self.evidence.partition("; ")[0]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a copy (PREMIS event types)."""

    time: str
    type: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Published:
    """A volume of a release that has a copy."""

    release: str
    volume: str
    magnet: str
    torrent: str


@dataclass(frozen=True, slots=True)
class Copy:
    """One kept copy of a recording, as far as it may be told of to this listener.

    `streaming` says whether they may hear it; else `why_not` does. `steps` say in words how the
    statements in force were arrived at, for each file that led to the copy."""

    root: bytes
    size: int
    suffix: str
    sound: dict[str, Any]
    access: AccessClass
    streaming: bool
    why_not: str
    signing_in_helps: bool
    licences: tuple[Licence, ...]
    duties: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]
    checked: str | None
    events: tuple[Event, ...]
    published: tuple[Published, ...]

    @property
    def id(self) -> str:
        """Its id as text."""
        return f"{judging.OBJECT}{self.root.hex()}"


def of_recordings(here: Context, who: Hears, recordings: list[int]) -> tuple[list[Copy], str]:
    """The copies that carry one of these recordings (all ids of one) and may be described; and why
    there are none, `withdrawn` or `gone`, where there were."""
    standing = here.standing()
    now = clock.now()
    with here.archive.ledger.read() as connection:
        roots = [root for _, root in queries.objects_carrying(connection, recordings)]
        roots = list(dict.fromkeys(roots))[:MOST]
        found = {one.key.root: one for one in describing.stated(connection, roots)}
        checks = _checks(connection, roots)
    copies = []
    for root in roots:
        one = found.get(root)
        if one is None or one.kind != Kind.AUDIO:
            continue
        if isinstance(judging.judge(one, Act.DESCRIBE, now, standing), Shareable):
            copies.append(_copy(here, who, one, checks.get(root)))
    why = ""
    if roots and not copies:
        why = "withdrawn" if found or standing.roots.intersection(roots) else "gone"
    return copies, why


def _checks(connection: Connection, roots: list[bytes]) -> dict[bytes, str | None]:
    o = tables.objects.c
    rows = connection.execute(sa.select(o.root, o.checked).where(o.root.in_(roots)))
    return {row.root: row.checked for row in rows}


def _copy(here: Context, who: Hears, one: Stated, checked: str | None) -> Copy:
    standing, now = here.standing(), clock.now()
    mine = judging.judge(one, Act.STREAM, now, standing, signed_in=who.signed_in)
    signed_in = judging.judge(one, Act.STREAM, now, standing, signed_in=True)
    refused = mine.words if isinstance(mine, Refusal) else ""
    sound, events = _evidence(here.archive, one.key.root)
    if not who.signed_in:
        events = tuple(
            replace(each, detail="") if each.type == INGESTION else each for each in events
        )
    return Copy(
        root=one.key.root,
        size=one.key.size,
        suffix=one.suffix,
        sound=sound,
        access=gate.access_class(one.in_force, now),
        streaming=isinstance(mine, Shareable),
        why_not=refused,
        signing_in_helps=bool(refused) and isinstance(signed_in, Shareable),
        licences=tuple(_licence(each.uri, each.evidence) for each in one.in_force),
        duties=tuple(DUTIES[duty] for duty in getattr(mine, "duties", ())),
        steps=tuple(dict.fromkeys(inheritance.explain(levels).steps for levels in one.files)),
        checked=checked,
        events=events,
        published=_published(here, one.key.root),
    )


def _licence(uri: str, evidence: str) -> Licence:
    terms = TERMS.get(uri) or Terms(uri, "A statement that the archive does not know", Sort.CLOSED)
    public = uri.startswith(("https://", "http://"))
    return Licence(terms.name, uri, terms.spdx, evidence, public)


def _evidence(archive: Archive, root: bytes) -> tuple[dict[str, Any], tuple[Event, ...]]:
    """What was measured of a copy, and what happened to it."""
    with archive.ledger.read() as connection:
        names = {
            kind: tuple(queries.evidence_names(connection, kind)) for kind in ("sounds", "events")
        }
    try:
        sounds = _rows(archive, names["sounds"], _SOUND, root)
        events = _rows(archive, names["events"], "time, type, outcome, detail", root)
    except (StoreError, duckdb.Error):
        return dict(_UNMEASURED), ()  # `verify` and `doctor` tell of evidence that is lost
    known = {Event(*(row[name] or "" for name in row)) for row in events}
    newest = sorted(known, key=lambda one: (one.time, one.type), reverse=True)
    return (sounds[0] if sounds else dict(_UNMEASURED)), tuple(newest[:MOST_EVENTS])


@lru_cache(REMEMBERED)
def _rows(
    archive: Archive, names: tuple[str, ...], columns: str, root: bytes
) -> list[dict[str, Any]]:
    """The rows of a root in evidence files, which never change under their names."""
    if not names:
        return []
    files = archive.evidence_files.fetch(list(names))
    with duckdb.connect(config={"threads": 1, "memory_limit": "200MB"}) as connection:
        query = f"SELECT {columns} FROM {database.parquet(files)} WHERE root = ?"
        found = connection.execute(query, [root])
        names_of = [column[0] for column in found.description or ()]
        return [dict(zip(names_of, row, strict=True)) for row in found.fetchall()]


def _published(here: Context, root: bytes) -> tuple[Published, ...]:
    """The volumes of the newest releases that have a copy."""
    r = tables.releases.c
    with here.archive.ledger.read() as connection:
        names = tuple(connection.scalars(sa.select(r.name).order_by(r.name)))
    return _in_releases(here.archive, names, root)


@lru_cache(REMEMBERED)
def _in_releases(archive: Archive, _: tuple[str, ...], root: bytes) -> tuple[Published, ...]:
    """As `_published`; the names of all releases are what an answer is remembered by."""
    with archive.ledger.read() as connection:
        texts = list(connection.scalars(sa.select(tables.releases.c.document)))
    releases = newest_by_stage(read_release(json.loads(text)) for text in texts).values()
    found = []
    for release in releases:
        path = archive.releases / release.name / MEMBERS
        if not path.exists():
            continue
        with duckdb.connect(config={"threads": 1, "memory_limit": "200MB"}) as connection:
            query = f"SELECT DISTINCT volume FROM {database.parquet([path])} WHERE root = ?"
            names = {name for (name,) in connection.execute(query, [root]).fetchall()}
        found += [
            Published(release.name, one.name, one.magnet, f"/releases/{one.torrent}")
            for one in release.volumes
            if one.name in names
        ]
    return tuple(found)
