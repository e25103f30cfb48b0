"""Writing what a capture batch brought: objects, the paths that led to them, what they carry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import log, tables
from longplay.model import ObjectKey, Statement

LAYER_FACT = "rights of "

QUERY_ROWS = 500
"""Keys looked up in one query; SQLite takes at most 32,766 variables."""


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """A stored object, as the ledger keeps it."""

    key: ObjectKey
    sha256: bytes
    kind: str
    suffix: str
    piece_length: int
    verdict: str | None


@dataclass(frozen=True, slots=True)
class HoldingRow:
    """A path of a source and the object that it led to."""

    source: str
    path: bytes
    key: ObjectKey
    source_size: int
    mtime_ns: int
    mode: int
    action: str
    track: int | None
    album: int | None
    version: str | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True)
class ManifestationRow:
    """A recording that an object carries, wholly or from `start_ms` to `end_ms`."""

    recording: int
    key: ObjectKey
    start_ms: int
    end_ms: int | None
    role: str
    derived_from: bytes | None = None


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A file that was offered and could not be kept, and why."""

    source: str
    path: bytes
    reason: str
    root: bytes | None
    size: int
    mtime_ns: int
    mode: int
    version: str | None = None


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A Parquet file of evidence that the ledger names."""

    name: str
    kind: str
    rows: int
    size: int
    sha256: bytes


def known_sizes(connection: Connection, roots: Iterable[bytes]) -> dict[bytes, int]:
    """Which of these roots are stored, and the sizes of the objects that have them."""
    roots = list(roots)
    found: dict[bytes, int] = {}
    for start in range(0, len(roots), QUERY_ROWS):
        query = sa.select(tables.objects.c.root, tables.objects.c.size).where(
            tables.objects.c.root.in_(roots[start : start + QUERY_ROWS])
        )
        found.update((root, size) for root, size in connection.execute(query))
    return found


def known_places(connection: Connection, roots: Iterable[bytes]) -> dict[bytes, tuple[int, str]]:
    """Size and suffix of each of these roots that is stored."""
    roots = list(roots)
    found: dict[bytes, tuple[int, str]] = {}
    o = tables.objects.c
    for start in range(0, len(roots), QUERY_ROWS):
        query = sa.select(o.root, o.size, o.suffix).where(
            o.root.in_(roots[start : start + QUERY_ROWS])
        )
        found.update((root, (size, suffix)) for root, size, suffix in connection.execute(query))
    return found


def add_objects(
    connection: Connection, rows: Iterable[ObjectRow], batch: int, time: str | None = None
) -> None:
    """Name new objects, read at `time`; the caller has stored their bytes and their evidence."""
    time = time or clock.timestamp()
    values = [
        {
            "root": row.key.root,
            "size": row.key.size,
            "sha256": row.sha256,
            "kind": row.kind,
            "suffix": row.suffix,
            "piece_length": row.piece_length,
            "verdict": row.verdict,
            "batch": batch,
            "checked": time,
        }
        for row in rows
    ]
    _insert(connection, tables.objects, values)


def add_holdings(connection: Connection, rows: Iterable[HoldingRow], batch: int) -> None:
    """Record paths; one captured before now leads here, and what it led to is superseded. With
    `beside` the path still leads where it led."""
    rows = list(rows)
    values = [
        {
            "source": row.source,
            "path": row.path,
            "root": row.key.root,
            "size": row.key.size,
            "source_size": row.source_size,
            "mtime_ns": row.mtime_ns,
            "mode": row.mode,
            "action": row.action,
            "track": row.track,
            "album": row.album,
            "batch": batch,
            "superseded": int(row.beside),
            "version": row.version,
        }
        for row in rows
    ]
    h = tables.holdings
    for value in values:
        if value["superseded"]:
            continue
        source, path = value["source"], value["path"]
        _unquarantine(connection, source, path)
        mine = (h.c.source == source, h.c.path == path)
        connection.execute(h.update().where(*mine).values(superseded=1))
    upsert(connection, h, values)


def add_manifestations(connection: Connection, rows: Iterable[ManifestationRow]) -> None:
    """Record what objects carry; a known link keeps its first role."""
    values = [
        {
            "recording": row.recording,
            "root": row.key.root,
            "size": row.key.size,
            "start_ms": row.start_ms,
            "end_ms": row.end_ms,
            "role": row.role,
            "derived_from": row.derived_from,
        }
        for row in rows
    ]
    _insert(connection, tables.manifestations, values)


def add_embedded(connection: Connection, rows: Iterable[tuple[ObjectKey, ObjectKey, str]]) -> None:
    """Record pictures found inside objects, as (object, picture, role)."""
    values = [
        {"root": holder.root, "picture": picture.root, "role": role}
        for holder, picture, role in rows
    ]
    _insert(connection, tables.embedded, values)


def add_quarantine(
    connection: Connection, rows: Iterable[QuarantineRow], time: str | None = None
) -> None:
    """Record what could not be kept, and since when."""
    time = time or clock.timestamp()
    values = [
        {
            "source": row.source,
            "path": row.path,
            "reason": row.reason,
            "root": row.root,
            "size": row.size,
            "mtime_ns": row.mtime_ns,
            "mode": row.mode,
            "time": time,
            "version": row.version,
        }
        for row in rows
    ]
    upsert(connection, tables.quarantine, values)


def add_evidence(connection: Connection, files: Iterable[EvidenceFile]) -> None:
    """Name evidence files; from the end of this transaction on they count."""
    _insert(
        connection,
        tables.evidence_files,
        [
            {
                "name": file.name,
                "kind": file.kind,
                "rows": file.rows,
                "bytes": file.size,
                "sha256": file.sha256,
            }
            for file in files
        ],
    )


def states(connection: Connection, origin: str, statements: Iterable[Statement]) -> bool:
    """Whether just these statements are those of `origin`."""
    r = tables.rights_statements
    columns = [column for column in r.c if column.name != "origin"]
    known = connection.execute(sa.select(*columns).where(r.c.origin == origin))
    return set(map(tuple, known)) == {tuple(_row(one).values()) for one in statements}


def replace_statements(
    connection: Connection, origin: str, statements: Iterable[Statement]
) -> None:
    """Replace all rights statements that `origin` made by these.

    What changes them stands in the log: who serves or seeds sees by it that they must be judged
    anew.
    """
    statements = list(statements)
    if states(connection, origin, statements):
        return
    table = tables.rights_statements
    connection.execute(table.delete().where(table.c.origin == origin))
    _insert(connection, table, [{**_row(one), "origin": origin} for one in statements])
    log.append(connection, "rights", origin, {"statements": len(statements)})


def _row(one: Statement) -> dict[str, str]:
    return {
        "subject": one.subject,
        "uri": one.uri,
        "evidence": one.evidence,
        "start": one.start,
        "end": one.end,
        "territories": " ".join(one.territories),
        "uses": " ".join(one.uses),
    }


def restate(connection: Connection, origin: str, statements: Iterable[Statement]) -> None:
    """Add rights statements; those that another origin made are this one's from now on."""
    rows = [{**_row(one), "origin": origin} for one in statements]
    upsert(connection, tables.rights_statements, rows)


def retract(connection: Connection, origin: str) -> None:
    """Remove the rights statements that only `origin` made."""
    table = tables.rights_statements
    connection.execute(table.delete().where(table.c.origin == origin))


def drop_objects(connection: Connection, keys: Iterable[ObjectKey]) -> None:
    """Forget objects with all that is said of them; what the log and the evidence have stays."""
    keys = list(keys)
    if not keys:
        return
    rows = [{"it": key.root} for key in keys]
    for table in (tables.objects, tables.holdings, tables.manifestations, tables.embedded,
                  tables.copies):  # fmt: skip
        connection.execute(table.delete().where(table.c.root == sa.bindparam("it")), rows)
    statements = tables.rights_statements
    about = statements.c.subject == sa.bindparam("it")
    connection.execute(statements.delete().where(about), [{"it": f"obj{k.hex}"} for k in keys])


def note_layer(connection: Connection, source: str, file: str) -> None:
    """Note that the statements of this layer's file are written down."""
    row = {"key": f"{LAYER_FACT}{source}", "value": file}
    upsert(connection, tables.meta, [row])


def recorded_layers(connection: Connection) -> dict[str, str]:
    """The file of each source whose statements are written down."""
    m = tables.meta.c
    rows = connection.execute(sa.select(m.key, m.value).where(m.key.startswith(LAYER_FACT)))
    return {key.removeprefix(LAYER_FACT): value for key, value in rows}


def _unquarantine(connection: Connection, source: object, path: object) -> None:
    table = tables.quarantine
    connection.execute(table.delete().where(table.c.source == source, table.c.path == path))


def _insert(connection: Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    """Add rows; one that is there already stays as it is."""
    if values:
        statement = _dialect_insert(connection, table).on_conflict_do_nothing()
        connection.execute(statement, _in_order(table, values))


def upsert(connection: Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    """Add rows; one that is there already is replaced."""
    if values:
        statement = _dialect_insert(connection, table)
        keys = [column.name for column in table.primary_key]
        changed = {name: statement.excluded[name] for name in values[0] if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
        connection.execute(statement, _in_order(table, values))


def _in_order(table: sa.Table, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by key: two captures that bring the same objects never wait for each other in a ring."""
    keys = [column.name for column in table.primary_key]
    return sorted(values, key=lambda row: tuple(row[key] for key in keys))


def _dialect_insert(connection: Connection, table: sa.Table) -> Any:
    if connection.dialect.name == "postgresql":
        return postgresql_insert(table)
    return sqlite_insert(table)
