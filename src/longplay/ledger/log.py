"""The append-only chain: each entry carries the hash of the one before (as RFC 6962 logs do).

An entry's hash is the SHA-256 of its canonical JSON: keys sorted, no spaces, UTF-8, binary as
lower-case hexadecimal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from longplay import clock
from longplay.ledger.database import exclude_writers
from longplay.ledger.tables import log

GENESIS = bytes(32)
"""What the first entry carries in place of a predecessor's hash."""


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the chain was walked, and the number of the first entry that does not follow."""

    entries: int
    ok: bool
    broken_at: int | None


def append(
    connection: Connection,
    event: str,
    subject: str,
    detail: dict[str, Any],
    evidence_root: bytes | None = None,
    time: str | None = None,
) -> int:
    """Add an entry inside the caller's write transaction; return its number, counted from 1.
    `time` is when it happened, if not now.

    From here to the transaction's end nobody else writes: append last, and commit soon.
    """
    exclude_writers(connection)
    last = connection.execute(
        sa.select(log.c.number, log.c.hash).order_by(log.c.number.desc()).limit(1)
    ).first()
    number: int = (last.number if last else 0) + 1
    entry = {
        "number": number,
        "time": time or clock.timestamp(),
        "event": event,
        "subject": subject,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
        "evidence_root": evidence_root,
        "previous": last.hash if last else GENESIS,
    }
    connection.execute(log.insert().values(**entry, hash=entry_hash(entry)))
    return number


def entry_hash(entry: dict[str, Any] | RowMapping) -> bytes:
    """The hash that the next entry carries."""
    plain = {
        key: value.hex() if isinstance(value, bytes) else value
        for key, value in entry.items()
        if key != "hash"
    }
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def walk(connection: Connection) -> LogState:
    """Recompute the chain from its first entry."""
    previous, count = GENESIS, 0
    for row in connection.execute(sa.select(log).order_by(log.c.number)).mappings():
        follows = row["number"] == count + 1 and row["previous"] == previous
        if not follows or entry_hash(row) != row["hash"]:
            return LogState(count, False, count + 1)
        previous, count = row["hash"], count + 1
    return LogState(count, True, None)


def head(connection: Connection) -> int:
    """The number of the newest entry, 0 for an empty chain."""
    return connection.scalar(sa.select(sa.func.max(log.c.number))) or 0


def day(connection: Connection) -> str:
    """The day (ISO, UTC) of the newest entry; empty before there is one."""
    query = sa.select(log.c.time).order_by(log.c.number.desc()).limit(1)
    return (connection.scalar(query) or "")[:10]


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """The RFC 6962 (section 2.1) tree hash of `leaves`; a batch's entry has it of its evidence."""
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = [level[-1]] if len(level) % 2 else []
        level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return level[0]
