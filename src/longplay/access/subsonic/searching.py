"""Section Searching: by words, and everything page by page for clients that keep a copy.

https://opensubsonic.netlify.app/categories/searching
"""

from __future__ import annotations

from longplay.access.library.things import Found
from longplay.access.subsonic import shapes, things
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.rendering import Tree

NOTHING = (0, 0)


def search(call: Call) -> Tree:
    """The oldest search: songs by words in any field."""
    asked = call.asked
    names = [asked.text_or_none(name) for name in ("any", "artist", "album", "title")]
    count, offset = asked.count("count", 20), asked.whole("offset", 0)
    newer = asked.whole("newerThan", 0)
    words = " ".join(name for name in names if name)
    found = call.view.search(words, NOTHING, NOTHING, (count, offset)).tracks
    told = [
        shapes.song(one, call.marks) for one in found if shapes.milliseconds(one.created) > newer
    ]
    return {"searchResult": {"offset": offset, "totalHits": offset + len(found), "match": told}}


def _found(call: Call) -> Found:
    asked = call.asked
    spans = [
        (asked.count(f"{what}Count", 20), asked.whole(f"{what}Offset", 0))
        for what in ("artist", "album", "song")
    ]
    text = asked.text("query").strip()
    return things.confined(call).search("" if text == '""' else text, *spans)


def search2(call: Call) -> Tree:
    """What has the words, as folders."""
    found, marks = _found(call), call.marks
    return {
        "searchResult2": {
            "artist": [shapes.artist_folder(one, marks) for one in found.artists],
            "album": [shapes.album_folder(one, marks) for one in found.albums],
            "song": [shapes.song(one, marks) for one in found.tracks],
        }
    }


def search3(call: Call) -> Tree:
    """What has the words, by tags. No words are everything."""
    found, marks = _found(call), call.marks
    return {
        "searchResult3": {
            "artist": [shapes.artist(one, marks) for one in found.artists],
            "album": [shapes.album(one, marks) for one in found.albums],
            "song": [shapes.song(one, marks) for one in found.tracks],
        }
    }


HANDLERS: dict[str, Handler] = {"search": search, "search2": search2, "search3": search3}
