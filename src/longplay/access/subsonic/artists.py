"""The whole list of artists, which every client asks for and which may have 100,000 of them.

It is written once for each version of the library, as bytes, beside a table of where each artist
stands in them. A listener's own stars are put in between when the bytes are sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from fastapi.responses import Response

from longplay.access.library.things import IGNORED_ARTICLES, Artist
from longplay.access.library.view import View
from longplay.access.subsonic import rendering, shapes
from longplay.access.subsonic.calls import Call
from longplay.access.subsonic.shapes import Marks, Shape
from longplay.access.subsonic.things import kind
from longplay.catalogue import ids

ARTICLES = " ".join(word.capitalize() for word in IGNORED_ARTICLES)

Listing = Literal["artists", "indexes"]

ROLES = {"composers": ("Composers", "composer"), "conductors": ("Conductors", "conductor")}
"""Folders of all artists in a role, by the ids that clients see."""

_NOBODY = Marks()
_HERE = "\0here"
"""What stands where the letters come when the answer around them is written."""


def indexed(call: Call, view: View, listing: Listing) -> Response:
    """`getArtists` or `getIndexes` for the listener, of a view or of a part of it."""
    form = call.asked.format
    written = "xml" if form == "xml" else "json"
    stored = view.cached(
        f"subsonic-{listing}-{written}", lambda some: _write(some, listing, written)
    )
    body = _with_marks(stored, _insertions(call.marks, listing, written))
    return rendering.answer(rendering.called(body, form, call.asked.callback), form)


def roles_folder(call: Call, identity: str) -> Shape | None:
    """The folder of all composers, or of all conductors; None for another id."""
    if identity not in ROLES:
        return None
    name, role = ROLES[identity]
    artists = call.view.artists("composer" if role == "composer" else "conductor")
    inside = [shapes.artist_in_folder(one, identity, call.marks) for one in artists]
    return {"id": identity, "name": name, "child": inside}


def _insertions(marks: Marks, listing: Listing, written: str) -> dict[int, bytes]:
    """What is to be put after the opening of an artist's element, by the artist's key."""
    marked = {one for one in marks.stars if kind(one) == "ar"}
    if listing == "indexes":
        marked |= {one for one in marks.ratings if kind(one) == "ar"}
    shape = shapes.starred if listing == "artists" else shapes.rated
    found = {}
    for identity in marked:
        fields = shape(identity, marks)
        if written == "xml":
            text = "".join(f' {name}="{rendering.escape(str(fields[name]))}"' for name in fields)
            found[ids.parse(identity)[1]] = text.encode()
        else:
            found[ids.parse(identity)[1]] = rendering.json(fields)[1:-1] + b","
    return found


def _write(view: View, listing: Listing, written: str) -> bytes:
    """The answer to everybody, behind the table of its artists: their number, their keys in order,
    and where in the answer each is to be marked. 64 bits, little-endian."""
    before, after = _around(view, listing, written)
    parts, keys, places = [before], [], []
    at = len(before)
    for index, (letter, artists) in enumerate(view.index()):
        for part, key, offset in _letter(letter, artists, listing, written, first=index == 0):
            if key is not None:
                keys.append(key)
                places.append(at + offset)
            parts.append(part)
            at += len(part)
    order = np.argsort(np.array(keys, np.uint64))
    table = [
        np.array([len(keys)], np.uint64),
        np.array(keys, np.uint64)[order],
        np.array(places, np.uint64)[order],
    ]
    return b"".join([*(column.tobytes() for column in table), *parts, after])


def _around(view: View, listing: Listing, written: str) -> tuple[bytes, bytes]:
    """The answer up to its letters, and from their end on."""
    inside: Shape = {"ignoredArticles": ARTICLES}
    if listing == "indexes":
        inside["lastModified"] = shapes.milliseconds(view.modified)
        inside["shortcut"] = [{"id": one.id, "name": one.name} for one in view.folders()] + [
            {"id": identity, "name": name}
            for identity, (name, role) in ROLES.items()
            if view.artists("composer" if role == "composer" else "conductor")
        ]
    answer = rendering.succeed({listing: {**inside, "index": [_HERE]}})
    whole = rendering.render(answer, written)
    mark = (
        rendering.fragment("index", {"value": _HERE}) if written == "xml" else rendering.json(_HERE)
    )
    before, _, after = whole.partition(mark)
    return before, after


def _letter(
    letter: str, artists: Iterable[Artist], listing: Listing, written: str, *, first: bool
) -> Iterable[tuple[bytes, int | None, int]]:
    """A letter's bytes in parts, each with the key of the artist in it and where to mark it."""
    shape = shapes.artist if listing == "artists" else shapes.artist_folder
    if written == "xml":
        yield f'<index name="{rendering.escape(letter)}">'.encode(), None, 0
        for one in artists:
            part = rendering.fragment("artist", shape(one, _NOBODY))
            yield part, ids.parse(one.id)[1], len("<artist")
        yield b"</index>", None, 0
        return
    opening = b'{"name":%b,"artist":[' % rendering.json(letter)
    yield opening if first else b"," + opening, None, 0
    for place, one in enumerate(artists):
        part = rendering.json(shape(one, _NOBODY))
        comma = b"," if place else b""
        yield comma + part, ids.parse(one.id)[1], len(comma) + len("{")
    yield b"]}", None, 0


def _with_marks(stored: bytes, insertions: Mapping[int, bytes]) -> bytes:
    """The answer with what is to be inserted at the artists that are in it."""
    count = int(np.frombuffer(stored, np.uint64, 1)[0])
    start = 8 + 16 * count
    if not insertions or not count:
        return stored[start:]
    keys: npt.NDArray[np.uint64] = np.frombuffer(stored, np.uint64, count, 8)
    places: npt.NDArray[np.uint64] = np.frombuffer(stored, np.uint64, count, 8 + 8 * count)
    asked = np.array(sorted(insertions), np.uint64)
    found = np.searchsorted(keys, asked)
    there = found < count
    there[there] = keys[found[there]] == asked[there]
    cuts = sorted(
        (int(places[place]), insertions[int(key)])
        for key, place in zip(asked[there], found[there], strict=True)
    )
    view, at = memoryview(stored)[start:], 0
    parts: list[bytes | memoryview] = []
    for place, text in cuts:
        parts += [view[at:place], text]
        at = place
    return b"".join([*parts, view[at:]])
