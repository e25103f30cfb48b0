"""What a listener likes: stars and ratings of tracks, albums and artists, by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from longplay import clock
from longplay.access.people.store import Connection, People
from longplay.errors import UsageError

MOST = 200_000
"""Stars, and ratings, of one account."""

LONGEST_ID = 40
"""Characters of an id."""


def star(people: People, account: int, things: Sequence[str], time: str | None = None) -> None:
    """Star things, from now on or since `time`; what has a star keeps its time."""
    _check(things)
    since = time or clock.timestamp()
    with people.write() as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO star VALUES (?, ?, ?)",
            ((account, thing, since) for thing in things),
        )
        _bound(connection, "star", account)


def unstar(people: People, account: int, things: Sequence[str]) -> None:
    """Take stars away; what has none stays without."""
    with people.write() as connection:
        connection.executemany(
            "DELETE FROM star WHERE account = ? AND thing = ?",
            ((account, thing) for thing in things),
        )


def starred(people: People, account: int | None) -> dict[str, str]:
    """What has a star, with the time since when; the newest first."""
    with people.read() as connection:
        rows = connection.execute(
            "SELECT thing, time FROM star WHERE account = ? ORDER BY time DESC, thing", (account,)
        ).fetchall()
    return dict(rows)


def among(people: People, account: int, things: Sequence[str]) -> frozenset[str]:
    """Of some things, a page's, those that have a star."""
    marks = ", ".join("?" * len(things))
    with people.read() as connection:
        rows = connection.execute(
            f"SELECT thing FROM star WHERE account = ? AND thing IN ({marks})", (account, *things)
        ).fetchall()
    return frozenset(thing for (thing,) in rows)


def rate(people: People, account: int, thing: str, stars: int) -> None:
    """Give 1 to 5 stars, or take a rating back with 0. Raises UsageError."""
    _check([thing])
    if not 0 <= stars <= 5:
        raise UsageError("a rating is 1 to 5, or 0 for none", where=str(stars)[:20])
    with people.write() as connection:
        if stars:
            connection.execute(
                "INSERT OR REPLACE INTO rating VALUES (?, ?, ?)", (account, thing, stars)
            )
            _bound(connection, "rating", account)
        else:
            connection.execute(
                "DELETE FROM rating WHERE account = ? AND thing = ?", (account, thing)
            )


def ratings(people: People, account: int | None) -> dict[str, int]:
    """What the account rated, 1 to 5."""
    with people.read() as connection:
        rows = connection.execute(
            "SELECT thing, stars FROM rating WHERE account = ?", (account,)
        ).fetchall()
    return dict(rows)


def bring(
    people: People, account: int, starred: Mapping[str, str], rated: Mapping[str, int]
) -> None:
    """Star things since the times given, and rate things 1 to 5, all at once. Raises UsageError."""
    _check([*starred, *rated])
    with people.write() as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO star VALUES (?, ?, ?)",
            ((account, thing, time) for thing, time in starred.items()),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO rating VALUES (?, ?, ?)",
            ((account, thing, number) for thing, number in rated.items()),
        )
        _bound(connection, "star", account)
        _bound(connection, "rating", account)


def _check(things: Sequence[str]) -> None:
    if any(not thing or len(thing) > LONGEST_ID for thing in things):
        raise UsageError(f"an id has 1 to {LONGEST_ID} characters")


def _bound(connection: Connection, table: str, account: int) -> None:
    count = connection.execute(
        f"SELECT count(*) FROM {table} WHERE account = ?", (account,)
    ).fetchone()[0]
    if count > MOST:
        raise UsageError(f"an account has at most {MOST:,} of them", hint="take some back first")
