"""Writing what a capture batch brought: objects, the paths that led to them, what they carry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import log, naming, tables, tally
from longplay.ledger.writing import insert, parts, upsert
from longplay.model import ObjectKey, Statement

LAYER_FACT = "rights of "


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
    found: dict[bytes, int] = {}
    for some in parts(list(roots)):
        query = sa.select(tables.objects.c.root, tables.objects.c.size).where(
            tables.objects.c.root.in_(some)
        )
        found.update((root, size) for root, size in connection.execute(query))
    return found


def known_places(connection: Connection, roots: Iterable[bytes]) -> dict[bytes, tuple[int, str]]:
    """Size and suffix of each of these roots that is stored."""
    found: dict[bytes, tuple[int, str]] = {}
    o = tables.objects.c
    for some in parts(list(roots)):
        query = sa.select(o.root, o.size, o.suffix).where(o.root.in_(some))
        found.update((root, (size, suffix)) for root, size, suffix in connection.execute(query))
    return found


def add_objects(
    connection: Connection, rows: Iterable[ObjectRow], batch: int, time: str | None = None
) -> int:
    """Name new objects, read at `time`; the caller has stored their bytes and their evidence.
    Returns how many were new."""
    time = time or clock.timestamp()
    values = {
        row.key.root: {
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
    }
    known = naming.known(connection, values)
    fresh = [values[root] for root in sorted(values.keys() - known.keys())]
    added = insert(connection, tables.object_rows, fresh, returning=("size",))
    if len(added) < len(fresh):  # somebody wrote beside us, and named them maybe
        known |= naming.known(connection, values.keys() - known.keys())
    o = tables.object_rows
    for root in sorted(known):  # the few that were only named till now
        if known[root].batch is None:
            mine = (o.c.number == known[root].number, o.c.size.is_(None))
            update = o.update().where(*mine).values(values[root]).returning(o.c.size)
            added += [tuple(row) for row in connection.execute(update)]
    tally.note_objects(connection, (size for (size,) in added))
    return len(added)


def add_holdings(connection: Connection, rows: Iterable[HoldingRow], batch: int) -> None:
    """Record paths; one captured before now leads here, and what it led to is superseded. With
    `beside` the path still leads where it led."""
    rows = list(rows)
    objects = naming.numbers(connection, (row.key.root for row in rows))
    folders = naming.folders(connection, ((row.source, row.path) for row in rows))
    values = []
    for row in rows:
        folder, name = naming.split(row.path)
        values.append(
            {
                "object": objects[row.key.root].number,
                "place": naming.place(row.source, row.path),
                "folder": folders[row.source, folder],
                "name": name,
                "source_size": row.source_size,
                "mtime_ns": row.mtime_ns,
                "mode": row.mode,
                "action": row.action,
                "track": row.track,
                "album": row.album,
                "batch": None if objects[row.key.root].batch == batch else batch,
                "superseded": int(row.beside),
                "version": row.version,
            }
        )
    _supersede(connection, [(row.source, row.path) for row in rows if not row.beside])
    h = tables.holding_rows
    upsert(connection, h, values)
    tally.note_paths(connection, {row.key.root for row in rows})


def _supersede(connection: Connection, names: Iterable[tuple[str, bytes]]) -> None:
    """These paths lead elsewhere than they led, and are in quarantine no longer."""
    h = tables.holdings.c
    led: list[dict[str, int]] = []
    for source, paths in _by_source(names).items():
        _unquarantine(connection, source, paths)
        for some in parts(paths):
            query = sa.select(h.object, h.place).where(naming.at(h, source, some))
            for row in connection.execute(query.where(h.superseded == 0)):
                led.append({"it": row.object, "there": row.place})
    if led:
        rows = tables.holding_rows
        mine = (rows.c.object == sa.bindparam("it"), rows.c.place == sa.bindparam("there"))
        led.sort(key=lambda one: (one["it"], one["there"]))
        connection.execute(rows.update().where(*mine).values(superseded=1), led)


def add_manifestations(connection: Connection, rows: Iterable[ManifestationRow]) -> None:
    """Record what objects carry; a known link keeps its first role."""
    rows = list(rows)
    named = {row.key.root for row in rows} | {row.derived_from for row in rows} - {None}
    objects = naming.numbers(connection, (root for root in named if root is not None))
    values = [
        {
            "recording": row.recording,
            "object": objects[row.key.root].number,
            "start_ms": row.start_ms,
            "end_ms": row.end_ms,
            "role": row.role,
            "derived_from": objects[row.derived_from].number if row.derived_from else None,
        }
        for row in rows
    ]
    told = ("recording", "object", "start_ms")
    added = insert(connection, tables.manifestation_rows, values, returning=told)
    tally.note_manifestations(connection, added)


def add_embedded(connection: Connection, rows: Iterable[tuple[ObjectKey, ObjectKey, str]]) -> None:
    """Record pictures found inside objects, as (object, picture, role)."""
    rows = list(rows)
    objects = naming.numbers(
        connection, (key.root for holder, picture, _ in rows for key in (holder, picture))
    )
    values = [
        {
            "object": objects[holder.root].number,
            "picture": objects[picture.root].number,
            "role": role,
        }
        for holder, picture, role in rows
    ]
    insert(connection, tables.embedded_rows, values)
    tally.note_paths(connection, {picture.root for _, picture, _ in rows})


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
    insert(
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
    before = connection.scalars(sa.select(table.c.subject).where(table.c.origin == origin))
    tally.note_statements(connection, {*before, *(one.subject for one in statements)})
    connection.execute(table.delete().where(table.c.origin == origin))
    insert(connection, table, [{**_row(one), "origin": origin} for one in statements])
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
    tally.note_statements(connection, (row["subject"] for row in rows))


def retract(connection: Connection, origin: str) -> None:
    """Remove the rights statements that only `origin` made."""
    table = tables.rights_statements
    about = connection.scalars(sa.select(table.c.subject).where(table.c.origin == origin))
    tally.note_statements(connection, about)
    connection.execute(table.delete().where(table.c.origin == origin))


def drop_objects(connection: Connection, keys: Iterable[ObjectKey]) -> None:
    """Forget objects with all that is said of them; what the log and the evidence have stays."""
    keys = list(keys)
    if not keys:
        return
    tally.note_going(connection, [key.root for key in keys])
    tally.note_paths_gone(connection)
    roots = [key.root for key in keys]
    rows = [{"it": one.number} for one in naming.known(connection, roots).values()]
    for table in (tables.holding_rows, tables.manifestation_rows, tables.embedded_rows,
                  tables.copy_rows):  # fmt: skip
        if rows:
            connection.execute(table.delete().where(table.c.object == sa.bindparam("it")), rows)
    naming.lose(connection, roots)
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


def known_paths(
    connection: Connection, names: Iterable[tuple[str, bytes]]
) -> set[tuple[str, bytes]]:
    """Which of these (source, path) led to an object once, or into quarantine."""
    h, q = tables.holdings.c, tables.quarantine.c
    found: set[tuple[str, bytes]] = set()
    for source, paths in _by_source(names).items():
        for some in parts(paths):
            for query in (
                sa.select(h.path).where(naming.at(h, source, some)),
                sa.select(q.path).where(q.source == source, q.path.in_(some)),
            ):
                found.update((source, path) for path in connection.scalars(query.distinct()))
    return found


def _by_source(names: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """The paths of each source, in order."""
    found: dict[str, set[bytes]] = defaultdict(set)
    for source, path in names:
        found[source].add(path)
    return {source: sorted(paths) for source, paths in sorted(found.items())}


def _unquarantine(connection: Connection, source: str, paths: list[bytes]) -> None:
    q = tables.quarantine
    for some in parts(paths):
        connection.execute(q.delete().where(q.c.source == source, q.c.path.in_(some)))
