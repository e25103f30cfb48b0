"""The play queue that a listener goes on with elsewhere: one for each account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from longplay import clock
from longplay.access.people.store import People
from longplay.errors import UsageError

MOST = 10_000
"""Tracks of a queue: a month of music."""

LONGEST_ID, LONGEST_CLIENT = 40, 100
"""Characters of a track's id, and of the name that a client gives itself."""

_POSITION_LIMIT = 2**53


@dataclass(frozen=True, slots=True)
class Queue:
    """A play queue: `place` is the index of the track that plays (None where nothing does), and
    `current` its id; `position_ms` is how far it has come."""

    entries: tuple[str, ...]
    place: int | None
    position_ms: int
    changed: str
    client: str

    @property
    def current(self) -> str | None:
        """The id of the track that plays."""
        return None if self.place is None else self.entries[self.place]


def save(
    people: People,
    account: int,
    entries: Sequence[str],
    *,
    current: str | None = None,
    place: int | None = None,
    position_ms: int = 0,
    client: str = "",
) -> None:
    """Keep a queue in place of the one before; `place`, or else the first of `current`, plays. An
    empty one takes it away. Raises UsageError when that track is not in it."""
    if len(entries) > MOST or any(len(one) > LONGEST_ID for one in entries):
        raise UsageError(f"a queue has at most {MOST} tracks")
    if place is None and current is not None:
        place = _first(entries, current)
    if place is not None and not 0 <= place < len(entries):
        raise UsageError("the current track is not in the queue")
    if not 0 <= position_ms < _POSITION_LIMIT:
        raise UsageError("is no position in a track", where=str(position_ms)[:40])
    with people.write() as connection:
        connection.execute("DELETE FROM queue_entry WHERE account = ?", (account,))
        connection.execute("DELETE FROM queue WHERE account = ?", (account,))
        if not entries:
            return
        connection.execute(
            "INSERT INTO queue VALUES (?, ?, ?, ?, ?)",
            (account, place, position_ms, clock.timestamp(), client[:LONGEST_CLIENT]),
        )
        connection.executemany(
            "INSERT INTO queue_entry VALUES (?, ?, ?)",
            ((account, at, track) for at, track in enumerate(entries)),
        )


def read(people: People, account: int) -> Queue | None:
    """The queue of an account; None where none is kept."""
    with people.read() as connection:
        row = connection.execute(
            "SELECT place, position_ms, changed, client FROM queue WHERE account = ?", (account,)
        ).fetchone()
        if row is None:
            return None
        entries = connection.execute(
            "SELECT track FROM queue_entry WHERE account = ? ORDER BY position", (account,)
        ).fetchall()
    return Queue(tuple(track for (track,) in entries), *row)


def _first(entries: Sequence[str], current: str) -> int:
    try:
        return list(entries).index(current)
    except ValueError as error:
        raise UsageError("the current track is not in the queue", where=current[:40]) from error
