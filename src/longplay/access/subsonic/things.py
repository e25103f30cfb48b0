"""Things that a call names by their ids. What is no id is nothing, and is not looked for."""

from __future__ import annotations

import re
from zlib import crc32

from longplay.access.library.things import Album, Artist, Folder, Track
from longplay.access.library.view import View
from longplay.access.subsonic.calls import Call
from longplay.access.subsonic.failures import malformed, not_found

_ID = re.compile(r"(tr|al|ar|rec)[0-9a-z]{13}")
_FOLDER = re.compile(r"fo-[\w.~-]{1,120}")


def kind(identity: str) -> str:
    """What an id is of: tr, al, ar, rec, fo; empty for what is no id of these."""
    found = _ID.fullmatch(identity)
    if found is not None:
        return found[1]
    return "fo" if _FOLDER.fullmatch(identity) else ""


def track(view: View, identity: str) -> Track:
    """A track by its id, or by its recording's. Raises CallError."""
    found = None
    if kind(identity) == "tr":
        found = view.track(identity)
    elif kind(identity) == "rec":
        found = next(iter(view.recording(identity)), None)
    if found is None:
        raise not_found("the song")
    return found


def tracks(view: View, identities: list[str]) -> list[Track]:
    """Tracks by their ids, in that order. Raises CallError unless all are there."""
    found = {one.id: one for one in view.tracks(one for one in identities if kind(one) == "tr")}
    return [found.get(one) or track(view, one) for one in identities]


def album(view: View, identity: str) -> Album:
    """An album by its id. Raises CallError."""
    found = view.album(identity) if kind(identity) == "al" else None
    if found is None:
        raise not_found("the album")
    return found


def artist(view: View, identity: str) -> Artist:
    """An artist by id. Raises CallError."""
    found = view.artist(identity) if kind(identity) == "ar" else None
    if found is None:
        raise not_found("the artist")
    return found


def artist_of(view: View, identity: str) -> Artist:
    """An artist, or the first one of an album or a song. Raises CallError."""
    of = kind(identity)
    if of == "al":
        credited = album(view, identity).artists
    elif of in ("tr", "rec"):
        found = track(view, identity)
        credited = found.artists or found.album_artists
    else:
        return artist(view, identity)
    if not credited:
        raise not_found("the artist")
    return artist(view, credited[0][0])


def existing(view: View, identity: str) -> None:
    """Raise CallError unless there is such a track, album or artist."""
    {"al": album, "ar": artist}.get(kind(identity), track)(view, identity)


def number(folder: Folder) -> int:
    """A source's folder as the whole number that the specification wants: the same in every
    process and after every change of other sources."""
    return crc32(folder.id.encode()) & 0x7FFF_FFFF


def chosen_folder(call: Call) -> Folder | None:
    """The source that a call is confined to; None where it is not, or where there is one alone.
    Raises CallError for one that does not exist."""
    asked = call.asked.text_or_none("musicFolderId")
    if not asked:
        return None
    folders = call.view.folders()
    for folder in folders:
        if asked in (folder.id, str(number(folder))):
            return folder if len(folders) > 1 else None
    if not re.fullmatch(r"[0-9]{1,16}|fo-.{1,120}", asked):
        raise malformed("musicFolderId", "is not the number of a music folder")
    raise not_found("the music folder")


def confined(call: Call) -> View:
    """What the listener may hear of the source that a call is confined to; of all, where it is to
    none. Raises CallError for one that does not exist."""
    folder = chosen_folder(call)
    return call.view if folder is None else call.view.within(folder.id)
