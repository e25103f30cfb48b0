"""Section Bookmarks: places in songs, and the queue that a listener takes from player to player.

https://opensubsonic.netlify.app/categories/bookmarks and the extension indexBasedQueue
"""

from __future__ import annotations

from contextlib import suppress

from longplay.access.people import bookmarks, queues
from longplay.access.subsonic import shapes, things
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import malformed, missing
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.shapes import Shape
from longplay.errors import AccessError


def get_bookmarks(call: Call) -> Tree:
    """The listener's bookmarks, of songs that are still there."""
    kept = bookmarks.all_of(call.people, call.account)
    tracks = {one.id: one for one in call.view.tracks(mark.track for mark in kept)}
    told = [
        {
            "position": mark.position_ms,
            "username": call.listener.name,
            "comment": mark.comment,
            "created": mark.created,
            "changed": mark.changed,
            "entry": shapes.song(tracks[mark.track], call.marks),
        }
        for mark in kept
        if mark.track in tracks
    ]
    return {"bookmarks": {"bookmark": told}}


def create_bookmark(call: Call) -> Tree:
    """Keep a place in a song, instead of the one that was kept before."""
    track = things.track(call.view, call.asked.text("id"))
    position = call.asked.whole("position")
    comment = call.asked.text_or_none("comment") or ""
    bookmarks.create(call.people, call.account, track.id, position, comment)
    return {}


def delete_bookmark(call: Call) -> Tree:
    """Forget the place in a song; where none is kept, that is all right."""
    with suppress(AccessError):
        bookmarks.delete(call.people, call.account, call.asked.text("id"))
    return {}


_EMPTY: Shape = {"position": 0, "changed": "1970-01-01T00:00:00.000Z", "changedBy": "", "entry": []}
"""The queue of who never saved one."""


def _queue(call: Call) -> tuple[Shape, list[str], int]:
    """The queue that was saved, of songs that are still there, their ids, and the place of the one
    that is being played."""
    kept = queues.read(call.people, call.account)
    if kept is None:
        return _EMPTY | {"username": call.listener.name}, [], 0
    tracks = {one.id: one for one in call.view.tracks(set(kept.entries))}
    there = [track for track in kept.entries if track in tracks]
    before = sum(track in tracks for track in kept.entries[: kept.place or 0])
    entries = [shapes.song(tracks[one], call.marks) for one in there]
    shape: Shape = {
        "position": kept.position_ms,
        "username": call.listener.name,
        "changed": kept.changed,
        "changedBy": kept.client,
        "entry": entries,
    }
    return shape, there, min(before, max(len(there) - 1, 0))


def get_play_queue(call: Call) -> Tree:
    """The queue, with the id of the song that is being played."""
    shape, tracks, place = _queue(call)
    return {"playQueue": {**({"current": tracks[place]} if tracks else {}), **shape}}


def get_play_queue_by_index(call: Call) -> Tree:
    """The queue, with the place of the song that is being played."""
    shape, tracks, place = _queue(call)
    return {"playQueueByIndex": {**({"currentIndex": place} if tracks else {}), **shape}}


def save_play_queue(call: Call) -> Tree:
    """Keep a queue; none is an empty one. What is played is said by its id."""
    tracks, current = _tracks(call), call.asked.text_or_none("current")
    if tracks and not current:
        raise missing("current")
    if tracks and current not in tracks:
        raise malformed("current", "is none of the songs")
    _save(call, tracks, tracks.index(current) if tracks and current else None)
    return {}


def save_play_queue_by_index(call: Call) -> Tree:
    """Keep a queue; none is an empty one. What is played is said by its place."""
    tracks, place = _tracks(call), call.asked.whole_or_none("currentIndex")
    if tracks and place is None:
        raise missing("currentIndex")
    if place is not None and place >= len(tracks):
        raise malformed("currentIndex", "is no place in the queue")
    _save(call, tracks, place)
    return {}


def _save(call: Call, tracks: list[str], place: int | None) -> None:
    position = call.asked.whole("position", 0)
    queues.save(
        call.people, call.account, tracks, place=place, position_ms=position, client=call.client
    )


def _tracks(call: Call) -> list[str]:
    """The ids of the songs of a queue, all of which exist."""
    asked = [one for one in call.asked.texts("id") if one]
    return [one.id for one in things.tracks(call.view, asked)]


HANDLERS: dict[str, Handler] = {
    "getBookmarks": get_bookmarks,
    "createBookmark": create_bookmark,
    "deleteBookmark": delete_bookmark,
    "getPlayQueue": get_play_queue,
    "getPlayQueueByIndex": get_play_queue_by_index,
    "savePlayQueue": save_play_queue,
    "savePlayQueueByIndex": save_play_queue_by_index,
}
