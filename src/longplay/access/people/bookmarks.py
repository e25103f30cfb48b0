"""Bookmarks: how far a listener has come in a track."""

from __future__ import annotations

from dataclasses import dataclass

from longplay import clock
from longplay.access.people.store import People
from longplay.errors import AccessError, UsageError

MOST = 10_000
"""Bookmarks of one account."""

LONGEST_ID, LONGEST_COMMENT = 40, 1000
"""Characters of a track's id, and of a comment."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A place in a track, in milliseconds from its start."""

    track: str
    position_ms: int
    comment: str
    created: str
    changed: str


def create(people: People, account: int, track: str, position_ms: int, comment: str = "") -> None:
    """Set a bookmark, in place of the one that the track has. Raises UsageError."""
    if not track or len(track) > LONGEST_ID or len(comment) > LONGEST_COMMENT:
        raise UsageError(f"a bookmark's comment has at most {LONGEST_COMMENT} characters")
    if not 0 <= position_ms < 2**53:
        raise UsageError("is no position in a track", where=str(position_ms)[:40])
    now = clock.timestamp()
    with people.write() as connection:
        connection.execute(
            "INSERT INTO bookmark VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, track) DO UPDATE"
            " SET position_ms = excluded.position_ms, comment = excluded.comment,"
            " changed = excluded.changed",
            (account, track, position_ms, comment, now, now),
        )
        count = connection.execute(
            "SELECT count(*) FROM bookmark WHERE account = ?", (account,)
        ).fetchone()[0]
        if count > MOST:
            raise UsageError(f"an account has at most {MOST} bookmarks", hint="delete some first")


def delete(people: People, account: int, track: str) -> None:
    """Take a bookmark away. Raises AccessError where there is none."""
    with people.write() as connection:
        done = connection.execute(
            "DELETE FROM bookmark WHERE account = ? AND track = ?", (account, track)
        )
        if not done.rowcount:
            raise AccessError("there is no bookmark in it", where=track[:LONGEST_ID])


def all_of(people: People, account: int) -> list[Bookmark]:
    """The bookmarks of an account, those changed last first."""
    with people.read() as connection:
        rows = connection.execute(
            "SELECT track, position_ms, comment, created, changed FROM bookmark"
            " WHERE account = ? ORDER BY changed DESC, track",
            (account,),
        ).fetchall()
    return [Bookmark(*row) for row in rows]
