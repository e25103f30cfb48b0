"""What packages tell of objects: gathered from ledger, evidence, catalogue and gate, page by page.

Everything is read in order of the objects' roots, so that memory holds one page and a few rows of
each evidence file, whatever the archive's size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive
from longplay.audio.tags import media_type_of
from longplay.catalogue import ids
from longplay.catalogue.describe import display
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.errors import StoreError
from longplay.files import escape
from longplay.ledger import claims, pages, queries, tables
from longplay.ledger.pages import Entry, Held
from longplay.model import Kind, Statement
from longplay.release.document import read_release
from longplay.release.packages.item import (
    Carried,
    Event,
    Granted,
    Item,
    Origin,
    Right,
)
from longplay.release.packages.names import file_name
from longplay.release.tables import MEMBERS
from longplay.rights import gate
from longplay.rights.gate import Refusal, Shareable
from longplay.rights.statements import CC0, LEGAL_DEPOSIT, PDM, TERMS, Act, Sort
from longplay.vault import evidence
from longplay.workflows import judging, shares, withdrawing
from longplay.workflows.judging import Originated, Stated
from longplay.workflows.withdrawing import Standing

REMEMBERED = 4096
"""Sets of statements whose judgement is remembered: most objects share theirs with others."""

NAMED = 1000
"""Paths that a document names of an object, and objects of those that have a picture in their
tags: the same silence, or a label's logo, may be everywhere."""

SOUND = ("container", "codec", "sample_rate", "channels", "bit_depth", "duration_ms", "decoder")
_PROPERTIES = (
    ("sampling rate", "sample_rate", "Hz"),
    ("channels", "channels", ""),
    ("bit depth", "bit_depth", "bit"),
    ("duration", "duration_ms", "ms"),
)

DECISIONS = {
    "claim uphold": "withdrawn: claim {subject} was upheld",
    "claim extend": "withdrawn: it carries what an upheld claim names",
    "claim restore": "given back: claim {subject} was reversed",
}
"""Words for the steps of claims, which PREMIS calls policy assignments."""

T = TypeVar("T")


class _Stream(Generic[T]):
    """A stream in ascending order of roots, taken root by root."""

    def __init__(self, rows: Iterator[T], root_of: Callable[[T], bytes]) -> None:
        self._rows = rows
        self._root_of = root_of
        self._next = next(rows, None)

    def take(self, root: bytes) -> Iterator[T]:
        """The rows of that root; roots are asked for in ascending order."""
        while self._next is not None and self._root_of(self._next) <= root:
            row, self._next = self._next, next(self._rows, None)
            if self._root_of(row) == root:
                yield row


@dataclass(frozen=True, slots=True)
class Judged:
    """An object before its documents are written: what is told of it, or why `--open` leaves it
    out."""

    item: Item
    refusal: Refusal | None


class Gatherer:
    """Reads what there is to tell of the objects that `connection` sees, by root. `only_open` asks
    the gate for leave to release each; `lost_evidence` names files of evidence that are missing,
    whose facts are not told."""

    def __init__(self, archive: Archive, connection: Connection, only_open: bool) -> None:
        self.archive = archive
        self.connection = connection
        self.only_open = only_open
        self.snapshot = open_current(archive.catalogue)
        self.lost_evidence: list[str] = []
        self.captures = pages.captures(connection)
        self.decided = pages.decided(connection)
        self.now = clock.now()
        self.withdrawn: Standing | None = None
        self.answers = lru_cache(REMEMBERED)(partial(_answers, now=self.now))
        self.inside = _Stream(pages.inside(connection), lambda row: row[0])
        self.published = _Stream(_publications(archive, connection), lambda row: row["root"])
        self.sounds = self._evidence("sounds", ["root", "size", *SOUND])
        self.happened = self._evidence(
            "events", ["root", "size", "time", "type", "outcome", "detail"]
        )

    def _evidence(self, kind: str, columns: list[str]) -> _Stream[dict[str, Any]]:
        names = queries.evidence_names(self.connection, kind)
        files = []
        for name in names:
            try:
                files += self.archive.evidence_files.fetch([name])
            except StoreError:
                self.lost_evidence.append(name)
        return _Stream(evidence.by_root(files, columns), lambda row: row["root"])

    def everything(self) -> Iterator[list[Judged]]:
        """All objects, a page at a time; once."""
        for page in pages.of_objects(self.connection):
            yield self._page(page)

    def _page(self, held: Sequence[Held]) -> list[Judged]:
        roots = [one.key.root for one in held]
        holders = {root: [row for _, row in self.inside.take(root)] for root in roots}
        wanted = {*roots, *(one.root for rows in holders.values() for one in rows)}
        origins = pages.origins(self.connection, sorted(wanted))
        carried = self._carried(roots)
        objects = [
            Originated(one.key, one.suffix, one.kind, _provenance(one, origins, holders))
            for one in held
        ]
        stated = judging.stated_of_all(self.connection, objects)
        standing = self._standing()
        judged = []
        for one, said in zip(held, stated, strict=True):
            leave = judging.judge(said, Act.RELEASE, self.now, standing) if self.only_open else None
            item = self._item(
                one, said, standing, origins, holders[one.key.root], carried,
                leave if isinstance(leave, Shareable) else None,
            )  # fmt: skip
            judged.append(Judged(item, leave if isinstance(leave, Refusal) else None))
        return judged

    def _standing(self) -> Standing:
        """What claims withdraw now: looked for again when one was decided while we were writing."""
        with self.archive.ledger.read() as connection:
            position = claims.position(connection)
        if self.withdrawn is None or self.withdrawn.position != position:
            self.withdrawn = withdrawing.standing(self.archive)
        return self.withdrawn

    def _item(
        self,
        held: Held,
        said: Stated,
        standing: Standing,
        origins: dict[bytes, list[pages.Origin]],
        holders: list[pages.Inside],
        carried: dict[bytes, list[Carried]],
        leave: Shareable | None,
    ) -> Item:
        root = held.key.root
        sound = next((row for row in self.sounds.take(root) if _is_of(row, held)), {})
        own = origins.get(root, [])
        withdrawn = root in standing.roots
        statements = said.in_force
        first = own[0] if own else None
        return Item(
            key=held.key,
            sha256=held.sha256,
            kind=held.kind,
            name=file_name(_original(first, holders), held.suffix),
            media_type=media_type_of(Kind(held.kind), held.suffix),
            format=_format(sound),
            properties=tuple(_properties(sound, held, len(own), len(holders))),
            origins=tuple(Origin(one.source, escape(one.path)) for one in own[:NAMED]),
            carries=tuple(carried.get(root, ())),
            inside=tuple(one.root for one in holders[:NAMED]),
            events=tuple(self._events(held, sound.get("decoder") or "")),
            rights=tuple(
                _right(one, self.answers((one,), said.derivative, False)) for one in statements
            ),
            access="dark" if withdrawn else gate.access_class(statements, self.now),
            granted=self.answers(statements, said.derivative, withdrawn),
            archive=self.archive.settings.name,
            suffix=held.suffix,
            leave=leave,
        )

    def _carried(self, roots: Sequence[bytes]) -> dict[bytes, list[Carried]]:
        """What the objects carry, under today's ids and as the catalogue describes it now."""
        found = pages.carrying(self.connection, roots)
        keys = np.array([one.recording for rows in found.values() for one in rows], np.uint64)
        if not len(keys):
            return {}
        today = dict(zip(keys.tolist(), shares.current(self.snapshot, keys).tolist(), strict=True))
        known = _known(self.snapshot, np.unique(np.array(list(today.values()), np.uint64)))
        return {
            root: [_carry(one, today[one.recording], known) for one in rows]
            for root, rows in found.items()
        }

    def _events(self, held: Held, decoder: str) -> Iterator[Event]:
        """What happened to an object, oldest first."""
        entry = self.captures.get(held.batch)
        found = [
            Event(
                type=row["type"],
                time=row["time"],
                outcome=row["outcome"],
                detail=row["detail"],
                entry=entry.number if entry and row["time"] <= entry.time else None,
                by=decoder if row["type"] in ("validation", "normalization") else "",
            )
            for row in self.happened.take(held.key.root)
            if _is_of(row, held)
        ]
        found += map(_decision, self.decided.get(held.key.root, ()))
        found += (_released(row) for row in self.published.take(held.key.root))
        came = entry.time if entry else max((one.time for one in found), default="")
        if held.checked and held.checked > came:
            words = "each 16 KiB block compared with its BEP 52 hash"
            found.append(Event("fixity check", held.checked, "pass", words))
        yield from sorted(found, key=lambda one: (one.time, one.type, one.detail))


def _publications(archive: Archive, connection: Connection) -> Iterator[dict[str, Any]]:
    """Every object of every volume that a release cut, by root: `root`, `volume`, `release` and
    `time`. In memory, some 40 bytes for each. A release whose folder was removed is not told of.
    """
    parts = []
    columns = (tables.releases.c.document, tables.releases.c.time)
    for text, time in connection.execute(sa.select(*columns).order_by(tables.releases.c.time)):
        release = read_release(json.loads(text))
        path = archive.releases / release.name / MEMBERS
        if not path.exists():
            continue
        members = pq.read_table(path, columns=["root", "volume"], read_dictionary=["volume"])
        members = members.filter(pc.is_in(members["volume"], pa.array(release.fresh, pa.string())))
        for name, value in (("release", release.name), ("time", time)):
            same = pa.array([value]).dictionary_encode().take(pa.array([0] * len(members)))
            members = members.append_column(name, same)
        parts.append(members)
    if parts:
        table = pa.concat_tables(parts).unify_dictionaries().sort_by([("root", "ascending")])
        for batch in table.to_batches(max_chunksize=evidence.MERGE_ROWS):
            yield from batch.to_pylist()


def _released(row: dict[str, Any]) -> Event:
    words = f"in release {row['release']}, volume {row['volume']}"
    return Event("dissemination", row["time"], "released", words)


def _is_of(row: dict[str, Any], held: Held) -> bool:
    return bool(row["size"] == held.key.size)


def _provenance(
    held: Held,
    origins: dict[bytes, list[pages.Origin]],
    holders: dict[bytes, list[pages.Inside]],
) -> list[queries.Provenance]:
    """As `queries.provenance_of`, each row once: a picture came from where its holders did."""
    root = held.key.root
    own = ((root, one.source, one.track, one.album, one.action) for one in origins.get(root, ()))
    inside = (
        (root, one.source, one.track, one.album, "original")
        for holder in holders[root]
        for one in origins.get(holder.root, ())
    )
    return list(dict.fromkeys((*own, *inside)))


def _original(first: pages.Origin | None, holders: list[pages.Inside]) -> bytes:
    """The path that an object's name is taken from."""
    if first is not None:
        return first.path
    return holders[0].role.encode() if holders else b""


def _format(sound: dict[str, Any]) -> str:
    return f"container {sound['container']}, codec {sound['codec']}" if sound else ""


def _properties(
    sound: dict[str, Any], held: Held, paths: int, holders: int
) -> Iterator[tuple[str, str]]:
    """What was measured, and how much there is of what documents name but the first of."""
    for name, column, unit in _PROPERTIES:
        if sound.get(column) is not None:
            yield name, f"{sound[column]} {unit}".strip()
    if held.verdict:
        yield "integrity", held.verdict
    if paths > NAMED:
        yield "paths that led to it", str(paths)
    if holders > NAMED:
        yield "objects that have it in their tags", str(holders)


def _known(snapshot: Snapshot, recordings: shares.Keys) -> dict[int, dict[str, Any]]:
    return {row["recording"]: row for row in display(snapshot, recordings).to_pylist()}


def _carry(one: pages.Carrying, recording: int, known: dict[int, dict[str, Any]]) -> Carried:
    row = known.get(recording, {})
    return Carried(
        recording=ids.text("rec", recording),
        start_ms=one.start_ms,
        end_ms=one.end_ms,
        role=one.role,
        title=row.get("title") or "",
        artists=tuple(name for name in row.get("artists") or () if name),
        album=row.get("album") or "",
        date=row.get("release_date") or "",
        isrc=row.get("isrc") or "",
    )


def _decision(entry: Entry) -> Event:
    words = DECISIONS.get(entry.event, entry.event).format(subject=entry.subject)
    return Event("policy assignment", entry.time, "", words, entry.number)


def _right(one: Statement, granted: tuple[Granted, ...]) -> Right:
    """A statement with what it alone would permit."""
    terms = TERMS.get(one.uri)
    return Right(
        uri=one.uri,
        name=terms.name if terms else "a statement that the archive does not know",
        basis=_basis(one.uri),
        evidence=one.evidence,
        start=one.start,
        end=one.end,
        territories=one.territories,
        granted=granted,
    )


def _basis(uri: str) -> str:
    """PREMIS rights basis: license, copyright, statute or other."""
    terms = TERMS.get(uri)
    if uri == LEGAL_DEPOSIT:
        return "statute"
    if terms is not None and terms.sort is Sort.DESCRIPTION:
        return "copyright"
    is_licence = terms is not None and terms.sort is Sort.PUBLIC and uri != PDM
    return "license" if is_licence or uri == CC0 else "other"


def _answers(
    statements: tuple[Statement, ...], derivative: bool, withdrawn: bool, now: datetime
) -> tuple[Granted, ...]:
    """What the gate says of each act: to anybody, else to signed-in users, else why not."""

    def ask(act: Act, signed_in: bool) -> Shareable | Refusal:
        return gate.decide(
            statements,
            act,
            now,
            signed_in=signed_in,
            derivative=derivative,
            withdrawn=withdrawn,
        )

    return tuple(_granted(act, ask(act, True), ask(act, False)) for act in Act)


def _granted(act: Act, signed_in: Shareable | Refusal, anybody: Shareable | Refusal) -> Granted:
    if isinstance(anybody, Shareable):
        duties = ", ".join(anybody.duties)
        return Granted(act.value, "allow", f"asks for {duties}" if duties else "")
    if isinstance(signed_in, Shareable):
        return Granted(act.value, "allow signed-in users", "")
    return Granted(act.value, f"disallow: {signed_in.reason}", signed_in.words)
