"""What the log vouches for: each capture batch's evidence, by the merkle roots of its entry."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.archive import Archive
from longplay.ledger import batches, log, queries, tables
from longplay.vault import evidence, standing

DIGEST = 32

HASHES = ("batch", "root", "size", "sha256", "leaves")

Leaves = dict[int, bytearray]
"""The leaves of each batch, one after the other: 32 bytes for each of its rows, of hashes 64, which
stand in the order of the objects' roots."""


def unvouched_batch(archive: Archive, connection: Connection) -> int | None:
    """The first log entry whose batch's evidence is not what it was when the entry was made."""
    entries = connection.execute(
        sa.select(tables.log.c.number, tables.log.c.detail, tables.log.c.evidence_root)
        .where(tables.log.c.event == batches.EVENT)
        .order_by(tables.log.c.number)
    ).all()
    wrong: list[int] = []
    for kind in ("hashes", *evidence.VOUCHED):
        leaves = _leaves(archive, connection, kind)
        for number, detail, root in entries:
            said = root.hex() if kind == "hashes" else _said(detail, kind)
            if said is None:
                continue  # an entry from before this kind was vouched for
            found = leaves.get(queries.batch_of(detail), bytearray())
            if _root(kind, found) != said:
                wrong.append(int(number))
                break
    return min(wrong, default=None)


def contradicted_entry(archive: Archive, connection: Connection) -> int | None:
    """The first entry of the log that is not, or is no longer, what a signed feed or the evidence
    vouches for: who takes entries away from the end leaves a chain that follows."""
    h, l = tables.feed_heads.c, tables.log.c  # noqa: E741 - one letter a table
    heads = (
        sa.select(h.entries, h.hash, l.hash)
        .outerjoin(tables.log, l.number == h.entries)
        .order_by(h.entries)
    )
    wrong = [entries for entries, signed, has in connection.execute(heads) if signed != has]
    last = log.head(connection)
    names = queries.evidence_names(connection, standing.STANDING)
    stands = archive.evidence_files.fetch(names)
    entries = max((standing.read(path).entries for path in stands), default=0)
    if entries > last:
        wrong.append(last + 1)
    return min((min(int(entry), last + 1) for entry in wrong), default=None)


def _said(detail: str, kind: str) -> str | None:
    """The merkle root in an entry's detail; of what the batch brought none, that of no leaves."""
    roots = json.loads(detail).get("evidence")
    return None if roots is None else str(roots.get(kind, log.merkle_root(()).hex()))


def _root(kind: str, leaves: bytearray) -> str:
    width = 2 * DIGEST if kind == "hashes" else DIGEST
    rows = sorted(bytes(leaves[at : at + width]) for at in range(0, len(leaves), width))
    return log.merkle_root(row[-DIGEST:] for row in rows).hex()


def _leaves(archive: Archive, connection: Connection, kind: str) -> Leaves:
    names = queries.evidence_names(connection, kind)
    columns = list(HASHES) if kind == "hashes" else evidence.SCHEMAS[kind].names
    found: Leaves = defaultdict(bytearray)
    for row in _rows(archive, names, columns):
        if kind == "hashes":
            found[row["batch"]] += row["root"] + evidence.leaf(row)
        else:
            found[row["batch"]] += evidence.row_leaf(row)
    return found


def _rows(archive: Archive, names: list[str], columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in evidence.read(archive.evidence_files.fetch(names), columns):
        yield from batch.to_pylist()
