"""Reading the ledger: what is held, under which rights, published where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import tables
from longplay.ledger.columns import Word, by_root
from longplay.ledger.tally import remembered
from longplay.model import Action, Kind, ObjectKey, Role, Statement, Verdict

Provenance = tuple[bytes, str, int | None, int | None, str]
"""(root, source, track, album, action) of one path that led to an object."""

FETCH_ROWS = 10_000
"""Rows of a large answer held at a time."""

QUERY_VALUES = 10_000
"""Values named in one query; SQLite takes at most 32,766, PostgreSQL 65,535."""

_ORIGINAL = sa.literal(Action.ORIGINAL.value, Word(Action))

T = TypeVar("T")

RANKS = {Role.PRESERVATION: 0, Role.DERIVATIVE: 1, Role.OTHER_ENCODING: 2, Role.PART: 3}
PART_RANK = RANKS[Role.PART]
"""How well each role stands for a recording, best first."""


def rank_of(role: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    """How well a role stands for a recording, in SQL."""
    return sa.case(*((role == one.value, rank) for one, rank in RANKS.items()))


def count_objects(connection: Connection) -> tuple[int, int]:
    """How many objects are stored, and their bytes."""
    query = sa.select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(tables.objects.c.size), 0)
    ).select_from(tables.objects)
    count, size = connection.execute(query).one()
    return int(count), int(size)


def count(connection: Connection, table: sa.FromClause) -> int:
    """Rows of a table."""
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def held_recordings(connection: Connection) -> pa.Array:
    """The recordings that some object carries, sorted, as unsigned 64-bit keys."""
    m = tables.manifestation_rows.c
    query = sa.select(sa.type_coerce(m.recording, sa.BigInteger)).where(remembered(m.object))
    return _keys(connection, query.distinct())


def changed_recordings(connection: Connection) -> pa.Array:
    """The recordings that came or went since listens were last summed up, in the same way."""
    c = tables.recording_changes.c
    return _keys(connection, sa.select(sa.type_coerce(c.recording, sa.BigInteger)))


def _keys(connection: Connection, query: sa.Select[int]) -> pa.Array:
    rows = connection.execute(query, execution_options={"yield_per": FETCH_ROWS})
    # As SQL has them, signed: tens of millions of Python's integers would fill the memory.
    found = np.fromiter((row[0] for row in rows), np.int64).view(np.uint64)
    return pa.array(np.sort(found), pa.uint64())


def stored(connection: Connection) -> Iterator[tuple[ObjectKey, str]]:
    """Every object with its suffix, by root."""
    o = tables.objects.c
    query = sa.select(o.root, o.size, o.suffix).order_by(by_root(o.root))
    for root, size, suffix in connection.execute(
        query, execution_options={"yield_per": FETCH_ROWS}
    ):
        yield ObjectKey(root, size), suffix


def oldest_checked(connection: Connection, limit: int) -> set[bytes]:
    """The roots of the objects whose last fixity check lies furthest back."""
    o = tables.objects.c
    found: set[bytes] = set()
    for never in (o.checked.is_(None), o.checked.is_not(None)):
        query = sa.select(o.root).where(never).order_by(o.checked, o.number)
        found.update(connection.scalars(query.limit(limit - len(found))))
    return found


def evidence_names(connection: Connection, kind: str) -> list[str]:
    """The evidence files of one kind."""
    e = tables.evidence_files.c
    return list(connection.scalars(sa.select(e.name).where(e.kind == kind).order_by(e.name)))


def evidence_digests(connection: Connection, kind: str) -> dict[str, bytes]:
    """The SHA-256 of each evidence file of one kind, by its name."""
    e = tables.evidence_files.c
    rows = connection.execute(sa.select(e.name, e.sha256).where(e.kind == kind).order_by(e.name))
    return {row.name: row.sha256 for row in rows}


def latest_plan(connection: Connection) -> dict[str, Any] | None:
    """The plan made last, as its document, or None."""
    p = tables.plans.c
    text = connection.scalar(sa.select(p.document).order_by(p.number.desc()).limit(1))
    return None if text is None else dict(json.loads(text))


def uneven_paths(connection: Connection) -> pa.Table:
    """(source, path) of files that are damaged or could not be kept: a plan prefers others."""
    h, o, q = tables.holdings.c, tables.objects.c, tables.quarantine.c
    damaged = (
        sa.select(h.source, h.path)
        .join(tables.objects, o.number == h.object)
        .where(o.verdict == Verdict.DAMAGED.value, h.superseded == 0)
    )
    return _names(connection.execute(sa.union(damaged, sa.select(q.source, q.path))).all())


def _names(rows: Sequence[sa.Row[str, bytes]]) -> pa.Table:
    return pa.table(
        {
            "source": pa.array([row[0] for row in rows], pa.string()),
            "path": pa.array([row[1] for row in rows], pa.binary()),
        }
    )


def held_paths(connection: Connection) -> pa.Table:
    """(source, path) of every file that led to an object, or into quarantine."""
    h, q = tables.holdings.c, tables.quarantine.c
    query = sa.union(sa.select(h.source, h.path), sa.select(q.source, q.path))
    return _names(connection.execute(query).all())


def held_by_role(connection: Connection) -> pa.Table:
    """Each held recording with the best role that an object has for it; derivatives come last."""
    m = tables.manifestation_rows.c
    rank = sa.func.min(sa.case((m.role == Role.DERIVATIVE.value, 1), else_=0))
    query = sa.select(m.recording, rank).where(remembered(m.object)).group_by(m.recording)
    rows = connection.execute(query).all()
    roles = [Role.DERIVATIVE.value if row[1] else Role.PRESERVATION.value for row in rows]
    return pa.table(
        {
            "recording": pa.array([row[0] for row in rows], pa.uint64()),
            "role": pa.array(roles, pa.string()),
        }
    )


def statements(connection: Connection) -> Iterator[Statement]:
    """Every rights statement, by subject."""
    r = tables.rights_statements
    for row in connection.execute(sa.select(r).order_by(r.c.subject, r.c.uri, r.c.evidence)):
        yield _statement(row)


def _statement(row: sa.Row[Any]) -> Statement:
    return Statement(
        row.subject,
        row.uri,
        row.evidence,
        row.start,
        row.end,
        tuple(row.territories.split()),
        tuple(row.uses.split()),
    )


def provenance(connection: Connection) -> Iterator[Provenance]:
    """Where every object came from, by root; a picture found inside another object came from
    where that one did."""
    h, e = tables.holdings.c, tables.embedded.c
    own = sa.select(h.root, h.source, h.track, h.album, h.action)
    inside = sa.select(e.picture, h.source, h.track, h.album, _ORIGINAL).join_from(
        tables.embedded, tables.holdings, e.object == h.object
    )
    query = sa.union_all(own, inside).order_by("root", "track", "album", "source")
    for rows in connection.execute(query).partitions(FETCH_ROWS):
        yield from map(tuple, rows)


def provenances(connection: Connection, roots: Sequence[bytes]) -> list[Provenance]:
    """The rows of `provenance` for some objects, in no order."""
    h, e = tables.holdings.c, tables.embedded.c
    found: list[Provenance] = []
    for some in in_parts(roots):
        own = sa.select(h.root, h.source, h.track, h.album, h.action).where(h.root.in_(some))
        inside = (
            sa.select(e.picture, h.source, h.track, h.album, _ORIGINAL)
            .join(tables.embedded, e.object == h.object)
            .where(e.picture.in_(some))
        )
        found += [tuple(row) for query in (own, inside) for row in connection.execute(query)]
    return found


def provenance_of(connection: Connection, root: bytes) -> list[Provenance]:
    """The rows of `provenance` for one object."""
    h, e = tables.holdings.c, tables.embedded.c
    own = sa.select(h.root, h.source, h.track, h.album, h.action).where(h.root == root)
    inside = (
        sa.select(e.picture, h.source, h.track, h.album, _ORIGINAL)
        .join(tables.embedded, e.object == h.object)
        .where(e.picture == root)
    )
    return [tuple(row) for row in connection.execute(sa.union_all(own, inside))]


def statements_about(connection: Connection, subjects: Sequence[str]) -> list[Statement]:
    """The rights statements about these subjects, for each by URI and evidence."""
    r = tables.rights_statements
    found: list[Statement] = []
    for part in in_parts(subjects):
        query = sa.select(r).where(r.c.subject.in_(part)).order_by(r.c.uri, r.c.evidence)
        found += [_statement(row) for row in connection.execute(query)]
    return found


def statements_of(connection: Connection, origin: str) -> list[Statement]:
    """The rights statements that one origin made."""
    r = tables.rights_statements
    query = sa.select(r).where(r.c.origin == origin).order_by(r.c.subject, r.c.uri, r.c.evidence)
    return [_statement(row) for row in connection.execute(query)]


def held_from(connection: Connection, source: str) -> pa.Table:
    """Music and pictures that files of a source led to: `root`, `track`, `album` (both may be
    null), and `others`, how many other sources led to the same object."""
    h, o = tables.holdings.c, tables.objects.c
    other = tables.holdings.alias("others")
    others = (
        sa.select(sa.func.count(sa.distinct(other.c.source)))
        .where(other.c.object == h.object, other.c.source != source)
        .scalar_subquery()
    )
    query = (
        sa.select(h.root, h.track, h.album, others)
        .join(tables.objects, o.number == h.object)
        .where(h.source == source, o.kind.in_((Kind.AUDIO.value, Kind.IMAGE.value)))
        .distinct()
    )
    rows = connection.execute(query).all()
    return pa.table(
        {
            "root": pa.array([row[0] for row in rows], pa.binary()),
            "track": pa.array([row[1] for row in rows], pa.uint64()),
            "album": pa.array([row[2] for row in rows], pa.uint64()),
            "others": pa.array([row[3] for row in rows], pa.int32()),
        }
    )


def object_of(connection: Connection, root: bytes) -> tuple[ObjectKey, str, str] | None:
    """A stored object with its suffix and kind, by its root."""
    o = tables.objects.c
    found = connection.execute(sa.select(o.size, o.suffix, o.kind).where(o.root == root)).first()
    return None if found is None else (ObjectKey(root, found.size), found.suffix, found.kind)


def objects_carrying(connection: Connection, recordings: Sequence[int]) -> list[tuple[int, bytes]]:
    """(recording, root) of the objects that carry these recordings, preservation copies first."""
    m = tables.manifestations.c
    found = []
    for some in in_parts(recordings):
        rows = connection.execute(
            sa.select(m.recording, m.root, m.role).where(m.recording.in_(some)).distinct()
        )
        found += [(RANKS[Role(role)], root, recording) for recording, root, role in rows]
    return list(dict.fromkeys((recording, root) for _, root, recording in sorted(found)))


def sizes_of(connection: Connection, roots: Sequence[bytes]) -> dict[bytes, ObjectKey]:
    """The objects that have these roots, of those that are stored."""
    o = tables.objects.c
    return {
        root: ObjectKey(root, size)
        for some in in_parts(roots)
        for root, size in connection.execute(sa.select(o.root, o.size).where(o.root.in_(some)))
    }


def in_parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """A long list in parts that one query takes."""
    return (values[at : at + QUERY_VALUES] for at in range(0, len(values), QUERY_VALUES))


def recordings_of(connection: Connection, root: bytes) -> list[int]:
    """The recordings that an object carries."""
    m = tables.manifestations.c
    query = sa.select(m.recording).where(m.root == root).distinct().order_by(m.recording)
    return list(connection.scalars(query))


def carried(connection: Connection) -> pa.Table:
    """(recording, root) of every manifestation."""
    m = tables.manifestations.c
    query = sa.select(m.recording, m.root).where(remembered(m.object)).distinct()
    rows = connection.execute(query).all()
    return pa.table(
        {
            "recording": pa.array([row[0] for row in rows], pa.uint64()),
            "root": pa.array([row[1] for row in rows], pa.binary()),
        }
    )


def pictures_of_none_but(connection: Connection, roots: set[bytes]) -> dict[bytes, list[bytes]]:
    """The embedded pictures of these objects that no other object has, by the object."""
    e = tables.embedded.c
    mine: dict[bytes, set[bytes]] = {}
    for some in in_parts(sorted(roots)):
        rows = connection.execute(sa.select(e.root, e.picture).where(e.root.in_(some)))
        for root, picture in rows:
            mine.setdefault(picture, set()).add(root)
    others: set[bytes] = set()
    for some in in_parts(sorted(mine)):
        rows = connection.execute(sa.select(e.root, e.picture).where(e.picture.in_(some)))
        others |= {picture for root, picture in rows if root not in roots}
    found: dict[bytes, list[bytes]] = {}
    for picture in sorted(mine.keys() - others):
        for root in mine[picture]:
            found.setdefault(root, []).append(picture)
    return found


def batch_of(detail: str) -> int:
    """The batch that a capture entry of the log speaks of."""
    return int(json.loads(detail)["batch"])


def releasable(connection: Connection) -> pa.Table:
    """Every audio object with each recording that it carries: `recording`, `root`, `size`,
    `sha256`, `suffix`, `piece_length`, and `rank`, smaller for what stands for it better."""
    m, o = tables.manifestations.c, tables.objects.c
    rank = rank_of(m.role)
    query = sa.select(
        # As SQL has them: at a million rows, turning each value by itself takes seconds.
        sa.type_coerce(m.recording, sa.BigInteger),
        *(sa.type_coerce(column, sa.types.NullType) for column in (o.root, o.size, o.sha256)),
        *(o.suffix, o.piece_length, rank),
    ).join(tables.objects, o.number == m.object)
    rows = connection.execute(query).all()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_RELEASABLE)
    arrays = [pa.array(one, field.type) for one, field in zip(columns, _RELEASABLE, strict=True)]
    table = pa.table(arrays, schema=_RELEASABLE)
    recordings = table["recording"].combine_chunks().view(pa.uint64())
    return table.set_column(0, "recording", recordings)


_RELEASABLE = pa.schema(
    [
        ("recording", pa.int64()),
        ("root", pa.binary()),
        ("size", pa.int64()),
        ("sha256", pa.binary()),
        ("suffix", pa.string()),
        ("piece_length", pa.int32()),
        ("rank", pa.int8()),
    ]
)


def audio_objects(connection: Connection) -> Iterator[tuple[ObjectKey, str]]:
    """Every audio object that is held, with its suffix, by root."""
    o = tables.objects.c
    query = sa.select(o.root, o.size, o.suffix).where(o.kind == Kind.AUDIO.value)
    query = query.order_by(by_root(o.root))
    for root, size, suffix in connection.execute(
        query, execution_options={"yield_per": FETCH_ROWS}
    ):
        yield ObjectKey(root, size), suffix


def carried_by(
    connection: Connection, roots: Sequence[bytes]
) -> dict[bytes, list[tuple[int, int, int | None]]]:
    """(recording, start_ms, end_ms) of what each of these objects carries, in order of time."""
    m = tables.manifestations.c
    found: dict[bytes, list[tuple[int, int, int | None]]] = {}
    for some in in_parts(roots):
        query = (
            sa.select(m.root, m.recording, m.start_ms, m.end_ms)
            .where(m.root.in_(some))
            .order_by(m.root, m.start_ms, m.recording)
        )
        for root, recording, start, end in connection.execute(query):
            found.setdefault(root, []).append((recording, start, end))
    return found
