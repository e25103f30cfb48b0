"""What was played: scrobbles, counts, and what plays at this moment.

A scrobble is noted once however often it is sent: it is told by its account, time and track.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from longplay import clock
from longplay.access.people.store import Connection, People
from longplay.errors import UsageError

State = Literal["starting", "playing", "paused", "stopped"]
"""What a client reports of its player (OpenSubsonic's `reportPlayback`)."""

STATES: tuple[State, ...] = ("starting", "playing", "paused", "stopped")

STALE = timedelta(minutes=15)
"""After so long without a word of its client nothing plays any more."""

AHEAD = timedelta(minutes=10)
"""How far a client's clock may be ahead; later plays are taken for plays of this moment."""

LONGEST_ID, LONGEST_CLIENT = 40, 100
"""Characters of a track's id, and of the name that a client gives itself."""

MOST_CLIENTS = 20
"""Players of one account at a time."""

PAGE = 10_000
"""Plays that are read in one transaction when all are."""


@dataclass(frozen=True, slots=True)
class Playing:
    """What plays now: who, with what client, since when, how far (as reported at `reported`)."""

    account: int
    name: str
    client: str
    track: str
    started: str
    reported: str
    position_ms: int
    state: State
    rate: float


def scrobble(
    people: People,
    account: int,
    track: str,
    time: datetime | None = None,
    *,
    submission: bool = True,
    client: str = "",
) -> bool:
    """Note that a track was played at `time` (now, where none is given); with `submission` False
    only that it plays now. Whether it was new. Raises UsageError."""
    _check(track)
    client = client[:LONGEST_CLIENT]
    if not submission:
        report(people, account, track, client=client)
        return True
    at = clock.text_of(_believed(time))
    with people.write() as connection:
        done = connection.execute(
            "INSERT OR IGNORE INTO play (account, track, time, client) VALUES (?, ?, ?, ?)",
            (account, track, at, client),
        )
        if not done.rowcount:
            return False
        connection.execute(
            "INSERT INTO play_count VALUES (?, ?, 1, ?) ON CONFLICT (account, track) DO UPDATE"
            " SET plays = plays + 1, last = max(last, excluded.last)",
            (account, track, at),
        )
    return True


def report(
    people: People,
    account: int,
    track: str,
    *,
    state: State = "playing",
    position_ms: int = 0,
    rate: float = 1.0,
    client: str = "",
) -> None:
    """Note what a player does at this moment. Raises UsageError."""
    _check(track)
    if state not in STATES:
        raise UsageError(f"is no state of a player: {', '.join(STATES)}", where=str(state)[:40])
    if not 0 <= position_ms < 2**53 or not 0 <= rate <= 100:
        raise UsageError("is no position in a track", where=str(position_ms)[:40])
    client, now = client[:LONGEST_CLIENT], clock.timestamp()
    with people.write() as connection:
        if state == "stopped":
            connection.execute(
                "DELETE FROM playing WHERE account = ? AND client = ?", (account, client)
            )
            return
        connection.execute(
            "INSERT INTO playing VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)"
            " ON CONFLICT (account, client) DO UPDATE SET"
            " started = CASE WHEN track = excluded.track THEN started ELSE excluded.started END,"
            " track = excluded.track, reported = excluded.reported,"
            " position_ms = excluded.position_ms, state = excluded.state, rate = excluded.rate",
            (account, client, track, now, position_ms, state, rate),
        )
        _tidy(connection, account)


def now_playing(people: People) -> list[Playing]:
    """What everybody hears at this moment, the latest first."""
    since = clock.text_of(clock.now() - STALE)
    with people.read() as connection:
        rows = connection.execute(
            "SELECT account, name, client, track, started, reported, position_ms, state, rate"
            " FROM playing JOIN account ON account.id = account WHERE reported > ?"
            " ORDER BY reported DESC LIMIT 500",
            (since,),
        ).fetchall()
    return [Playing(*row) for row in rows]


def counts(people: People, account: int | None) -> dict[str, tuple[int, str]]:
    """How often the account played each track, and when last."""
    with people.read() as connection:
        rows = connection.execute(
            "SELECT track, plays, last FROM play_count WHERE account = ?", (account,)
        ).fetchall()
    return {track: (plays, last) for track, plays, last in rows}


def history(people: People, account: int) -> list[tuple[str, str, str]]:
    """(time, track, client) of every play, the oldest first."""
    with people.read() as connection:
        return connection.execute(
            "SELECT time, track, client FROM play WHERE account = ? ORDER BY time, id", (account,)
        ).fetchall()


def _check(track: str) -> None:
    if not track or len(track) > LONGEST_ID:
        raise UsageError(f"an id of a track has 1 to {LONGEST_ID} characters")


def _believed(time: datetime | None) -> datetime:
    """When a play was: never later than now, nor before there were players."""
    now = clock.now()
    if time is None or time > now + AHEAD or time < datetime(1970, 1, 2, tzinfo=UTC):
        return now
    return time.astimezone(UTC)


def _tidy(connection: Connection, account: int) -> None:
    since = clock.text_of(clock.now() - STALE)
    connection.execute("DELETE FROM playing WHERE reported <= ?", (since,))
    connection.execute(
        "DELETE FROM playing WHERE account = ?1 AND client NOT IN (SELECT client FROM playing"
        " WHERE account = ?1 ORDER BY reported DESC LIMIT ?2)",
        (account, MOST_CLIENTS),
    )


@dataclass(frozen=True, slots=True)
class Unfed:
    """How many plays the catalogue does not have yet, and the last of all."""

    plays: int
    last: int


def unfed(people: People) -> Unfed:
    """What has been played since listens were taken into the catalogue."""
    with people.read() as connection:
        count, last = connection.execute(
            "SELECT count(*), coalesce(max(id), 0) FROM play WHERE id > (SELECT play FROM fed)"
        ).fetchone()
    return Unfed(count, last)


def anonymous(people: People, last: int) -> Iterator[tuple[str, str, str]]:
    """(time, somebody, track) of every play up to the one numbered `last`. Somebody is the same
    throughout and named by chance: no account can be told from it."""
    salt, after = secrets.token_bytes(16), 0
    while True:
        with people.read() as connection:
            rows = connection.execute(
                "SELECT id, account, track, time FROM play WHERE id > ? AND id <= ? ORDER BY id"
                " LIMIT ?",
                (after, last, PAGE),
            ).fetchall()
        for after, account, track, time in rows:  # noqa: B007 - the next page begins there
            digest = hashlib.blake2b(str(account).encode(), key=salt, digest_size=12)
            yield time, digest.hexdigest(), track
        if len(rows) < PAGE:
            return


def set_fed(people: People, last: int) -> None:
    """Note that the catalogue has all plays up to this one."""
    with people.write() as connection:
        connection.execute("UPDATE fed SET play = max(play, ?)", (last,))
