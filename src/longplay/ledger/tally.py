"""Running totals: what `status` shows without counting tens of millions of rows.

Whoever changes objects, holdings or manifestations notes it here (`note_…`); at the end of the same
transaction, when nobody else writes, the totals follow. So they are exact at every moment, whoever
writes beside, and whatever is killed.

Three totals need more than the ledger knows, and are brought up to date by those who know it
(`workflows/tallying.py`) from what is left for them here: objects whose access class is not judged
(`object.access` is null), recordings that came or went (`recording_change`), and how many files of
a plan are due (counted once, then kept).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from longplay.ledger import tables
from longplay.ledger.database import closings, exclude_writers
from longplay.ledger.writing import insert, parts, upserting

OBJECTS, BYTES, RECORDINGS = "objects", "bytes", "recordings"

ACCESS = ("open", "restricted", "dark")
"""Access classes by their number in `object.access`; their totals are called `access open`, …"""

RIGHTS, JUDGED, JUDGED_DAY = "rights", "judged", "judged day"
"""How often rights statements changed; what that was when all objects were judged, and the day (as
the proleptic Gregorian ordinal)."""

DUE, DUE_FROM = "due ", "due from "
"""Before a plan's id: the change in how many of its files are neither held nor in quarantine, and
what it is counted from. Without the second it is not known."""

LISTENS, ALL_LISTENS = "listens ", "all listens "
"""Before what they were counted by: listens of the held recordings, and of all."""

SUMMINGS = "summings"
"""How often somebody began to sum these up anew."""


@dataclass(slots=True)
class _Changes:
    """What one transaction changed, until its end."""

    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    carried: dict[int, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    """Recordings with the manifestations that this transaction added."""
    held: dict[int, bool] = field(default_factory=dict)
    """Recordings that may go, and whether they were held before."""
    touched: set[bytes] = field(default_factory=set)
    """Objects whose rights may come from elsewhere now."""
    known: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Files that are held or in quarantine now, and were not before, by plan."""
    ignored: bool = False
    """Whether nothing is kept: all is counted anew in the end."""

    def __call__(self, connection: Connection) -> None:
        """Bring the totals up to date."""
        if self.ignored:
            return
        exclude_writers(connection)
        self._recordings(connection)
        self._unjudge(connection)
        add(connection, self.sums)
        for plan, count in self.known.items():
            t = tables.tallies
            mine = t.c.name == DUE + plan
            connection.execute(t.update().where(mine).values(value=t.c.value - count))
            # Of other plans nobody knows how many of these files they list.
            drop(connection, DUE, but=(DUE + plan, DUE_FROM + plan))

    def _recordings(self, connection: Connection) -> None:
        asked = sorted(self.carried.keys() | self.held.keys())
        now: dict[int, set[tuple[int, int]]] = defaultdict(set)
        m = tables.manifestation_rows.c
        for some in parts(asked):
            query = sa.select(m.recording, m.object, m.start_ms)
            mine = (m.recording.in_(some), remembered(m.object))
            for row in connection.execute(query.where(*mine)):
                now[row.recording].add((row.object, row.start_ms))
        rows = []
        for recording in asked:
            before = self.held.get(recording)
            if before is None:
                before = bool(now[recording] - self.carried[recording])
            if before != bool(now[recording]):
                self.sums[RECORDINGS] += -1 if before else 1
                rows.append({"recording": recording, "counted": int(before)})
        insert(connection, tables.recording_changes, rows)

    def _unjudge(self, connection: Connection) -> None:
        """Objects that came by another path too, and the pictures in them, are judged again."""
        o, e = tables.objects.c, tables.embedded.c
        roots = set(self.touched)
        for some in parts(sorted(self.touched)):
            roots.update(connection.scalars(sa.select(e.picture).where(e.root.in_(some))))
        for some in parts(sorted(roots)):
            query = sa.select(o.number, o.access).where(o.root.in_(some), o.access.is_not(None))
            rows = connection.execute(query).all()
            for row in rows:
                self.sums[access_name(row.access)] -= 1
            if rows:
                table = tables.object_rows
                judged = table.c.number.in_([row.number for row in rows])
                connection.execute(table.update().where(judged).values(access=None))


def note_objects(connection: Connection, sizes: Iterable[int]) -> None:
    """Objects of these sizes were added."""
    changes = _of(connection)
    if changes is not None:
        for size in sizes:
            changes.sums[OBJECTS] += 1
            changes.sums[BYTES] += size


def note_manifestations(connection: Connection, rows: Iterable[tuple[int, int, int]]) -> None:
    """These (recording, object, start_ms) were added."""
    changes = _of(connection)
    if changes is not None:
        for recording, number, start_ms in rows:
            changes.carried[recording].add((number, start_ms))


def note_paths(connection: Connection, roots: Iterable[bytes]) -> None:
    """Some path leads to these now that did not, or another picture holds them."""
    changes = _of(connection)
    if changes is not None:
        changes.touched.update(roots)


def note_known(connection: Connection, plan: str, count: int) -> None:
    """So many files became held or went into quarantine that were neither before."""
    changes = _of(connection)
    if changes is not None and count:
        changes.known[plan] += count


def note_statements(connection: Connection, subjects: Iterable[str]) -> None:
    """Rights statements about these subjects changed: single objects are judged again, or, where
    one is about more than that, all objects."""
    subjects = set(subjects)
    changes = _of(connection)
    if changes is None or not subjects:
        return
    if all(one.startswith("obj") for one in subjects):
        changes.touched.update(bytes.fromhex(one[3:]) for one in subjects)
    else:
        changes.sums[RIGHTS] += 1


def note_going(connection: Connection, roots: Sequence[bytes]) -> None:
    """These objects are about to be deleted or forgotten, in a transaction that writes alone."""
    changes = _of(connection)
    if changes is None:
        return
    o, m = tables.objects.c, tables.manifestations.c
    for some in parts(roots):
        for row in connection.execute(sa.select(o.size, o.access).where(o.root.in_(some))):
            changes.sums[OBJECTS] -= 1
            changes.sums[BYTES] -= row.size
            if row.access is not None:
                changes.sums[access_name(row.access)] -= 1
        query = sa.select(m.recording).where(m.root.in_(some)).distinct()
        carried = sorted(connection.scalars(query))
        held = held_of(connection, carried)
        for recording in carried:
            changes.held.setdefault(recording, recording in held)


def note_paths_gone(connection: Connection) -> None:
    """Holdings were deleted: how much of a plan is due is to be counted again."""
    drop(connection, DUE)


def held_of(connection: Connection, recordings: Sequence[int]) -> set[int]:
    """Which of these recordings some object carries."""
    m = tables.manifestation_rows.c
    found: set[int] = set()
    for some in parts(recordings):
        query = sa.select(m.recording).where(m.recording.in_(some), remembered(m.object))
        found.update(connection.scalars(query.distinct()))
    return found


def remembered(number: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether an object was not forgotten: its paths and recordings stay, its bits do not."""
    f, o = tables.forgotten.c, tables.object_rows.c
    # Looked up one by one: in a join SQLite would go through all objects, with an eye on those few.
    its = sa.select(o.number).where(o.root == f.root).scalar_subquery()
    return number.not_in(sa.select(sa.func.coalesce(its, 0)).select_from(tables.forgotten))


def read(connection: Connection) -> dict[str, float]:
    """Every total by its name; what is missing is 0, or was never counted."""
    t = tables.tallies.c
    return {row.name: row.value for row in connection.execute(sa.select(t.name, t.value))}


def put(connection: Connection, name: str, value: float) -> None:
    """Set a total."""
    t = tables.tallies
    connection.execute(t.delete().where(t.c.name == name))
    connection.execute(t.insert().values(name=name, value=value))


def add(connection: Connection, changes: dict[str, float]) -> None:
    """Change totals by so much."""
    for name in sorted(name for name, value in changes.items() if value):
        statement = upserting(connection, tables.tallies)
        more = tables.tallies.c.value + statement.excluded.value
        connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"value": more}),
            {"name": name, "value": changes[name]},
        )


def drop(connection: Connection, before: str, *, but: Iterable[str] = ()) -> None:
    """Remove the totals whose names begin so."""
    t = tables.tallies.c
    gone = t.name.startswith(before, autoescape=True)
    connection.execute(tables.tallies.delete().where(gone, t.name.not_in(list(but))))


def ignore(connection: Connection) -> None:
    """Keep no totals in this transaction: it ends with a `recount`."""
    closing = closings(connection)
    if closing is not None:
        closing[:] = [one for one in closing if not isinstance(one, _Changes)]
        closing.append(_Changes(ignored=True))


def recount(connection: Connection) -> None:
    """Count everything anew, from the rows: after a rebuild or an upgrade."""
    ignore(connection)
    connection.execute(tables.tallies.delete())
    connection.execute(tables.recording_changes.delete())
    for name, value in counted(connection).items():
        put(connection, name, value)


def counted(connection: Connection) -> dict[str, float]:
    """The totals that the ledger's rows have, counted one by one."""
    o, m = tables.objects.c, tables.manifestation_rows.c
    size = sa.func.coalesce(sa.func.sum(o.size), 0)
    count, total = connection.execute(sa.select(sa.func.count(o.number), size)).one()
    held = sa.select(m.recording).where(remembered(m.object)).distinct().subquery()
    found = {
        OBJECTS: float(count),
        BYTES: float(total),
        RECORDINGS: float(connection.scalar(sa.select(sa.func.count()).select_from(held)) or 0),
    }
    judged = sa.select(o.access, sa.func.count()).where(o.access.is_not(None)).group_by(o.access)
    return found | {access_name(row[0]): float(row[1]) for row in connection.execute(judged)}


def access_name(number: int) -> str:
    """What the total of an access class is called."""
    return f"access {ACCESS[number]}"


def _of(connection: Connection) -> _Changes | None:
    """What this transaction changed so far; None where nobody sees to its end."""
    closing = closings(connection)
    if closing is None:
        return None
    for one in closing:
        if isinstance(one, _Changes):
            return None if one.ignored else one
    changes = _Changes()
    closing.append(changes)
    return changes
