"""Who captures which part of a plan. A range is one lease: taken, renewed by each batch, done.

A range whose holder has died, or let it expire, is taken over by the next one who asks; the old
holder, if it was only slow, finds its lease lost inside its own transaction and commits nothing.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.errors import LedgerError
from longplay.ledger.database import Ledger, is_gone
from longplay.ledger.tables import leases

RANGE = 1024
"""Ordinals in one lease: minutes of work, so that a lost worker costs little to take over."""

LEASE_TIME = timedelta(minutes=10)
"""How long a silent holder on another host is believed to be alive."""


def begin_pass(ledger: Ledger, plan: str, total: int) -> None:
    """Start over when every ordinal of the plan was dealt with by earlier runs."""
    with ledger.write() as connection:
        mine = leases.c.plan == plan
        last, undone = connection.execute(
            sa.select(sa.func.max(leases.c.last), sa.func.sum(1 - leases.c.done)).where(mine)
        ).one()
        if last is not None and last >= total - 1 and not undone:
            connection.execute(leases.delete().where(mine))


def acquire(ledger: Ledger, plan: str, total: int, holder: str) -> tuple[int, int] | None:
    """Lease the next range of ordinals (both ends included), or None when none is left."""
    with ledger.write() as connection:
        for row in connection.execute(
            sa.select(leases)
            .where(leases.c.plan == plan, leases.c.done == 0)
            .order_by(leases.c.first)
        ):
            mine = row.holder == holder  # left open when this process was interrupted
            if mine or row.expires < clock.timestamp() or is_gone(row.holder):
                _set(connection, plan, row.first, holder=holder, expires=_expiry())
                return int(row.first), int(row.last)
        last = connection.scalar(sa.select(sa.func.max(leases.c.last)).where(leases.c.plan == plan))
        first = 0 if last is None else last + 1
        if first >= total:
            return None
        last = min(first + RANGE, total) - 1
        connection.execute(
            leases.insert().values(
                plan=plan, first=first, last=last, holder=holder, expires=_expiry(), done=0
            )
        )
        return first, last


def renew(connection: Connection, plan: str, first: int, holder: str, *, done: bool) -> None:
    """Keep or finish a lease inside the batch's own transaction. Raises LedgerError if lost."""
    found = connection.scalar(
        sa.select(leases.c.holder).where(leases.c.plan == plan, leases.c.first == first)
    )
    if found != holder:
        raise LedgerError(
            f"the lease on ordinals from {first} was taken over by {found}",
            where=f"plan {plan}",
            hint="another capture goes on with it; nothing was lost",
        )
    _set(connection, plan, first, expires=_expiry(), done=int(done))


def _set(connection: Connection, plan: str, first: int, **values: object) -> None:
    connection.execute(
        leases.update().where(leases.c.plan == plan, leases.c.first == first).values(**values)
    )


def _expiry() -> str:
    moment = clock.now() + LEASE_TIME
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
