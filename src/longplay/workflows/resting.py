"""Tombstones on a mirror: what its feed withdraws is dark at once, rests, and then goes; what the
feed no longer withdraws comes back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive
from longplay.errors import FeedError
from longplay.ledger import claims, log, queries, record, tables
from longplay.ledger.claims import Tombstone
from longplay.model import ObjectKey
from longplay.release import following
from longplay.release.following import News
from longplay.vault import replicas

ROWS = 500
"""Objects that are let go in one transaction."""


def cause(archive_id: str) -> str:
    """What tombstones of a feed stand for in the ledger."""
    return f"feed:{archive_id}"


def check(archive: Archive, news: News) -> None:
    """Raise FeedError when the feed withdraws more at once than a mirror lets it."""
    told = {bytes.fromhex(one.root) for one in news.feed.tombstones}
    with archive.ledger.read() as connection:
        known = record.known_sizes(connection, told)
        withdrawn = {one.key.root for one in claims.tombstones_standing(connection)}
        total, _ = queries.count_objects(connection)
    share = archive.settings.sharing.withdrawal_share
    count = following.withdraws_too_much(news, known.keys(), withdrawn, share * total)
    if count:
        raise FeedError(
            f"feed {news.feed.serial} withdraws {count:,} of the {total:,} objects here at once,"
            f" more than {share:.1%}",
            where=str(archive.folder),
            hint="ask the archive; if it means it, run this again with --accept-withdrawals",
        )


def take(archive: Archive, news: News) -> None:
    """Withdraw what the feed does, and restore what it withdraws no longer. From the end of this
    call on nothing of it is served."""
    name = cause(news.feed.archive)
    told = {bytes.fromhex(one.root): one for one in news.feed.tombstones}
    with archive.ledger.write() as connection:
        standing = {
            one.key.root for one in claims.tombstones_standing(connection) if one.cause == name
        }
        fresh, lifted = sorted(told.keys() - standing), sorted(standing - told.keys())
        if not fresh and not lifted:
            return
        detail = {"feed": news.feed.serial, "withdrawn": len(fresh), "restored": len(lifted)}
        root = log.merkle_root(fresh + lifted)
        number = log.append(connection, "feed", news.feed.archive, detail, root)
        now = clock.timestamp()
        claims.bury(
            connection,
            [
                Tombstone(
                    ObjectKey(root, told[root].size),
                    name,
                    tuple(told[root].isrcs),
                    tuple(told[root].recordings),
                    now,
                    number,
                )
                for root in fresh
            ],
        )
        claims.lift(connection, name, lifted)


def let_go(archive: Archive, archive_id: str) -> int:
    """Delete the withdrawn objects that have rested long enough; their count. Bits go first, so
    that what is cut short is found again. Raises StoreError for a replica out of reach."""
    until = clock.now() - timedelta(days=archive.settings.sharing.rest_days)
    with archive.ledger.read() as connection:
        due = _due(connection, cause(archive_id), until)
    stores = archive.replicas()
    for start in range(0, len(due), ROWS):
        part = due[start : start + ROWS]
        for key in part:
            replicas.remove(stores, archive.ledger, key)
            archive.store.destroy(key)
        with archive.ledger.write() as connection:
            again = _copied(connection, part)
            record.drop_objects(connection, part)
            root = log.merkle_root(key.root for key in part)
            detail = {"objects": len(part), "bytes": sum(key.size for key in part)}
            log.append(connection, "delete", cause(archive_id), detail, root)
        for key in again:
            replicas.remove(stores, archive.ledger, key)
    return len(due)


def _copied(connection: Connection, keys: Sequence[ObjectKey]) -> list[ObjectKey]:
    """Those of which a replica got a copy after they were removed there: somebody replicates."""
    c = tables.copies.c
    query = sa.select(c.root).where(c.root.in_([key.root for key in keys]))
    found = set(connection.scalars(query))
    return [key for key in keys if key.root in found]


def standing(archive: Archive, archive_id: str) -> int:
    """How many tombstones of the feed stand."""
    t = tables.tombstones.c
    query = sa.select(sa.func.count()).select_from(tables.tombstones)
    with archive.ledger.read() as connection:
        return connection.scalar(query.where(t.cause == cause(archive_id))) or 0


def _due(connection: Connection, name: str, until: datetime) -> list[ObjectKey]:
    """The held objects whose tombstone stands since before `until`."""
    t, o = tables.tombstones.c, tables.objects.c
    query = (
        sa.select(o.root, o.size, t.time)
        .join_from(tables.tombstones, tables.objects, sa.and_(o.root == t.root, o.size == t.size))
        .where(t.cause == name)
        .order_by(t.root)
    )
    return [
        ObjectKey(row.root, row.size)
        for row in connection.execute(query)
        if datetime.fromisoformat(row.time) <= until
    ]
