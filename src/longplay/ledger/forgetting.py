"""What was destroyed on purpose: who forgets names it here first, and only then touches bits.

Of an object that is forgotten `object` has but the name, so that nothing lists, offers or checks
it; the paths that led to it and the recordings that it carried stay as a record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import claims, log, naming, tables, tally
from longplay.ledger.claims import Tombstone
from longplay.ledger.writing import QUERY_ROWS
from longplay.model import ObjectKey

CAUSE = "forget"
"""The cause of the tombstones, and what the log calls it."""


def forget(
    connection: Connection, asked: str, reason: str, stones: Sequence[Tombstone]
) -> list[ObjectKey]:
    """Forget these objects, as far as they are not forgotten yet; returns those that were not.

    Each gets a tombstone, and its bytes in quarantine lose their name there.
    """
    known = sizes(connection, [one.key.root for one in stones])
    fresh = [one for one in stones if one.key.root not in known]
    if not fresh:
        return []
    tally.note_going(connection, [one.key.root for one in fresh])
    time = clock.timestamp()
    detail = {
        "objects": [[one.key.hex, one.key.size] for one in fresh],
        "reason": hashlib.sha256(reason.encode("utf-8", "surrogatepass")).hexdigest(),
    }
    number = log.append(connection, CAUSE, asked, detail)
    rows = [
        {
            "root": one.key.root,
            "size": one.key.size,
            "time": time,
            "reason": reason,
            "log": number,
        }
        for one in fresh
    ]
    connection.execute(tables.forgotten.insert(), rows)
    claims.bury(connection, [replace(one, cause=CAUSE, time=time, log=number) for one in fresh])
    gone = [{"it": one.key.root} for one in fresh]
    naming.lose(connection, [one.key.root for one in fresh])
    q = tables.quarantine
    aside = q.update().where(q.c.root == sa.bindparam("it"))
    words = q.c.reason + f"; its bytes were destroyed: {reason}"
    connection.execute(aside.values(root=None, reason=words), gone)
    return [one.key for one in fresh]


def sizes(connection: Connection, roots: Iterable[bytes]) -> dict[bytes, int]:
    """Which of these roots are forgotten, and the sizes that their objects had."""
    f = tables.forgotten.c
    roots = list(roots)
    found: dict[bytes, int] = {}
    for start in range(0, len(roots), QUERY_ROWS):
        query = sa.select(f.root, f.size).where(f.root.in_(roots[start : start + QUERY_ROWS]))
        found.update((root, size) for root, size in connection.execute(query))
    return found


def reasons(
    connection: Connection, source: str, paths: Sequence[bytes]
) -> dict[bytes, list[tuple[int, int, str]]]:
    """By path of a source that once led to what is forgotten: the file's size and time then, and
    why it was forgotten."""
    f, h = tables.forgotten.c, tables.holdings.c
    query = (
        sa.select(h.path, h.source_size, h.mtime_ns, f.reason)
        .join(tables.forgotten, f.root == h.root)
        .where(naming.at(h, source, paths))
    )
    found: dict[bytes, list[tuple[int, int, str]]] = {}
    for path, size, time, reason in connection.execute(query):
        found.setdefault(path, []).append((size, time, reason))
    return found


def quarantined(connection: Connection, root: bytes) -> ObjectKey | None:
    """Bytes in quarantine that have this root."""
    q = tables.quarantine.c
    size = connection.scalar(sa.select(q.size).where(q.root == root).limit(1))
    return None if size is None else ObjectKey(root, size)


def with_paths(connection: Connection, roots: Sequence[bytes]) -> set[bytes]:
    """Which of these some file of a source led to."""
    h = tables.holdings.c
    return set(connection.scalars(sa.select(h.root).where(h.root.in_(roots)).distinct()))
