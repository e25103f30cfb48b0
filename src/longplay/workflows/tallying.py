"""The totals that `status` shows, brought up to date where the ledger alone cannot keep them.

The ledger counts objects, bytes and recordings itself (`ledger/tally.py`). Here is the rest: the
access classes of objects, how many listens the held recordings stand for, and how many files of the
plan are due. Each is worked out for what has changed since the last time, which takes milliseconds,
and for everything where that cannot be known: after an import, after rights statements of sources,
albums or tracks changed, after a plan was made.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay import clock
from longplay.archive import Archive
from longplay.catalogue.snapshot import Snapshot, open_current
from longplay.ledger import claims, queries, record, tables, tally
from longplay.model import ObjectKey
from longplay.workflows import listened, shares, stocking
from longplay.workflows.shares import Keys

PAGE = 2000
"""Objects judged in one transaction, and recordings whose listens are added up in one: some 50 ms,
for which others wait."""

PLAN_ROWS = 100_000
"""Rows of a plan looked up at a time."""

OTHERS_SECONDS = 120.0
"""How long another process may take to sum up the listens, before we do it ourselves."""

LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Totals:
    """What is held, what is due, and how much of all listening that preserves."""

    objects: int
    bytes: int
    recordings: int
    due: int
    listens: float
    all_listens: float
    by_access_class: dict[str, int]

    @property
    def share_of_listens(self) -> float:
        """The share of all listens that the held recordings stand for."""
        return self.listens / self.all_listens if self.all_listens else 0.0


def totals(archive: Archive) -> Totals:
    """Bring the totals up to date, and read them."""
    judge(archive)
    snapshot = open_current(archive.catalogue)
    listens, all_listens = sum_listens(archive, snapshot)
    due = count_due(archive)
    with archive.ledger.read() as connection:
        found = tally.read(connection)
    return Totals(
        objects=int(found.get(tally.OBJECTS, 0)),
        bytes=int(found.get(tally.BYTES, 0)),
        recordings=int(found.get(tally.RECORDINGS, 0)),
        due=due,
        listens=listens,
        all_listens=all_listens,
        by_access_class=_classes(archive, found),
    )


# Access classes


def judge(archive: Archive) -> None:
    """Judge the access class of every object whose class is not known or may have changed."""
    while True:
        with archive.ledger.read() as connection:
            found = tally.read(connection)
            valid = _is_judged(connection, found)
        rights = found.get(tally.RIGHTS, 0)
        if valid:
            while _judge_page(archive, None) is not None:
                pass
            return
        day, last = _today().toordinal(), 0
        while (reached := _judge_page(archive, last)) is not None:
            last = reached
        with archive.ledger.write() as connection:
            tally.put(connection, tally.JUDGED, rights)
            tally.put(connection, tally.JUDGED_DAY, day)


def _is_judged(connection: Connection, found: dict[str, float]) -> bool:
    """Whether the class of every object that has one is still that of today."""
    if found.get(tally.JUDGED) != found.get(tally.RIGHTS, 0):
        return False
    then, now = date.fromordinal(int(found.get(tally.JUDGED_DAY, 1))), _today()
    if then == now:
        return True
    r = tables.rights_statements.c
    between = (
        sa.and_(column != "", column >= then.isoformat(), column <= now.isoformat())
        for column in (r.start, r.end)
    )
    return connection.scalar(sa.select(r.subject).where(sa.or_(*between)).limit(1)) is None


def _judge_page(archive: Archive, after: int | None) -> int | None:
    """Judge some objects, those after a number, or with None those without a class; returns the
    last of them, or None when there were none."""
    o = tables.objects.c
    query = sa.select(o.number, o.root, o.size, o.access).order_by(o.number).limit(PAGE)
    query = query.where(o.access.is_(None) if after is None else o.number > after)
    with archive.ledger.read() as connection:
        if connection.execute(query.limit(1)).first() is None:
            return None
    with archive.ledger.write() as connection:
        rows = connection.execute(query).all()
        found = _classes_of(connection, rows)
        sums: dict[str, float] = defaultdict(float)
        changed = []
        for row in rows:
            new = tally.ACCESS.index(found[row.root])
            if new != row.access:
                changed.append({"it": row.number, "access": new})
                sums[tally.access_name(new)] += 1
                if row.access is not None:
                    sums[tally.access_name(row.access)] -= 1
        if changed:
            rows_of = tables.object_rows
            update = rows_of.update().where(rows_of.c.number == sa.bindparam("it"))
            connection.execute(update.values(access=sa.bindparam("access")), changed)
        tally.add(connection, sums)
    return max((row.number for row in rows), default=None)


def _classes_of(connection: Connection, rows: Sequence[Any]) -> dict[bytes, str]:
    """The access class of each of these objects by its rights alone, whatever claims say."""
    from longplay.rights import gate
    from longplay.workflows import judging
    from longplay.workflows.judging import Originated

    came: dict[bytes, list[queries.Provenance]] = defaultdict(list)
    for one in queries.provenances(connection, [row.root for row in rows]):
        came[one[0]].append(one)
    origins = [
        Originated(ObjectKey(row.root, row.size), "", "", came.get(row.root, [])) for row in rows
    ]
    now = clock.now()
    return {
        one.key.root: gate.access_class(one.in_force, now)
        for one in judging.stated_of_all(connection, origins)
    }


def _classes(archive: Archive, found: dict[str, float]) -> dict[str, int]:
    """Objects by access class; what claims withdraw is dark."""
    counts = {
        name: int(found.get(tally.access_name(at), 0)) for at, name in enumerate(tally.ACCESS)
    }
    with archive.ledger.read() as connection:
        if not claims.withdraw_anything(connection):
            return counts
    from longplay.workflows import withdrawing

    withdrawn = withdrawing.standing(archive).roots
    o = tables.objects.c
    with archive.ledger.read() as connection:
        for some in queries.in_parts(sorted(withdrawn)):
            query = sa.select(o.access, sa.func.count()).where(
                o.root.in_(some), o.access.is_not(None)
            )
            for access, count in connection.execute(query.group_by(o.access)):
                counts[tally.ACCESS[access]] -= count
                counts["dark"] += count
    return counts


def _today() -> date:
    return clock.now().astimezone(UTC).date()


# Listens


def sum_listens(archive: Archive, snapshot: Snapshot) -> tuple[float, float]:
    """The listens of the held recordings, and all listens, brought up to date in the totals."""
    key = listened.key(archive, snapshot)
    mine, c = tally.LISTENS + key, tables.recording_changes.c
    while True:
        known = listened.opened(archive, key)
        with archive.ledger.read() as connection:
            found = tally.read(connection)
            changed = connection.execute(sa.select(c.recording).limit(1)).first() is not None
        if known is None or mine not in found:
            if not _sum_all(archive, snapshot, key):
                _wait_for(archive, mine)
        elif changed:
            _sum_page(archive, snapshot, known, mine)
        else:
            return max(0.0, found[mine]), found.get(tally.ALL_LISTENS + key, 0.0)


def _sum_page(archive: Archive, snapshot: Snapshot, known: shares.Listening, mine: str) -> None:
    """Bring some of what has changed into a sum, if that still counts."""
    c = tables.recording_changes
    with archive.ledger.write() as connection:
        if mine not in tally.read(connection):
            return
        rows = connection.execute(sa.select(c).order_by(c.c.recording).limit(PAGE)).all()
        counted = {row.recording: bool(row.counted) for row in rows}
        change = _listens_changed(connection, snapshot, known, counted)
        tally.add(connection, {mine: change})
        connection.execute(c.delete().where(c.c.recording.in_(list(counted))))


def _listens_changed(
    connection: Connection,
    snapshot: Snapshot,
    known: shares.Listening,
    counted: dict[int, bool],
) -> float:
    """By how much the listens of these recordings, and of those that they became or have taken in,
    have changed. `counted` says of each whether they are in the sum."""
    if not counted:
        return 0.0
    groups = _groups(snapshot, np.array(sorted(counted), np.uint64))
    everyone = sorted({one for group in groups.values() for one in group})
    held = tally.held_of(connection, everyone)
    others = {
        row.recording: bool(row.counted)
        for some in queries.in_parts(everyone)
        for row in connection.execute(
            sa.select(tables.recording_changes).where(
                tables.recording_changes.c.recording.in_(some)
            )
        )
    }
    came, went = [], []
    for now, group in groups.items():
        # Others of the group that changed too may come in a later page: until then they stay as
        # the sum has them.
        before = any(counted.get(one, others.get(one, one in held)) for one in group)
        after = any(
            one in held if one in counted else others.get(one, one in held) for one in group
        )
        if after and not before:
            came.append(now)
        elif before and not after:
            went.append(now)
    sums = [
        float(known.of(np.array(sorted(keys), np.uint64)).sum(dtype=np.float64))
        for keys in (came, went)
    ]
    return sums[0] - sums[1]


def _groups(snapshot: Snapshot, recordings: Keys) -> dict[int, list[int]]:
    """The recordings that stand now for these, each with all ids that it ever had."""
    if not snapshot.manifest.joins.get("redirects"):
        return {int(one): [int(one)] for one in recordings}
    now = shares.current(snapshot, recordings)
    every = shares.formerly(snapshot, np.unique(now))
    groups: dict[int, list[int]] = defaultdict(list)
    for one, became in zip(every.tolist(), shares.current(snapshot, every).tolist(), strict=True):
        groups[became].append(one)
    return groups


def _sum_all(archive: Archive, snapshot: Snapshot, key: str) -> bool:
    """Count the listens of all that is held, and keep those of every recording at hand. False when
    somebody else has begun with that since: then theirs counts.

    Until the sum is there nobody adds to one, and what has changed is brought to what the sum has
    of it, a page at a time.
    """
    listening = shares.listening(archive, snapshot)
    listened.write(archive, key, listening)
    with archive.ledger.write() as connection:
        tally.drop(connection, tally.LISTENS)
        tally.drop(connection, tally.ALL_LISTENS)
        tally.add(connection, {tally.SUMMINGS: 1})
        turn = tally.read(connection)[tally.SUMMINGS]
    with archive.ledger.read() as connection:
        held = queries.held_recordings(connection).to_numpy(zero_copy_only=False)
        changed = queries.changed_recordings(connection).to_numpy(zero_copy_only=False)
    now = shares.current(snapshot, held)
    heard = float(listening.of(np.unique(now)).sum(dtype=np.float64))
    for first in range(0, len(changed), PAGE):
        page = changed[first : first + PAGE]
        was = set(page[np.isin(page, held)].tolist())
        with archive.ledger.write() as connection:
            if tally.read(connection).get(tally.SUMMINGS) != turn:
                return False
            _settle_changes(connection, page.tolist(), was)
    with archive.ledger.write() as connection:
        if tally.read(connection).get(tally.SUMMINGS) != turn:
            return False
        tally.put(connection, tally.LISTENS + key, heard)
        tally.put(connection, tally.ALL_LISTENS + key, listening.total)
    return True


def _settle_changes(connection: Connection, changed: Sequence[int], was: Set[int]) -> None:
    """Of recordings that have changed a new sum counts those that `was` has; what changed once more
    since they were read stays, with what that sum has of it."""
    c = tables.recording_changes
    still = tally.held_of(connection, changed)
    same = [one for one in changed if (one in still) == (one in was)]
    connection.execute(c.delete().where(c.c.recording.in_(same)))
    for counted in (False, True):
        rest = [one for one in changed if (one in still) != counted and (one in was) == counted]
        update = c.update().where(c.c.recording.in_(rest))
        connection.execute(update.values(counted=int(counted)))


def _wait_for(archive: Archive, name: str) -> None:
    """Wait for a total that somebody else is about to have."""
    started = clock.monotonic()
    while clock.monotonic() - started < OTHERS_SECONDS:
        with archive.ledger.read() as connection:
            if name in tally.read(connection):
                return
        time.sleep(LOOK_SECONDS)


# What is due


def count_due(archive: Archive) -> int:
    """Files that the newest plan lists and that are neither held nor in quarantine."""
    with archive.ledger.read() as connection:
        newest = queries.latest_plan(connection)
        found = tally.read(connection)
    if newest is None:
        return 0
    plan = str(newest["plan"])
    if tally.DUE_FROM + plan in found and tally.DUE + plan in found:
        return max(0, int(found[tally.DUE_FROM + plan] + found[tally.DUE + plan]))
    with archive.ledger.write() as connection:
        if tally.DUE + plan not in tally.read(connection):
            tally.put(connection, tally.DUE + plan, 0)
    with archive.ledger.read() as connection:
        since = tally.read(connection).get(tally.DUE + plan)
        due = _look_up_due(archive, connection, plan)
    with archive.ledger.write() as connection:
        if since is not None and tally.DUE + plan in tally.read(connection):
            tally.put(connection, tally.DUE_FROM + plan, due - since)
    return due


def _look_up_due(archive: Archive, connection: Connection, plan: str) -> int:
    from longplay.planning import table

    stocking.bring_plan(archive, plan)
    path = archive.plans / f"{plan}.parquet"
    entries = table.read_plan(path).entries
    if _is_empty(connection):
        return entries
    due = 0
    for first in range(0, entries, PLAN_ROWS):
        rows = table.read_range(path, first, first + PLAN_ROWS - 1)
        names = zip(rows["source"].to_pylist(), rows["path"].to_pylist(), strict=True)
        due += rows.num_rows - len(record.known_paths(connection, names))
    return due


def _is_empty(connection: Connection) -> bool:
    """Whether no path is known yet."""
    asked = (tables.holding_rows.c.object, tables.quarantine.c.path)
    return all(connection.execute(sa.select(one).limit(1)).first() is None for one in asked)
