"""What the ledger says besides captures, written into the evidence by whoever changes it.

Rare events (claims, releases, feeds, plans, repairs, what was forgotten) are in no batch's
evidence. So each transaction that writes one first writes the file `standing`: the whole of those
tables, which are small, and the newest entries of the log. It takes the place of the one before.
Closed stretches of the log are files of their own, `log`.

Persons are left out but for their ids: names and contacts can be erased, and lie in the ledger and
its backups alone. Format: docs/formats/evidence.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.errors import StoreError
from longplay.ledger import log, record, tables
from longplay.ledger.database import Ledger
from longplay.ledger.record import EvidenceFile
from longplay.vault import evidence
from longplay.vault.objects import Note
from longplay.vault.shelves import Shelf

STANDING, LOG = "standing", "log"

HEAD = "head"
"""The row of `standing` that says when it was written, and after which entry of the log."""

TABLES: dict[str, tuple[str, ...]] = {
    "claim": (),
    "claim_subject": (),
    "claim_step": (),
    "person": ("salt", "name", "contact"),
    "tombstone": (),
    "forgotten": (),
    "feed_head": (),
    "plan": (),
    "release": ("document",),  # release.json in the release's folder has it
    "rights_statement": (),
}
"""The tables that are written down whole, each without some of its columns."""

REMADE = ("settings", "catalogue:")
"""Origins of rights statements that are read again from the settings and the catalogue."""

OPEN_ENTRIES = 1000
"""Entries of the log in `standing`, after which they are closed: some 500 kB."""

_WATCHED = frozenset((*TABLES, tables.log.name))


@dataclass(frozen=True, slots=True)
class Witness:
    """Writes `standing` before a transaction that changes what is in it is committed."""

    shelf: Shelf

    def __call__(
        self, connection: Connection, changed: frozenset[str]
    ) -> Callable[[], None] | None:
        """See `ledger.database.Witness`; what it gives removes the file that was replaced."""
        if not changed & _WATCHED:
            return None
        closed = _open_entries(connection) > OPEN_ENTRIES
        notes = _close(connection, self.shelf) if closed else []
        return _write_standing(connection, self.shelf, notes)


def close_log(ledger: Ledger, shelf: Shelf) -> None:
    """Write the entries of the log that no file of evidence has yet; of captures they come in
    thousands, and each batch's own evidence tells of it until then."""
    with ledger.write() as connection:
        if not _open_entries(connection):
            return
        remove = _write_standing(connection, shelf, _close(connection, shelf))
    remove()


@dataclass(frozen=True, slots=True)
class Standing:
    """What a `standing` file says: rows by table, those of the open part of the log among them."""

    entries: int
    time: str
    rows: dict[str, list[dict[str, Any]]]


def read(path: Path) -> Standing:
    """Read a `standing` file. Raises StoreError when it is none."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for batch in evidence.read([path], ["table", "row"]):
        for row in batch.to_pylist():
            try:
                rows.setdefault(row["table"], []).append(_typed(row["table"], row["row"]))
            except (ValueError, TypeError, AttributeError) as error:
                raise StoreError(
                    f"is no record of what stands: {error}",
                    where=str(path),
                    hint="restore it from a backup",
                ) from error
    head = rows.pop(HEAD, [{"entries": 0, "time": ""}])[0]
    return Standing(int(head["entries"]), str(head["time"]), rows)


def _typed(name: str, text: str) -> dict[str, Any]:
    """A row with the columns that the table has now; binary comes back from hexadecimal."""
    row: dict[str, Any] = json.loads(text)
    if name == HEAD:
        return row
    table = tables.metadata.tables.get(name)
    columns = {} if table is None else dict(table.c.items())
    return {
        key: bytes.fromhex(value)
        if isinstance(columns[key].type, sa.LargeBinary) and value is not None
        else value
        for key, value in row.items()
        if key in columns
    }


def _open_entries(connection: Connection) -> int:
    return log.head(connection) - _closed(connection)


def _closed(connection: Connection) -> int:
    """How many entries the files of closed stretches have: they follow one upon another."""
    e = tables.evidence_files.c
    return connection.scalar(sa.select(sa.func.sum(e.rows)).where(e.kind == LOG)) or 0


def _close(connection: Connection, shelf: Shelf) -> list[Note]:
    closed = int(_closed(connection))
    rows = list(_entries(connection, closed))
    file = evidence.write(shelf.folder, LOG, rows)
    if file is None:
        return []
    record.add_evidence(connection, [file])
    return shelf.upload([file.name])


def _entries(connection: Connection, after: int) -> Iterator[dict[str, Any]]:
    query = sa.select(tables.log).where(tables.log.c.number > after).order_by(tables.log.c.number)
    for row in connection.execute(query).mappings():
        yield dict(row)


def _write_standing(connection: Connection, shelf: Shelf, notes: list[Note]) -> Callable[[], None]:
    head = {"time": clock.timestamp(), "entries": log.head(connection)}
    rows = [{"table": HEAD, "row": _text(head)}]
    for name, left_out in TABLES.items():
        rows += [{"table": name, "row": _text(row)} for row in _rows(connection, name, left_out)]
    rows += [
        {"table": LOG, "row": _text(row)} for row in _entries(connection, int(_closed(connection)))
    ]
    e = tables.evidence_files
    before = set(connection.scalars(sa.select(e.c.name).where(e.c.kind == STANDING)))
    file = evidence.write(shelf.folder, STANDING, rows)
    assert isinstance(file, EvidenceFile)
    before.discard(file.name)
    notes = [*notes, *shelf.upload([file.name], sorted(before))]
    connection.execute(e.delete().where(e.c.kind == STANDING))
    record.add_evidence(connection, [file])

    def remove() -> None:
        shelf.drop(before)
        shelf.settle(notes)

    return remove


def _rows(connection: Connection, name: str, left_out: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    table = tables.metadata.tables[name]
    query = sa.select(*(column for column in table.c if column.name not in left_out))
    if table is tables.rights_statements:
        origin = table.c.origin
        query = query.where(origin != REMADE[0], ~origin.startswith(REMADE[1]))
    for row in connection.execute(query.order_by(*table.primary_key)).mappings():
        yield dict(row)


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, default=bytes.hex)
