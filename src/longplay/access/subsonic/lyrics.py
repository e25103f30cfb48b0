"""Words of songs, as the files say them in their tags.

The extension songLyrics: https://opensubsonic.netlify.app/docs/endpoints/getlyricsbysongid/
Lines may carry times (LRC: `[mm:ss.xx]`), which makes them synchronised. A file's tags are read
when its words are asked for: they are bounded, and nobody asks for many.
"""

from __future__ import annotations

import re

from longplay.access.library.things import Track
from longplay.access.subsonic import things
from longplay.access.subsonic.calls import Call, Handler
from longplay.access.subsonic.rendering import Tree
from longplay.access.subsonic.shapes import Shape
from longplay.audio.tags import read_tags
from longplay.audio.tags.names import canonical
from longplay.errors import LongplayError
from longplay.rights.gate import Refusal
from longplay.rights.statements import Act

MOST_LINES = 5_000
"""Lines of one song; an opera has fewer."""

UNKNOWN_LANGUAGE = "und"

_KEYS = ("LYRICS", "SYNCEDLYRICS", "UNSYNCEDLYRICS", "SYLT")
_TIME = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_HEADER = re.compile(r"\[([a-z]{2,10}):(.*)\]")
_LANGUAGE = re.compile(r"USLT:[^:]*:([a-z]{3})")


def get_lyrics_by_song_id(call: Call) -> Tree:
    """The words of a song, in all the ways that its file has them."""
    track = things.track(call.view, call.asked.text("id"))
    call.asked.flag("enhanced", False)
    found = [_structured(track, language, text) for language, text in _words(call, track)]
    return {"lyricsList": {"structuredLyrics": found}}


def get_lyrics(call: Call) -> Tree:
    """The words of the first song by that artist with that title."""
    artist, title = call.asked.text_or_none("artist"), call.asked.text_or_none("title")
    told: Shape = {"value": ""}
    if not title:
        return {"lyrics": told}
    found = call.view.search(f"{artist or ''} {title}", (0, 0), (0, 0), (20, 0)).tracks
    for track in found:
        words = _words(call, track)
        if words and track.title.casefold() == title.casefold():
            lines = _lines(words[0][1])[1]
            told = {
                "artist": track.artist,
                "title": track.title,
                "value": "\n".join(line for _, line in lines),
            }
            break
    return {"lyrics": told}


def _words(call: Call, track: Track) -> list[tuple[str, str]]:
    """(language, text) of the words in a track's file, if it may be heard and can be read."""
    here = call.here
    leave = here.leave(track.root, Act.STREAM, signed_in=call.listener.signed_in)
    if leave is None or isinstance(leave.answer, Refusal):
        return []
    try:
        with here.archive.store.open(leave.key, leave.suffix) as file:
            tags = read_tags(
                file, leave.key.size, f"song{leave.suffix}", here.archive.settings.limits
            )
    except (LongplayError, OSError):
        return []
    found: dict[str, str] = {}
    for key, text in tags.raw:
        if text.strip() and canonical(key) in _KEYS:
            language = _LANGUAGE.match(key)
            found.setdefault(text, language[1] if language else UNKNOWN_LANGUAGE)
    return [(language, text) for text, language in found.items()]


def _structured(track: Track, language: str, text: str) -> Shape:
    offset, lines = _lines(text)
    synced = any(at is not None for at, _ in lines)
    shape: Shape = {
        "lang": language,
        "synced": synced,
        "displayArtist": track.artist,
        "displayTitle": track.title,
        "line": [
            {"start": at or 0, "value": line} if synced else {"value": line} for at, line in lines
        ],
    }
    return {**shape, "offset": offset} if offset else shape


def _lines(text: str) -> tuple[int, list[tuple[int | None, str]]]:
    """The offset in milliseconds that a text of lines gives itself, and its lines, those with times
    in the order of these."""
    offset = 0
    lines: list[tuple[int | None, str]] = []
    for line in text.splitlines()[:MOST_LINES]:
        rest = line.strip()
        times: list[int | None] = []
        while (found := _TIME.match(rest)) is not None:
            times.append(_milliseconds(found[1], found[2]))
            rest = rest[found.end() :].lstrip()
        header = _HEADER.fullmatch(rest) if not times else None
        if header is not None:
            if header[1] == "offset" and re.fullmatch(r"\s*[+-]?\d{1,9}\s*", header[2]):
                offset = int(header[2])
            continue
        lines += [(at, rest) for at in times or [None]]
    timed = [one for one in lines if one[0] is not None]
    if timed:
        return offset, sorted(timed, key=lambda one: one[0] or 0)
    return offset, lines


def _milliseconds(minutes: str, seconds: str) -> int:
    whole, _, part = seconds.replace(":", ".").partition(".")
    return int(minutes) * 60_000 + int(whole) * 1000 + int(f"{part:0<3}"[:3] or 0)


HANDLERS: dict[str, Handler] = {
    "getLyrics": get_lyrics,
    "getLyricsBySongId": get_lyrics_by_song_id,
}
