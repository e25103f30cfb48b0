"""All that is kept of one account, as one document that its owner may take along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longplay import clock
from longplay.access.people import accounts, bookmarks, playlist_files, plays, queues, stars
from longplay.access.people.playlist_files import Wanted
from longplay.access.people.playlists import all_of
from longplay.access.people.store import People

FORMAT, VERSION = "longplay-account", 1


def export(
    people: People, account: int, known: Mapping[str, Wanted] | None = None
) -> dict[str, Any]:
    """Everything but secrets: passwords and keys are not kept in a form that could be given.
    `known` has what is known of the tracks in playlists, by id."""
    found = accounts.by_id(people, account)
    queue = queues.read(people, account)
    return {
        "format": FORMAT,
        "version": VERSION,
        "exported": clock.timestamp(),
        "account": {
            "name": found.name,
            "role": found.role,
            "language": found.language,
            "created": found.created,
        },
        "api_keys": [_key(one) for one in accounts.keys(people, account)],
        "app_passwords": [_key(one) for one in accounts.app_passwords(people, account)],
        "playlists": [playlist_files.as_jspf(one, known) for one in all_of(people, account)],
        "stars": [
            {"id": one, "time": time} for one, time in stars.starred(people, account).items()
        ],
        "ratings": [{"id": one, "stars": n} for one, n in stars.ratings(people, account).items()],
        "queue": queue
        and {
            "entries": list(queue.entries),
            "place": queue.place,
            "position_ms": queue.position_ms,
            "changed": queue.changed,
            "client": queue.client,
        },
        "bookmarks": [
            {
                "track": one.track,
                "position_ms": one.position_ms,
                "comment": one.comment,
                "created": one.created,
                "changed": one.changed,
            }
            for one in bookmarks.all_of(people, account)
        ],
        "plays": [
            {"time": time, "track": track, "client": client}
            for time, track, client in plays.history(people, account)
        ],
    }


def _key(one: accounts.Key) -> dict[str, Any]:
    return {"id": one.id, "label": one.label, "created": one.created}
