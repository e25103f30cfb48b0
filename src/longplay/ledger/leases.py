"""Who captures which part of a plan. A range is one lease: granted, adopted, kept alive, done.

Who hands out a range is its *granter*, who captures it its *holder*; in one process they are the
same. A run on another machine adopts what was granted, under a name of its own, so that a run which
is repeated takes over from the one before it. While the granter or the holder lives, the lease is
renewed; a range that both let expire, or that both died on, goes to the next one who asks. A holder
that was only slow finds its lease lost inside its own transaction and commits nothing.

Expiry compares the clocks of different machines: they may be apart by some seconds.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.errors import LeaseLostError, LedgerError
from longplay.ledger.database import Ledger, holder, is_gone
from longplay.ledger.tables import leases

MIN_RANGE, MAX_RANGE = 64, 1024
"""Ordinals in one lease: minutes of work, so that a lost worker costs little to take over, and
the last ranges of a plan do not leave workers idle."""

RANGES_PER_WORKER = 8

LEASE_TIME = timedelta(seconds=60)
"""How long a silent holder on another host is believed to be alive."""

BEAT_SECONDS = 15.0
"""Between two renewals: three may fail before the lease expires."""

FREE = ""
"""As `expires`: before every moment; as `granter`: the grant was withdrawn."""


def token() -> str:
    """A name for one run in this process, which no other run ever has."""
    return f"{uuid.uuid4().hex[:12]}@{holder()}"


def range_size(total: int, workers: int) -> int:
    """How many ordinals a range of a plan with `total` shall have, for so many workers."""
    return max(MIN_RANGE, min(MAX_RANGE, total // (RANGES_PER_WORKER * max(1, workers))))


def begin_pass(ledger: Ledger, plan: str, total: int) -> None:
    """Start over when every ordinal of the plan was dealt with by earlier runs."""
    with ledger.write() as connection:
        mine = leases.c.plan == plan
        last, undone = connection.execute(
            sa.select(sa.func.max(leases.c.last), sa.func.sum(1 - leases.c.done)).where(mine)
        ).one()
        if last is not None and last >= total - 1 and not undone:
            connection.execute(leases.delete().where(mine))


def acquire(
    ledger: Ledger,
    plan: str,
    total: int,
    granter: str,
    size: int = MAX_RANGE,
    skip: Collection[int] = (),
) -> tuple[int, int] | None:
    """Lease the next range in plan order (both ends included), or None when none is left.

    What others left comes before what is new. What `granter` itself left open, it is given again:
    who has several ranges at a time needs a name for each. A new range has `size` ordinals; those
    that begin with one of `skip` are left to others.
    """
    with ledger.write() as connection:
        for row in connection.execute(
            sa.select(leases)
            .where(leases.c.plan == plan, leases.c.done == 0)
            .order_by(leases.c.first)
        ):
            if row.first in skip:
                continue
            left = is_gone(row.holder) and (row.granter == FREE or is_gone(row.granter))
            if row.holder == granter or row.expires < clock.timestamp() or left:
                named = {"holder": granter, "granter": granter}
                _set(connection, plan, row.first, **named, expires=_expiry())
                return int(row.first), int(row.last)
        last = connection.scalar(sa.select(sa.func.max(leases.c.last)).where(leases.c.plan == plan))
        first = 0 if last is None else last + 1
        if first >= total:
            return None
        last = min(first + size, total) - 1
        connection.execute(
            leases.insert().values(
                plan=plan,
                first=first,
                last=last,
                holder=granter,
                granter=granter,
                expires=_expiry(),
                done=0,
            )
        )
        return first, last


def adopt(ledger: Ledger, plan: str, first: int, granter: str, name: str) -> None:
    """Become the holder of a range that was granted, under the name of this run.

    Whoever held it by the same grant has lost it, and what it had done stays. Raises LeaseLostError
    when the grant was withdrawn, or the range was granted to somebody else.
    """
    with ledger.write(alone=False) as connection:
        changed = connection.execute(
            leases.update()
            .where(*_range(plan, first), leases.c.granter == granter)
            .values(holder=name, expires=_expiry(), done=0)
        )
        if not changed.rowcount:
            raise _lost(connection, plan, first)


def renew(connection: Connection, plan: str, first: int, name: str, *, done: bool) -> None:
    """Keep or finish a lease inside the batch's own transaction, as the last thing that it does:
    until it ends, nobody can take the range over. Raises LeaseLostError if somebody has."""
    changed = connection.execute(
        leases.update()
        .where(*_range(plan, first), leases.c.holder == name)
        .values(expires=_expiry(), done=int(done))
    )
    if not changed.rowcount:
        raise _lost(connection, plan, first)


def give_back(ledger: Ledger, plan: str, first: int, name: str) -> bool:
    """Leave a range that is not done to the next one who asks; whether it was so. Harmless if it is
    done or lost."""
    with ledger.write(alone=False) as connection:
        changed = connection.execute(
            leases.update()
            .where(*_range(plan, first), leases.c.holder == name, leases.c.done == 0)
            .values(expires=FREE)
        )
        return bool(changed.rowcount)


def withdraw(ledger: Ledger, plan: str, first: int, granter: str, *, at_once: bool) -> None:
    """Take a grant back: nobody adopts it any more. Its holder, if it has one by now, commits
    what it has done and stops; with `at_once` it has lost its lease, and commits nothing."""
    with ledger.write(alone=False) as connection:
        here = [*_range(plan, first), leases.c.granter == granter, leases.c.done == 0]
        unheld = leases.c.holder == granter
        mine = here if at_once else [*here, unheld]
        connection.execute(
            leases.update().where(*mine).values(holder=granter, granter=FREE, expires=FREE)
        )
        connection.execute(leases.update().where(*here).values(granter=FREE))


@dataclass(frozen=True, slots=True)
class Standing:
    """How the ranges of some granters stand: what nobody has adopted yet, and what their holders
    have let expire or have lost to somebody else. Who is done, and was not heard of for as long,
    counts among these: what he has done is in the ledger, and its telling may have got lost."""

    waiting: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


def keep_granted(ledger: Ledger, plan: str, granted: dict[str, int]) -> Standing:
    """Keep alive what was granted and not yet adopted: the first ordinal of each range by its
    granter. Returns how all of them stand."""
    if not granted:
        return Standing()
    waiting, lost = set(), set()
    with ledger.write(alone=False) as connection:
        rows = {
            row.first: row
            for row in connection.execute(
                sa.select(leases).where(
                    leases.c.plan == plan, leases.c.first.in_(list(granted.values()))
                )
            )
        }
        now = clock.timestamp()
        for granter, first in granted.items():
            row = rows.get(first)
            if row is None or row.granter != granter or row.expires < now:
                lost.add(granter)
            elif row.holder == granter:
                waiting.add(granter)
        connection.execute(
            leases.update()
            .where(leases.c.plan == plan, leases.c.holder.in_(waiting))
            .values(expires=_expiry())
        )
    return Standing(frozenset(waiting), frozenset(lost))


def others(ledger: Ledger, plan: str, mine: Collection[int] = ()) -> int:
    """How many ranges of a plan somebody else is at."""
    with ledger.read() as connection:
        firsts = connection.scalars(
            sa.select(leases.c.first).where(leases.c.plan == plan, leases.c.done == 0)
        )
        return len(set(firsts) - set(mine))


class Heartbeat:
    """Tells a run whether it shall go on. `stopped` turns true when its lease is lost, or when the
    grant was withdrawn: then it commits what it has, as far as that still counts, and ends."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the run shall end early."""
        return self._stopped.is_set()

    def end(self) -> None:
        """Beat no more."""
        self._ended.set()

    def beat(self, ledger: Ledger, plan: str, first: int, name: str) -> None:
        """Renew the lease until the run ends. A ledger that cannot be reached is asked again: if
        it stays away for too long, the next commit finds out."""
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(LedgerError):
                if not _keep(ledger, plan, first, name):
                    self._stopped.set()
                    return


@contextmanager
def kept(ledger: Ledger, plan: str, first: int, name: str) -> Iterator[Heartbeat]:
    """Keep a lease alive by a thread of its own while the block runs."""
    heart = Heartbeat()
    thread = threading.Thread(
        target=heart.beat, args=(ledger, plan, first, name), name="heartbeat", daemon=True
    )
    thread.start()
    try:
        yield heart
    finally:
        heart.end()
        thread.join()


def _keep(ledger: Ledger, plan: str, first: int, name: str) -> bool:
    """Renew a lease on its own; whether the run shall go on."""
    with ledger.write(alone=False) as connection:
        here = [*_range(plan, first), leases.c.holder == name]
        connection.execute(leases.update().where(*here).values(expires=_expiry()))
        granter = connection.scalar(sa.select(leases.c.granter).where(*here))
    return granter not in (None, FREE)


def _lost(connection: Connection, plan: str, first: int) -> LeaseLostError:
    found = connection.scalar(sa.select(leases.c.holder).where(*_range(plan, first)))
    return LeaseLostError(
        f"the lease on ordinals from {first} was taken over by {found or 'another pass'}",
        where=f"plan {plan}",
        hint="another capture goes on with it; nothing was lost",
    )


def _range(plan: str, first: int) -> tuple[sa.ColumnElement[bool], ...]:
    return leases.c.plan == plan, leases.c.first == first


def _set(connection: Connection, plan: str, first: int, **values: object) -> None:
    connection.execute(leases.update().where(*_range(plan, first)).values(**values))


def _expiry() -> str:
    return clock.text_of(clock.now() + LEASE_TIME)
