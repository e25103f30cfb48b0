"""Files that are still due though their range is done: their host was busy, down or throttling.

A row is claimed before it is tried again, and settled in the transaction that makes the file's
outcome count, so that two captures that try it never both count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.ledger import writing
from longplay.ledger.database import Ledger, is_gone
from longplay.ledger.tables import postponed

CLAIM_TIME = timedelta(seconds=60)
"""How long a silent claimant on another machine is believed to be alive."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """A file to be tried again, not before `until`; `tries` counts those that failed."""

    ordinal: int
    host: str
    until: str
    tries: int
    reason: str


def put_off(connection: Connection, plan: str, rows: Iterable[Postponed]) -> None:
    """Note files that are still due; those that were noted before get the newer words."""
    writing.upsert(
        connection,
        postponed,
        [
            {
                "plan": plan,
                "ordinal": row.ordinal,
                "host": row.host,
                "until": row.until,
                "tries": row.tries,
                "reason": row.reason[:500],
                "holder": None,
            }
            for row in rows
        ],
    )


def claim(ledger: Ledger, plan: str, count: int, holder: str) -> list[Postponed]:
    """Take up to `count` files that may be tried now, in plan order; nobody else is given them
    while the claim is kept alive."""
    now = clock.timestamp()
    p = postponed.c
    with ledger.write() as connection:
        rows = sa.select(p.ordinal, p.host, p.until, p.tries, p.reason, p.holder).where(
            p.plan == plan
        )
        due = connection.execute(rows.where(p.until <= now).order_by(p.ordinal).limit(count))
        claimed = connection.execute(rows.where(p.until > now, p.holder.is_not(None)))
        free = [*due, *(row for row in claimed if is_gone(row.holder))]
        free = sorted(free, key=lambda row: row.ordinal)[:count]
        found = [Postponed(*row[:5]) for row in free]
        _mark(connection, plan, [row.ordinal for row in found], holder)
        return found


def renew(ledger: Ledger, holder: str) -> None:
    """Keep every claim of the holder alive."""
    until = clock.text_of(clock.now() + CLAIM_TIME)
    with ledger.write() as connection:
        connection.execute(
            postponed.update().where(postponed.c.holder == holder).values(until=until)
        )


def release(ledger: Ledger, plan: str, holder: str) -> None:
    """Give back what the holder claimed and did not settle."""
    mine = (postponed.c.plan == plan, postponed.c.holder == holder)
    with ledger.write() as connection:
        connection.execute(
            postponed.update().where(*mine).values(holder=None, until=clock.timestamp())
        )


def settle(connection: Connection, plan: str, ordinals: Collection[int], holder: str) -> set[int]:
    """Remove claimed files whose outcome this transaction writes; returns those whose claim was
    lost: somebody else has tried them since."""
    p = postponed.c
    mine = sa.and_(p.plan == plan, p.ordinal.in_(ordinals), p.holder == holder)
    found = set(connection.scalars(sa.select(p.ordinal).where(mine)))
    connection.execute(postponed.delete().where(mine))
    return set(ordinals) - found


def among(ledger: Ledger, plan: str, first: int, last: int) -> set[int]:
    """Which ordinals of a range (both ends included) are put off."""
    p = postponed.c
    query = sa.select(p.ordinal).where(p.plan == plan, p.ordinal.between(first, last))
    with ledger.read() as connection:
        return set(connection.scalars(query))


def soonest(ledger: Ledger, plan: str) -> str | None:
    """When the next file may be tried again; None where nothing was put off."""
    with ledger.read() as connection:
        query = sa.select(sa.func.min(postponed.c.until)).where(postponed.c.plan == plan)
        found: str | None = connection.scalar(query)
        return found


def count(ledger: Ledger, plan: str) -> int:
    """How many files of the plan are put off."""
    query = sa.select(sa.func.count()).select_from(postponed).where(postponed.c.plan == plan)
    with ledger.read() as connection:
        return int(connection.scalar(query) or 0)


def waiting(ledger: Ledger, plan: str, most: int) -> list[Postponed]:
    """The first files of the plan that are put off."""
    p = postponed.c
    with ledger.read() as connection:
        rows = connection.execute(
            sa.select(p.ordinal, p.host, p.until, p.tries, p.reason)
            .where(p.plan == plan)
            .order_by(p.ordinal)
            .limit(most)
        )
        return [Postponed(*row) for row in rows]


def _mark(connection: Connection, plan: str, ordinals: list[int], holder: str) -> None:
    until = clock.text_of(clock.now() + CLAIM_TIME)
    for some in writing.parts(ordinals):
        connection.execute(
            postponed.update()
            .where(postponed.c.plan == plan, postponed.c.ordinal.in_(some))
            .values(holder=holder, until=until)
        )
