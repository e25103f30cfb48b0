"""What is going on: how fast files come in, who captures what, which hosts are asked or rested."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import tables
from longplay.ledger.batches import EVENT
from longplay.ledger.database import is_gone

WINDOW = timedelta(minutes=5)
"""What the rate is taken over: longer than a batch takes, shorter than a night's changes."""

MOST_BATCHES = 5000
"""Entries of the log read for it: a thousand workers write some three thousand in that time."""

MOST_HOSTS = 20
MOST_REASONS = 5
REFUSED_ROWS = 20_000
"""Of what is in quarantine, so many are looked through for the most frequent reasons."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Files taken in (captured or put into quarantine) and bytes stored per second, over the last
    `seconds`; all 0 when nothing was."""

    files: float
    bytes: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Worker:
    """Who has the lease on the ordinals `first` to `last`; not `alive` when it let it expire."""

    holder: str
    first: int
    last: int
    expires: str
    alive: bool


@dataclass(frozen=True, slots=True)
class Host:
    """A host that files come from: how many are fetched at this moment, how many were put off, when
    the first of these is tried again, and why it was put off."""

    host: str
    fetching: int
    postponed: int
    until: str | None
    reason: str | None


def rate(connection: Connection) -> Rate:
    """How fast files came in during the last minutes, from the log's batches."""
    entry = tables.log.c
    now = clock.now()
    since = clock.text_of(now - WINDOW)
    query = sa.select(entry.time, entry.event, entry.detail)
    newest = connection.execute(query.order_by(entry.number.desc()).limit(MOST_BATCHES))
    found: list[tuple[datetime, int, int]] = []
    for row in newest:
        if row.time < since:
            break
        if row.event == EVENT:
            detail = json.loads(row.detail)
            files = int(detail.get("files", 0)) + int(detail.get("quarantined", 0))
            found.append((datetime.fromisoformat(row.time), files, int(detail.get("bytes", 0))))
    # The oldest batch stands for the moment from which the others are counted.
    seconds = max((now - found[-1][0]).total_seconds(), 0.0) if found else 0.0
    if len(found) < 2 or not seconds:
        return Rate(0.0, 0.0, 0.0)
    files = sum(row[1] for row in found[:-1])
    size = sum(row[2] for row in found[:-1])
    return Rate(round(files / seconds, 3), round(size / seconds, 1), round(seconds, 1))


def workers(connection: Connection) -> tuple[Worker, ...]:
    """The ranges of plans that are being captured, or that somebody left."""
    lease = tables.leases.c
    now = clock.timestamp()
    query = sa.select(lease.holder, lease.first, lease.last, lease.expires)
    rows = connection.execute(query.where(lease.done == 0).order_by(lease.plan, lease.first))
    return tuple(
        Worker(row.holder, row.first, row.last, row.expires,
               row.expires >= now and not is_gone(row.holder))
        for row in rows
    )  # fmt: skip


def hosts(connection: Connection) -> tuple[Host, ...]:
    """The hosts that somebody holds slots of, or whose files were put off; those with most slots
    first, then those with most files put off."""
    s, p = tables.host_slots.c, tables.postponed.c
    now = clock.timestamp()
    live = sa.select(s.host, s.holder).where(s.expires >= now)
    asked: dict[str, int] = {}
    for row in connection.execute(live):
        if not is_gone(row.holder):
            asked[row.host] = asked.get(row.host, 0) + 1
    count = sa.func.count()
    query = sa.select(p.host, count, sa.func.min(p.until)).group_by(p.host).order_by(count.desc())
    rested = {row[0]: row[1:] for row in connection.execute(query.limit(MOST_HOSTS))}
    put_off = {name: int(row[0]) for name, row in rested.items()}
    names = sorted(
        {*asked, *rested}, key=lambda one: (-asked.get(one, 0), -put_off.get(one, 0), one)
    )
    return tuple(
        Host(
            name,
            asked.get(name, 0),
            put_off.get(name, 0),
            rested[name][1] if name in rested else None,
            _why(connection, name) if name in rested else None,
        )
        for name in names[:MOST_HOSTS]
    )


def _why(connection: Connection, host: str) -> str | None:
    p = tables.postponed.c
    query = sa.select(p.reason).where(p.host == host).order_by(p.until).limit(1)
    return connection.scalar(query)


def refusals(connection: Connection) -> tuple[tuple[str, int], ...]:
    """The most frequent reasons for which files are in quarantine, with how many have them."""
    q = tables.quarantine.c
    some = sa.select(q.reason).limit(REFUSED_ROWS).subquery()
    count = sa.func.count()
    query = sa.select(some.c.reason, count).group_by(some.c.reason).order_by(count.desc())
    return tuple((row[0], int(row[1])) for row in connection.execute(query.limit(MOST_REASONS)))
