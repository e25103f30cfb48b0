"""A past that was rewritten is seen, wherever it was rewritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.archive import Archive
from longplay.ledger import log, record, tables
from longplay.vault import evidence
from longplay.workflows import claims, verifying
from tests.workflows.conftest import quiet

ENTRY = tables.log.c.number


def broken_at(archive: Archive) -> int | None:
    return verifying.verify(archive, progress=quiet).log.broken_at


def rechain(connection: Connection, first: int) -> None:
    """Make the chain follow again from an entry on, as a forger would."""
    previous = connection.scalar(sa.select(tables.log.c.hash).where(first - 1 == ENTRY))
    rows = connection.execute(sa.select(tables.log).where(first <= ENTRY).order_by(ENTRY))
    for row in rows.mappings().all():
        entry = {**row, "previous": previous}
        entry.pop("hash")
        previous = log.entry_hash(entry)
        change = tables.log.update().where(row["number"] == ENTRY)
        connection.execute(change.values(previous=entry["previous"], hash=previous))


def edit(connection: Connection) -> int:
    connection.execute(tables.log.update().where(ENTRY == 3).values(time="2001-01-01T00:00:00Z"))
    return 3


def edit_and_rechain(connection: Connection) -> int:
    """Nothing but the signed feed remembers how it was."""
    number = edit(connection)
    rechain(connection, number)
    return int(connection.scalar(sa.select(sa.func.min(tables.feed_heads.c.entries))) or 0)


def swap(connection: Connection) -> int:
    for one, other in ((3, -3), (4, 3), (-3, 4)):
        connection.execute(tables.log.update().where(one == ENTRY).values(number=other))
    return 3


def drop_last(connection: Connection) -> int:
    last = log.head(connection)
    connection.execute(tables.log.delete().where(last == ENTRY))
    return last


def drop_all_after_three(connection: Connection) -> int:
    connection.execute(tables.log.delete().where(ENTRY > 3))
    return 4


@pytest.mark.parametrize("forge", [edit, edit_and_rechain, swap, drop_last, drop_all_after_three])
def test_a_rewritten_past_is_seen(archive: Archive, forge: Callable[[Connection], int]) -> None:
    assert broken_at(archive) is None
    with archive.ledger.write(alone=False) as connection:
        number = forge(connection)
    assert broken_at(archive) == number


def replace(archive: Archive, kind: str, change: Callable[[dict[str, Any]], None]) -> int:
    """Replace a row of evidence, and let the ledger name the forged file; returns the entry of
    the batch that the row belongs to."""
    e = tables.evidence_files
    with archive.ledger.read() as connection:
        name = connection.scalar(sa.select(e.c.name).where(e.c.kind == kind))
        entries = connection.execute(
            sa.select(ENTRY, tables.log.c.detail).where(tables.log.c.event == "capture")
        ).all()
    rows = pq.read_table(archive.evidence / str(name)).to_pylist()
    change(rows[0])
    forged = evidence.write(archive.evidence, kind, rows)
    assert forged is not None
    with archive.ledger.write(alone=False) as connection:
        connection.execute(e.delete().where(e.c.name == name))
        record.add_evidence(connection, [forged])
    return next(
        number for number, detail in entries if json.loads(detail)["batch"] == rows[0]["batch"]
    )


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("events", "outcome", "never captured"),
        ("holdings", "path", b"another/path.flac"),
        ("holdings", "refusal", "it never was"),
        ("sounds", "integrated_lufs", -1.0),
        ("hashes", "sha256", bytes(32)),
    ],
)
def test_evidence_that_was_replaced_is_seen(
    archive: Archive, kind: str, field: str, value: object
) -> None:
    number = replace(archive, kind, lambda row: row.update({field: value}))
    assert broken_at(archive) == number


def test_an_erased_person_is_nowhere_in_the_files_and_the_chain_follows(archive: Archive) -> None:
    name = b"Claire Mant"
    ledger = archive.folder / "ledger.sqlite3"
    places = [ledger, ledger.with_name("ledger.sqlite3-wal")]

    def found() -> bool:
        return any(name in path.read_bytes() for path in places if path.exists())

    assert found()
    known = next(one for one in claims.list_all(archive) if one.person.name == name.decode())
    claims.erase_person(archive, known.person.id)
    assert not found()
    named = [
        path for path in archive.folder.rglob("*") if path.is_file() and name in path.read_bytes()
    ]
    assert named == []
    parts = [pq.read_table(path) for path in sorted(Path(archive.evidence).iterdir())]
    assert not any(name.decode() in str(table.to_pydict()) for table in parts)
    assert isinstance(parts[0], pa.Table)
    assert verifying.verify(archive, progress=quiet).sound
