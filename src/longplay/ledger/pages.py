"""Everything that the ledger has about objects, a page of them at a time, in order of their roots.

For readers of a whole archive: what they hold in memory is one page, however many objects it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import queries, tables
from longplay.ledger.columns import by_root
from longplay.ledger.writing import QUERY_ROWS
from longplay.model import ObjectKey

ROWS = 4096
"""Objects in a page: enough that asking costs little beside reading them."""


@dataclass(frozen=True, slots=True)
class Held:
    """A stored object. `checked` is its last fixity check, the day it came in when there was
    none since."""

    key: ObjectKey
    sha256: bytes
    kind: str
    suffix: str
    verdict: str | None
    batch: int
    checked: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """A path of a source that led to an object; `current` that it still does."""

    source: str
    path: bytes
    action: str
    track: int | None
    album: int | None
    current: bool


@dataclass(frozen=True, slots=True)
class Inside:
    """An object that has this one, a picture, in its tags."""

    root: bytes
    role: str


@dataclass(frozen=True, slots=True)
class Carrying:
    """A recording that an object carries, from `start_ms` to `end_ms` (None: to its end)."""

    recording: int
    start_ms: int
    end_ms: int | None
    role: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log that speaks of an object, or of the batch that brought it."""

    number: int
    time: str
    event: str
    subject: str
    hash: bytes


def of_objects(connection: Connection) -> Iterator[list[Held]]:
    """Every stored object, by root, in pages."""
    o, after = tables.objects.c, b""
    columns = (o.root, o.size, o.sha256, o.kind, o.suffix, o.verdict, o.batch, o.checked)
    while True:
        query = sa.select(*columns).where(o.root > after).order_by(by_root(o.root)).limit(ROWS)
        rows = connection.execute(query).all()
        if not rows:
            return
        yield [Held(ObjectKey(row.root, row.size), *row[2:]) for row in rows]
        after = rows[-1].root


def origins(connection: Connection, roots: Sequence[bytes]) -> dict[bytes, list[Origin]]:
    """The paths that led to each of these objects: by source and path, current ones first."""
    h = tables.holdings.c
    found: dict[bytes, list[Origin]] = {}
    for chunk in _chunks(roots):
        query = sa.select(
            h.root, h.source, h.path, h.action, h.track, h.album, h.superseded,
        ).where(h.root.in_(chunk)).order_by(h.superseded, h.source, h.path)  # fmt: skip
        for row in connection.execute(query):
            found.setdefault(row[0], []).append(Origin(*row[1:6], not row.superseded))
    return found


def carrying(connection: Connection, roots: Sequence[bytes]) -> dict[bytes, list[Carrying]]:
    """The recordings that each of these objects carries, in the order in which they sound."""
    m = tables.manifestations.c
    found: dict[bytes, list[Carrying]] = {}
    for chunk in _chunks(roots):
        query = sa.select(m.root, m.recording, m.start_ms, m.end_ms, m.role)
        query = query.where(m.root.in_(chunk)).order_by(m.start_ms, m.recording)
        for root, *facts in connection.execute(query):
            found.setdefault(root, []).append(Carrying(*facts))
    return found


def inside(connection: Connection) -> Iterator[tuple[bytes, Inside]]:
    """Every embedded picture with each object that has it, by the picture's root."""
    e = tables.embedded.c
    query = sa.select(e.picture, e.root, e.role).order_by(e.picture, e.root, e.role)
    for rows in connection.execute(query).partitions(queries.FETCH_ROWS):
        for picture, root, role in rows:
            yield picture, Inside(root, role)


def captures(connection: Connection) -> dict[int, Entry]:
    """The log's entry for each batch that brought objects."""
    return {
        queries.batch_of(row.detail): _entry(row)
        for row in _log(connection, tables.log.c.event == "capture")
    }


def decided(connection: Connection) -> dict[bytes, list[Entry]]:
    """What the log tells of claims by object: which were withdrawn, and given back."""
    found: dict[bytes, list[Entry]] = {}
    for row in _log(connection, tables.log.c.event.like("claim %")):
        for root, _ in json.loads(row.detail).get("objects", ()):
            found.setdefault(bytes.fromhex(root), []).append(_entry(row))
    return found


def first_hash(connection: Connection) -> bytes:
    """The hash of the log's first entry, which no two archives share: it tells them apart."""
    e = tables.log.c
    return connection.scalar(sa.select(e.hash).order_by(e.number).limit(1)) or bytes(32)


def is_stored(connection: Connection, root: bytes) -> bool:
    """Whether the ledger names an object with this root now."""
    return queries.object_of(connection, root) is not None


def _log(connection: Connection, which: sa.ColumnElement[bool]) -> Iterator[sa.Row[Any]]:
    query = sa.select(tables.log).where(which).order_by(tables.log.c.number)
    yield from connection.execute(query)


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(row.number, row.time, row.event, row.subject, row.hash)


def _chunks(roots: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(roots), QUERY_ROWS):
        yield roots[start : start + QUERY_ROWS]
