"""A ledger's tables from what lies beside it: evidence, releases, plans.

Everything is written in the caller's one transaction. What differs from the ledger that was lost
is told in docs/backup.md, and what is lost in the report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive
from longplay.errors import InputError, LongplayError
from longplay.files import read_bounded, unescape
from longplay.ledger import batches, claims, log, naming, queries, record, tables, tally
from longplay.ledger.batches import Batch, File
from longplay.ledger.forgetting import CAUSE
from longplay.model import Action, Kind, ObjectKey
from longplay.planning import table as plans
from longplay.vault import evidence, standing
from longplay.vault.inventory import Inventory

ROWS = 10_000
"""Rows of evidence turned into Python values at once."""

DOCUMENT_BYTES = 256 * 2**20
"""A release's document lists its volumes, some 600 bytes each."""

Row = dict[str, Any]


@dataclass(slots=True)
class Report:
    """What was made again, and in words what could not be."""

    objects: int = 0
    entries: int = 0
    releases: int = 0
    lost: list[str] = field(default_factory=list)


def refill(
    archive: Archive,
    connection: Connection,
    found: Inventory,
    persons: Sequence[Row],
    progress: Callable[[int, int, str], None],
) -> Report:
    """Fill the empty tables of the archive's new ledger. `persons` are those of the old one."""
    report = Report()
    tally.ignore(connection)
    report.lost += [f"evidence {name} is damaged: its facts are missing" for name in found.damaged]
    record.add_evidence(connection, found.files)
    chain = _chain(archive, found, report)
    if chain:
        connection.execute(tables.log.insert(), chain)
    _batches(archive, connection, found, chain, report, progress)
    _old_objects(archive, connection, found, report)
    _drop_unhashed(connection, report)
    stands = found.standing.rows if found.standing else {}
    if found.standing is None:
        report.lost.append("claims, tombstones and what was forgotten: no evidence tells of them")
    _stands(connection, stands, persons)
    report.releases = _releases(archive, connection, stands.get("release", []), report)
    _plans(archive, connection)
    _feeds(archive, connection, report)
    _forget(archive, connection)
    _check_feeds(connection, report)
    tally.recount(connection)
    report.objects, _ = queries.count_objects(connection)
    detail = {"objects": report.objects, "lost": len(report.lost)}
    report.entries = log.append(connection, "rebuild", "ledger", detail)
    return report


def _chain(archive: Archive, found: Inventory, report: Report) -> list[Row]:
    """The log's entries as far as they follow one from another."""
    entries: dict[int, Row] = {}
    names = evidence.SCHEMAS[standing.LOG].names
    for batch in evidence.read(found.paths(archive.evidence, standing.LOG), names):
        entries.update((row["number"], row) for row in batch.to_pylist())
    if found.standing is not None:
        entries.update((row["number"], row) for row in found.standing.rows.get("log", []))
    chain: list[Row] = []
    previous = log.GENESIS
    for number in sorted(entries):
        row = entries[number]
        follows = number == len(chain) + 1 and row["previous"] == previous
        if not follows or log.entry_hash(row) != row["hash"]:
            break
        chain.append(row)
        previous = row["hash"]
    last = max(entries, default=0)
    if len(chain) < last or not chain:
        report.lost.append(
            f"the log from entry {len(chain) + 1} on, of {last or 'unknown'} entries"
        )
    return chain


def _batches(
    archive: Archive,
    connection: Connection,
    found: Inventory,
    chain: list[Row],
    report: Report,
    progress: Callable[[int, int, str], None],
) -> None:
    """Take every batch in again, in the order of the log; those that no entry names come last, in
    the order of their time, and get an entry."""
    named = [queries.batch_of(row["detail"]) for row in chain if row["event"] == batches.EVENT]
    paths = found.paths(archive.evidence, "holdings")
    if not paths:
        return
    with duckdb.connect() as reader:
        reader.execute("SET enable_progress_bar=false")
        times = dict(
            reader.execute(
                "SELECT batch, min(time) FROM read_parquet(?, union_by_name=true) GROUP BY batch",
                [list(map(str, paths))],
            ).fetchall()
        )
        rest = sorted(set(times) - set(named), key=lambda batch: (times[batch], batch))
        order = list(dict.fromkeys([*(one for one in named if one in times), *rest]))
        unnamed = set(rest)
        for done, batch in enumerate(_stream(archive, reader, found, order)):
            batches.add(connection, batch)
            if batch.number in unnamed:
                root, roots = _roots(archive, found, batch.number)
                batches.append(connection, batch, root, roots)
            progress(done + 1, len(order), "batches")
    if rest and named:
        report.lost.append(f"the log's entries of {len(rest)} batches: they have new ones")


def _stream(
    archive: Archive, reader: duckdb.DuckDBPyConnection, found: Inventory, order: list[int]
) -> Iterator[Batch]:
    """The batches in this order, with the objects that each brought."""
    numbers = pa.table({"batch": pa.array(order, pa.int64()), "position": range(len(order))})
    reader.register("numbers", numbers)
    reader.execute(
        "CREATE TABLE positions AS FROM numbers"
    )  # cursors do not see what is registered
    new = groupby(
        _sorted(archive, reader.cursor(), found, "hashes", "root"), lambda row: row["batch"]
    )
    pending = next(new, None)
    files = _sorted(archive, reader.cursor(), found, "holdings", "ordinal")
    for number, rows in groupby(files, lambda row: row["batch"]):
        held = list(rows)
        brought = {}
        if pending is not None and pending[0] == number:
            brought = {
                ObjectKey(row["root"], row["size"]): (row["sha256"], row["piece_length"])
                for row in pending[1]
            }
            pending = next(new, None)
        kept = [evidence.holding_of(row) for row in held]
        yield Batch(number, held[0]["plan"], held[0]["time"], kept, brought)


def _sorted(
    archive: Archive,
    reader: duckdb.DuckDBPyConnection,
    found: Inventory,
    kind: str,
    within: str,
) -> Iterator[Row]:
    """Rows of one kind, batch by batch."""
    paths = [str(path) for path in found.paths(archive.evidence, kind)]
    if not paths:
        return
    wanted = "batch, root, size, sha256, piece_length" if kind == "hashes" else "evidence.*"
    answer = reader.execute(
        f"SELECT {wanted} FROM read_parquet(?, union_by_name=true) evidence"
        f" JOIN positions USING (batch) ORDER BY position, {within}",
        [paths],
    )
    names = [column[0] for column in answer.description or ()]
    while rows := answer.fetchmany(ROWS):
        yield from (dict(zip(names, row, strict=True)) for row in rows)


def _roots(archive: Archive, found: Inventory, batch: int) -> tuple[bytes, dict[str, str]]:
    """The merkle roots of a batch's evidence."""

    def rows(kind: str) -> list[Row]:
        paths = found.paths(archive.evidence, kind)
        read = evidence.read(paths, evidence.SCHEMAS[kind].names)
        return [row for part in read for row in part.to_pylist() if row["batch"] == batch]

    hashes = sorted(rows("hashes"), key=lambda row: bytes(row["root"]))
    others = {kind: [evidence.row_leaf(row) for row in rows(kind)] for kind in evidence.VOUCHED}
    return log.merkle_root(evidence.leaf(row) for row in hashes), {
        kind: evidence.root_of(leaves) for kind, leaves in others.items() if leaves
    }


def _old_objects(
    archive: Archive, connection: Connection, found: Inventory, report: Report
) -> None:
    """Objects from before evidence told of the files that led to them: kind and suffix by the
    store's own names, paths by the events."""
    columns = ["batch", "root", "size", "sha256", "piece_length"]
    known = {key.root for key, _ in queries.stored(connection)}
    old: dict[bytes, Row] = {}
    for part in evidence.read(found.paths(archive.evidence, "hashes"), columns):
        old.update((row["root"], row) for row in part.to_pylist() if row["root"] not in known)
    if not old:
        return
    suffixes = {one.root: one.suffix for one in archive.store.walk() if one.root in old}
    verdicts: dict[bytes, str] = {}
    for part in evidence.read(found.paths(archive.evidence, "sounds"), ["root", "verdict"]):
        verdicts.update((row["root"], row["verdict"]) for row in part.to_pylist())
    paths = _old_paths(archive, found, set(old))
    for root, row in sorted(old.items()):
        if root not in suffixes:
            continue
        key = ObjectKey(root, row["size"])
        kind = Kind.AUDIO if root in verdicts else Kind.OTHER
        verdict = verdicts.get(root)
        source, path, action = paths.get(root, ("", b"", Action.ORIGINAL))
        file = File(source, path, key, key.size, 0, 0o644, action, None, None, kind,
                    suffixes[root], verdict, (), (), None)  # fmt: skip
        new = {key: (row["sha256"], row["piece_length"])}
        number = row["batch"]
        if source:
            batches.add(connection, Batch(number, "", clock.timestamp(), [file], new))
        else:
            added = record.ObjectRow(
                key, row["sha256"], kind, suffixes[root], row["piece_length"], verdict
            )
            record.add_objects(connection, [added], number)
    report.lost.append(
        f"of {len(old)} objects the times and modes of their files, all paths but one of each, and"
        " the recordings they carry: capture their sources again"
    )


def _drop_unhashed(connection: Connection, report: Report) -> None:
    """Files whose objects no evidence has hashes of do not count as held: captured again, they
    are."""
    h, o = tables.holding_rows, tables.object_rows
    unknown = h.c.object.in_(sa.select(o.c.number).where(o.c.size.is_(None)))
    count = connection.scalar(sa.select(sa.func.count(sa.distinct(h.c.object))).where(unknown))
    if count:
        connection.execute(h.delete().where(unknown))
        report.lost.append(
            f"{count} objects: no evidence has their hashes; bring it back from a replica or a copy"
            " and run `longplay rebuild --ledger`, or capture their sources again"
        )


def _old_paths(
    archive: Archive, found: Inventory, roots: set[bytes]
) -> dict[bytes, tuple[str, bytes, str]]:
    """The file that each object was captured from, as its events tell."""
    paths: dict[bytes, tuple[str, bytes, str]] = {}
    copies: set[bytes] = set()
    for part in evidence.read(found.paths(archive.evidence, "events"), ["root", "type", "detail"]):
        for row in part.to_pylist():
            source, colon, path = row["detail"].removeprefix("from ").partition(":")
            if row["type"] == "normalization":
                copies.add(row["root"])
            elif row["type"] == "ingestion" and row["detail"].startswith("from ") and colon:
                paths[row["root"]] = (source, unescape(path), Action.ORIGINAL)
    return {
        root: (source, path, Action.OPUS if root in copies else action)
        for root, (source, path, action) in paths.items()
        if root in roots
    }


def _stands(connection: Connection, stands: dict[str, list[Row]], persons: Sequence[Row]) -> None:
    """What `standing` says; of persons who the old ledger still names, the names."""
    for name, rows in stands.items():
        if name in ("log", "person", "release") or not rows:
            continue
        connection.execute(tables.metadata.tables[name].insert(), rows)
    named = {row["id"]: row for row in persons}
    people = {row["id"]: row for row in stands.get("person", [])}
    now = clock.timestamp()
    for identity in sorted(people):
        row = named.get(identity)
        erased = people[identity]["erased"]
        if row is None or erased:
            row = {"salt": bytes(32), "name": None, "contact": None, "erased": erased or now}
        connection.execute(tables.persons.insert().values(**{**row, "id": identity}))


def _releases(
    archive: Archive, connection: Connection, stood: Sequence[Row], report: Report
) -> int:
    """Every release that has a folder, by its own document."""
    times = {row["name"]: row["time"] for row in stood}
    l = tables.log.c  # noqa: E741 - one letter a table
    logged = sa.select(l.subject, l.time).where(l.event == "release")
    times = dict(map(tuple, connection.execute(logged))) | times
    count = 0
    for path in sorted(archive.releases.glob("s*-*/release.json")):
        columns = ("name", "stage", "objects", "bytes", "share_of_listens", "supersedes")
        try:
            document = json.loads(read_bounded(path, DOCUMENT_BYTES))
            row = {column: document[column] for column in columns}
        except (InputError, ValueError, KeyError, TypeError):
            report.lost.append(
                f"release {path.parent.name}: its {path.name} is damaged, a backup has another"
            )
            continue
        time = times.get(row["name"]) or _written(path)
        text = json.dumps(document, sort_keys=True)
        connection.execute(tables.releases.insert().values(**row, time=time, document=text))
        count += 1
    return count


def _written(path: Path) -> str:
    return clock.text_of(datetime.fromtimestamp(path.stat().st_mtime, UTC))


def _plans(archive: Archive, connection: Connection) -> None:
    """Plans that no evidence names, oldest first, before those that it does."""
    p = tables.plans.c
    known = set(connection.scalars(sa.select(p.id)))
    paths = sorted(archive.plans.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    fresh = [path for path in paths if path.stem not in known]
    least = connection.scalar(sa.select(sa.func.min(p.number))) or 1
    for number, path in enumerate(fresh, least - len(fresh)):
        try:
            plan = plans.read_plan(path)
        except LongplayError:
            continue
        document = json.dumps(plan.document(), sort_keys=True)
        connection.execute(
            tables.plans.insert().values(
                id=plan.id, number=number, time=clock.timestamp(), document=document
            )
        )


def _feeds(archive: Archive, connection: Connection, report: Report) -> None:
    """The newest feed beside the releases, where no evidence has it: no number is given twice."""
    path = archive.releases / "feed.json"
    if not path.is_file():
        return
    if connection.scalar(sa.select(sa.func.max(tables.feed_heads.c.serial))):
        return
    try:
        data = read_bounded(path, DOCUMENT_BYTES)
        feed = json.loads(data)
        row = {
            "serial": int(feed["serial"]),
            "time": feed["issued"],
            "expires": feed["expires"],
            "entries": feed["log"]["entries"],
            "hash": bytes.fromhex(feed["log"]["hash"]),
            "sha256": hashlib.sha256(data).digest(),
        }
    except (InputError, ValueError, KeyError, TypeError):
        report.lost.append("the heads of all feeds: feed.json is damaged, a backup has another")
        return
    if row["serial"] < 1:
        return
    connection.execute(tables.feed_heads.insert().values(**row))
    report.lost.append("the heads of feeds before the newest")


def _forget(archive: Archive, connection: Connection) -> None:
    """What was forgotten, or what a mirror's feed had it destroy, is in the evidence of its
    capture, and is held no longer."""
    gone = connection.scalars(sa.select(tables.forgotten.c.root)).all()
    naming.lose(connection, gone)
    told = {
        one.key.root
        for one in claims.tombstones_standing(connection)
        if not one.cause.startswith("cl") and one.cause != CAUSE
    }
    rested = [
        key
        for key, suffix in queries.stored(connection)
        if key.root in told and archive.store.size(key, suffix) is None
    ]
    record.drop_objects(connection, rested)


def _check_feeds(connection: Connection, report: Report) -> None:
    """Feeds that were signed vouch for the log as it was then."""
    h, l = tables.feed_heads.c, tables.log.c  # noqa: E741 - one letter a table
    query = (
        sa.select(h.serial, h.hash, l.hash)
        .outerjoin(tables.log, l.number == h.entries)
        .order_by(h.serial)
    )
    wrong = [serial for serial, signed, has in connection.execute(query) if signed != has]
    if wrong:
        report.lost.append(
            f"the log that feed {wrong[0]} vouches for: mirrors will see that it was written anew"
        )
