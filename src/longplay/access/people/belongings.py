"""All that is kept of one account, as one document that its owner may take along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from longplay import clock
from longplay.access.people import accounts, bookmarks, playlist_files, plays, queues, stars
from longplay.access.people.playlist_files import Wanted
from longplay.access.people.playlists import Playlist, all_of
from longplay.access.people.store import People

FORMAT, VERSION = "longplay-account", 1


def export(
    people: People, account: int, known: Callable[[Playlist], Mapping[str, Wanted]]
) -> Iterator[str]:
    """Everything but secrets, as the pieces of one JSON document: passwords and keys are not kept
    in a form that could be given. `known` tells what is known of a playlist's tracks, by id; one
    playlist is in memory at a time. Raises AccessError."""
    first = json.dumps(_besides(people, account), ensure_ascii=False)
    own = (playlist_files.as_jspf(one, known(one)) for one in all_of(people, account))
    return chain([f"{first[:-1]}, "], _listed("playlists", own), ["}"])


def _listed(name: str, values: Iterable[Any]) -> Iterator[str]:
    yield f'"{name}": ['
    before = ""
    for value in values:
        yield f"{before}\n{json.dumps(value, ensure_ascii=False)}"
        before = ","
    yield "]"


def _besides(people: People, account: int) -> dict[str, Any]:
    """All but the playlists."""
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
