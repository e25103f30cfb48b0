"""Playlists: lists of tracks that a listener made, their own or for all to see."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from longplay import clock
from longplay.access.people.store import Connection, People
from longplay.catalogue import ids
from longplay.errors import AccessError, UsageError

PREFIX = "pl-"
"""What ids of playlists begin with."""

MOST_ENTRIES = 100_000
"""Tracks of one playlist: half a year of music."""

MOST = 10_000
"""Playlists of one account."""

LONGEST_NAME, LONGEST_COMMENT, LONGEST_ID = 300, 10_000, 40
"""Characters of a name, of a comment, and of a track's id."""

AT_ONCE = 500
"""Playlists in one listing, at most."""


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist. `entries` are ids of tracks in their order, any of them several times; in a
    listing they are left out, and `count` says how many there are."""

    id: str
    name: str
    comment: str
    public: bool
    owner: str
    owner_id: int
    created: str
    changed: str
    count: int
    entries: tuple[str, ...] = ()


def create(
    people: People,
    account: int,
    name: str,
    entries: Sequence[str] = (),
    *,
    comment: str = "",
    public: bool = False,
) -> Playlist:
    """Make a playlist. Raises UsageError for what is no playlist."""
    _check(name, comment, entries)
    identity = ids.text(PREFIX, secrets.randbits(64))
    now = clock.timestamp()
    with people.write() as connection:
        count = connection.execute(
            "SELECT count(*) FROM playlist WHERE account = ?", (account,)
        ).fetchone()[0]
        if count >= MOST:
            raise UsageError(f"an account has at most {MOST} playlists", hint="delete one first")
        connection.execute(
            "INSERT INTO playlist VALUES (?, ?, ?, ?, ?, ?, ?)",
            (identity, account, name, comment, int(public), now, now),
        )
        _write(connection, identity, entries)
        return _read(connection, account, identity)


def read(people: People, account: int | None, identity: str) -> Playlist:
    """A playlist of one's own, or one that all may see. Raises AccessError."""
    with people.read() as connection:
        return _read(connection, account, identity)


def listing(
    people: People,
    account: int | None,
    *,
    count: int = AT_ONCE,
    offset: int = 0,
    own: bool = False,
) -> list[Playlist]:
    """The playlists of an account, and (unless `own`) those that all may see, by name."""
    others = "" if own else "OR p.public"
    with people.read() as connection:
        rows = connection.execute(
            f"{_SELECT} WHERE p.account = ? {others} ORDER BY p.name COLLATE NOCASE, p.id"
            " LIMIT ? OFFSET ?",
            (account, min(count, AT_ONCE), offset),
        ).fetchall()
    return [_playlist(row) for row in rows]


def all_of(people: People, account: int) -> Iterator[Playlist]:
    """Every playlist of an account's own, with its tracks, one after the other: each as it is when
    its turn comes, and none that is deleted meanwhile."""
    with people.read() as connection:
        query = "SELECT id FROM playlist WHERE account = ? ORDER BY created, id"
        identities = connection.execute(query, (account,)).fetchall()
    for (identity,) in identities:
        with people.read() as connection:
            row = connection.execute(f"{_SELECT} WHERE p.id = ?", (identity,)).fetchone()
            entries = tuple(_entries(connection, identity)) if row else ()
        if row is not None:
            yield _playlist(row, entries)


def change(
    people: People,
    account: int,
    identity: str,
    *,
    name: str | None = None,
    comment: str | None = None,
    public: bool | None = None,
) -> Playlist:
    """Give one's own playlist another name or comment, or show or hide it. Raises AccessError."""
    _check(name or "", comment or "", ())
    with people.write() as connection:
        found = _own(connection, account, identity)
        connection.execute(
            "UPDATE playlist SET name = ?, comment = ?, public = ?, changed = ? WHERE id = ?",
            (
                found.name if name is None else name,
                found.comment if comment is None else comment,
                int(found.public if public is None else public),
                clock.timestamp(),
                identity,
            ),
        )
        return _read(connection, account, identity)


def replace(people: People, account: int, identity: str, entries: Sequence[str]) -> Playlist:
    """Put other tracks into one's own playlist. Raises AccessError."""
    _check("", "", entries)
    with people.write() as connection:
        _own(connection, account, identity)
        _write(connection, identity, entries)
        return _changed(connection, account, identity)


def append(people: People, account: int, identity: str, entries: Sequence[str]) -> Playlist:
    """Add tracks to the end of one's own playlist. Raises AccessError."""
    return update(people, account, identity, added=entries)


def remove(people: People, account: int, identity: str, places: Sequence[int]) -> Playlist:
    """Take the tracks at these places (from 0) out of one's own playlist; places beyond its end
    are none. Raises AccessError."""
    return update(people, account, identity, removed=places)


def update(
    people: People,
    account: int,
    identity: str,
    *,
    added: Sequence[str] = (),
    removed: Sequence[int] = (),
) -> Playlist:
    """Take tracks out of one's own playlist and add others to its end, at once."""
    with people.write() as connection:
        _own(connection, account, identity)
        gone = set(removed)
        kept = [one for at, one in enumerate(_entries(connection, identity)) if at not in gone]
        entries = [*kept, *added]
        _check("", "", entries)
        _write(connection, identity, entries)
        return _changed(connection, account, identity)


def move(
    people: People, account: int, identity: str, place: int, track: str, to: int | None
) -> Playlist:
    """Put the track at a place (from 0) of one's own playlist to another, or with None take it out.
    Raises AccessError; UsageError when another track stands at the place by now."""
    with people.write() as connection:
        _own(connection, account, identity)
        entries = _entries(connection, identity)
        if not 0 <= place < len(entries) or entries[place] != track:
            raise UsageError("the playlist has changed meanwhile", hint="look at it again")
        del entries[place]
        if to is not None:
            entries.insert(max(0, to), track)
        _write(connection, identity, entries)
        return _changed(connection, account, identity)


def delete(people: People, account: int, identity: str) -> None:
    """Delete one's own playlist. Raises AccessError."""
    with people.write() as connection:
        _own(connection, account, identity)
        connection.execute("DELETE FROM playlist WHERE id = ?", (identity,))


_SELECT = """
SELECT p.id, p.name, p.comment, p.public, account.name, p.account, p.created, p.changed,
    (SELECT count(*) FROM playlist_entry WHERE playlist = p.id)
FROM playlist AS p JOIN account ON account.id = p.account
"""


def _playlist(row: tuple[Any, ...], entries: tuple[str, ...] = ()) -> Playlist:
    identity, name, comment, public, owner, number, created, changed, count = row
    return Playlist(
        identity, name, comment, bool(public), owner, number, created, changed, count, entries
    )


def _read(connection: Connection, account: int | None, identity: str) -> Playlist:
    row = connection.execute(
        f"{_SELECT} WHERE p.id = ? AND (p.account = ? OR p.public)", (identity, account)
    ).fetchone()
    if row is None:
        raise AccessError("there is no such playlist", where=identity[:LONGEST_ID])
    return _playlist(row, tuple(_entries(connection, identity)))


def _own(connection: Connection, account: int, identity: str) -> Playlist:
    found = _read(connection, account, identity)
    if found.owner_id != account:
        raise AccessError("is somebody else's playlist", where=identity)
    return found


def _entries(connection: Connection, identity: str) -> list[str]:
    rows: list[tuple[str]] = connection.execute(
        "SELECT track FROM playlist_entry WHERE playlist = ? ORDER BY position", (identity,)
    ).fetchall()
    return [track for (track,) in rows]


def _write(connection: sqlite3.Connection, identity: str, entries: Sequence[str]) -> None:
    connection.execute("DELETE FROM playlist_entry WHERE playlist = ?", (identity,))
    connection.executemany(
        "INSERT INTO playlist_entry VALUES (?, ?, ?)",
        ((identity, at, track) for at, track in enumerate(entries)),
    )


def _changed(connection: Connection, account: int, identity: str) -> Playlist:
    connection.execute(
        "UPDATE playlist SET changed = ? WHERE id = ?", (clock.timestamp(), identity)
    )
    return _read(connection, account, identity)


def _check(name: str, comment: str, entries: Sequence[str]) -> None:
    if len(name) > LONGEST_NAME or len(comment) > LONGEST_COMMENT:
        raise UsageError(
            f"a playlist's name has at most {LONGEST_NAME} characters, its comment"
            f" {LONGEST_COMMENT}"
        )
    try:
        "\0".join((name, comment, *entries)).encode()
    except UnicodeEncodeError as error:
        raise UsageError("a name has letters that cannot be written down") from error
    if len(entries) > MOST_ENTRIES:
        raise UsageError(f"a playlist has at most {MOST_ENTRIES} tracks")
    if any(len(one) > LONGEST_ID for one in entries):
        raise UsageError(f"an id of a track has at most {LONGEST_ID} characters")
