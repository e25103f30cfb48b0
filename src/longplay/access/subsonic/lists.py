"""Section Lists: albums in many orders, songs by chance and by genre, stars, who listens to what.

https://opensubsonic.netlify.app/categories/lists
"""

from __future__ import annotations

from collections.abc import Callable

from longplay.access.library.things import Album, Order
from longplay.access.library.view import View
from longplay.access.subsonic import shapes, things
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.failures import malformed
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.shapes import Marks, Shape

ORDERS: dict[str, Order] = {
    "random": "random",
    "newest": "newest",
    "alphabeticalByName": "alphabeticalByName",
    "alphabeticalByArtist": "alphabeticalByArtist",
}
"""Kinds of lists that are orders of the library."""

MOST_PLAYED = 2_000
"""Songs of a listener that `frequent` and `recent` look at: the albums of more are never shown."""

LATEST_YEAR = 9_999


def _albums(call: Call) -> list[Album]:
    kind, view = call.asked.text("type"), things.confined(call)
    size, offset = call.asked.count("size", 10), call.asked.whole("offset", 0)
    if kind in ORDERS:
        return view.albums(ORDERS[kind], size, offset)
    if kind == "byYear":
        first, last = _year(call, "fromYear"), _year(call, "toYear")
        order: Order = "byYear" if first <= last else "byYearDescending"
        low, high = min(first, last), max(first, last)
        return view.albums(order, size, offset, from_year=low, to_year=high)
    if kind == "byGenre":
        genre = call.asked.text("genre")
        return view.albums("alphabeticalByName", size, offset, genre=genre)
    if kind in _OWN:
        return view.albums_by(_OWN[kind](call.marks, view), size, offset)
    raise malformed("type", "is no kind of list")


def _year(call: Call, name: str) -> int:
    return min(call.asked.whole(name), LATEST_YEAR)


def _highest(marks: Marks, _: View) -> list[str]:
    ratings = {key: stars for key, stars in marks.ratings.items() if things.kind(key) == "al"}
    return sorted(ratings, key=lambda key: (-ratings[key], key))


def _starred(marks: Marks, _: View) -> list[str]:
    return _by_star(marks, "al")


def _frequent(marks: Marks, view: View) -> list[str]:
    often: dict[str, int] = {}
    plays = marks.plays
    for track in view.tracks(sorted(plays, key=lambda key: -plays[key][0]), MOST_PLAYED):
        often[track.album_id] = often.get(track.album_id, 0) + plays[track.id][0]
    return sorted(often, key=lambda key: (-often[key], key))


def _recent(marks: Marks, view: View) -> list[str]:
    plays = marks.plays
    latest = sorted(plays, key=lambda key: plays[key][1], reverse=True)
    return list(dict.fromkeys(track.album_id for track in view.tracks(latest, MOST_PLAYED)))


_OWN: dict[str, Callable[[Marks, View], list[str]]] = {
    "highest": _highest,
    "starred": _starred,
    "frequent": _frequent,
    "recent": _recent,
}
"""Kinds of lists that come of what the listener did, as ids of albums."""


def _by_star(marks: Marks, kind: str) -> list[str]:
    """Ids of what is starred, the latest first."""
    own = [key for key in marks.stars if things.kind(key) == kind]
    return sorted(own, key=lambda key: marks.stars[key], reverse=True)


def get_album_list(call: Call) -> Tree:
    """Albums as folders."""
    return {"albumList": {"album": [shapes.album_folder(one, call.marks) for one in _albums(call)]}}


def get_album_list2(call: Call) -> Tree:
    """Albums by their tags."""
    return {"albumList2": {"album": [shapes.album(one, call.marks) for one in _albums(call)]}}


def get_random_songs(call: Call) -> Tree:
    """Songs by chance."""
    found = things.confined(call).random(
        call.asked.count("size", 10),
        call.asked.text_or_none("genre") or None,
        call.asked.whole_or_none("fromYear"),
        call.asked.whole_or_none("toYear"),
    )
    return {"randomSongs": {"song": [shapes.song(one, call.marks) for one in found]}}


def get_songs_by_genre(call: Call) -> Tree:
    """Songs of a genre."""
    found = things.confined(call).tracks_by_genre(
        call.asked.text("genre"), call.asked.count("count", 10), call.asked.whole("offset", 0)
    )
    return {"songsByGenre": {"song": [shapes.song(one, call.marks) for one in found]}}


def _stars(call: Call, by_tags: bool) -> Shape:
    artist = shapes.artist if by_tags else shapes.artist_folder
    album = shapes.album if by_tags else shapes.album_folder
    marks, view = call.marks, things.confined(call)
    artists = view.artists_by(_by_star(marks, "ar"))
    albums = view.albums_by(_by_star(marks, "al"))
    songs = view.tracks(_by_star(marks, "tr"))
    return {
        "artist": [artist(one, marks) for one in artists],
        "album": [album(one, marks) for one in albums],
        "song": [shapes.song(one, marks) for one in songs],
    }


def get_starred(call: Call) -> Tree:
    """What is starred, as folders."""
    return {"starred": _stars(call, by_tags=False)}


def get_starred2(call: Call) -> Tree:
    """What is starred, by its tags."""
    return {"starred2": _stars(call, by_tags=True)}


HANDLERS: dict[str, Handler] = {
    "getAlbumList": get_album_list,
    "getAlbumList2": get_album_list2,
    "getRandomSongs": get_random_songs,
    "getSongsByGenre": get_songs_by_genre,
    "getStarred": get_starred,
    "getStarred2": get_starred2,
}
