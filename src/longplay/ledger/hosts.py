"""Who may fetch from a host now, of all captures of an archive: a slot is one file at a time."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from longplay import clock
from longplay.ledger.database import Ledger, is_gone
from longplay.ledger.tables import host_slots

SLOT_TIME = timedelta(seconds=60)
"""How long a silent holder on another machine is believed to be alive."""


def hold(ledger: Ledger, host: str, connections: int, holder: str) -> int:
    """Take the slots of `host` that are free, up to `connections` of them in all, and keep those
    that are the holder's already; returns how many it has now."""
    now, until = clock.timestamp(), clock.text_of(clock.now() + SLOT_TIME)
    s = host_slots.c
    with ledger.write() as connection:
        rows = connection.execute(
            sa.select(s.slot, s.holder, s.expires).where(s.host == host)
        ).all()
        taken = {
            slot
            for slot, who, expires in rows
            if who != holder and expires > now and not is_gone(who)
        }
        free = sorted(set(range(connections)) - taken)[: max(0, connections - len(taken))]
        connection.execute(host_slots.delete().where(s.host == host, s.slot.not_in(taken)))
        values = [{"host": host, "slot": slot, "holder": holder, "expires": until} for slot in free]
        if values:
            connection.execute(host_slots.insert(), values)
        return len(free)


def renew(ledger: Ledger, holder: str) -> None:
    """Keep every slot of the holder."""
    until = clock.text_of(clock.now() + SLOT_TIME)
    with ledger.write() as connection:
        connection.execute(
            host_slots.update().where(host_slots.c.holder == holder).values(expires=until)
        )


def release(ledger: Ledger, holder: str, host: str | None = None) -> None:
    """Give back the holder's slots: of one host, or all of them."""
    mine = host_slots.c.holder == holder
    if host is not None:
        mine = sa.and_(mine, host_slots.c.host == host)
    with ledger.write() as connection:
        connection.execute(host_slots.delete().where(mine))
