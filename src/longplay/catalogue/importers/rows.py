"""Staged rows of one file of a folder: its tracks, its offer, what it says of rights."""

from __future__ import annotations

import json
import re
from typing import Any

from longplay.catalogue.importers.folder import Entry
from longplay.catalogue.importers.parts import Part
from longplay.catalogue.importers.reading import Read
from longplay.files import escape
from longplay.model import Tags

Row = dict[str, Any]

MAX_TAGS_JSON = 256 * 1024
"""Bytes of raw tags kept with an offer; what goes beyond is in the file itself."""

PARTS_SHIFT = 10
"""Bits of a record number for the part within its file: sheets have at most 999 tracks."""

_DISC = re.compile(r"(?i)(?:cd|dis[ck]|dvd|vinyl|side|tape)[ _.-]*[0-9a-d]{1,2}")
_DATE = re.compile(r"(?!0000)[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?")


def tracks(entry: Entry, read: Read, parts: list[Part], place: int) -> list[Row]:
    """The tracks that a sound file carries: itself, or the parts that a CUE sheet makes of it.

    `place` is the file's place in the folder's order.
    """
    tags = read.tags or Tags()
    record = place << PARTS_SHIFT
    if not parts:
        return [{**_track(entry, tags), "record": record}]
    return [
        {**_part(entry, tags, part), "record": record + number} for number, part in enumerate(parts)
    ]


def _track(entry: Entry, tags: Tags) -> Row:
    name = escape(entry.path.rpartition(b"/")[2])
    return {
        "own_id": escape(entry.path),
        "title": _text(tags.title) or name.rpartition(".")[0] or name,
        "artists": _texts(tags.artists),
        "artist_ids": _texts(tags.artist_mbids),
        "album": _text(tags.album),
        "album_id": None,
        "album_context": "; ".join(map(_clean, tags.album_artists)) or _album_folder(entry),
        "album_artists": _texts(tags.album_artists) or None,
        "album_mbid": _text(tags.album_mbid),
        "disc_number": _int(tags.disc_number),
        "track_number": _int(tags.track_number),
        "duration_ms": _int(tags.duration_ms),
        "isrcs": _texts(tags.isrcs),
        "recording_mbid": _text(tags.recording_mbid),
        "upc": _text(tags.upc),
        "label": _text(tags.label),
        "release_date": date(tags.date),
        "genres": _texts(tags.genres),
        "licence": _text(next(iter(tags.licences), "")),
    }


def _part(entry: Entry, tags: Tags, part: Part) -> Row:
    whole, sheet, track = _track(entry, tags), part.sheet, part.track
    end = tags.duration_ms if track.end_ms is None else track.end_ms
    performer = _text(track.performer) or _text(sheet.performer)
    return {
        **whole,
        # `escape` writes no `%` without two hexadecimal digits, so no file has this id.
        "own_id": f"{whole['own_id']}%#{track.number:02d}",
        "title": _text(track.title) or f"Track {track.number:02d}",
        "artists": [performer] if performer else whole["artists"],
        "artist_ids": None if performer else whole["artist_ids"],
        "album": _text(sheet.title) or whole["album"],
        "album_context": _text(sheet.performer) or whole["album_context"],
        "album_artists": [_text(sheet.performer)] if sheet.performer else whole["album_artists"],
        "track_number": track.number,
        "duration_ms": _int(end - track.start_ms) if end and end > track.start_ms else None,
        "isrcs": [track.isrc] if track.isrc else [],
        "recording_mbid": None,
        "upc": _text(sheet.catalog) or whole["upc"],
        "release_date": date(sheet.date) or whole["release_date"],
        "genres": [_text(sheet.genre)] if sheet.genre else whole["genres"],
        "start_ms": _int(track.start_ms),
        "end_ms": _int(track.end_ms),
    }


def offer(entry: Entry, read: Read) -> Row:
    """A file as it is offered for capture."""
    tags = read.tags or Tags()
    return {
        **place(entry),
        "kind": str(read.kind),
        "bytes": entry.size,
        "container": _text(tags.container),
        "codec": _text(tags.container),
        "duration_ms": _int(tags.duration_ms),
        "bit_rate": _int(tags.bit_rate),
        "lossless": tags.lossless,
        "has_art": read.has_art if read.tags else None,
        "tags_json": _raw(tags) if read.tags else None,
        "problem": _text(read.problem),
    }


def place(entry: Entry) -> Row:
    """A folder or a link, as it is noted."""
    return {
        "path": entry.path,
        "kind": entry.kind,
        "mtime_ns": entry.mtime_ns,
        "mode": entry.mode,
        "target": entry.target,
    }


def rights(entry: Entry, read: Read, made: list[Row]) -> list[Row]:
    """What a file's tags say of rights, once for each of its tracks."""
    tags = read.tags or Tags()
    said = (
        *(("LICENSE", text) for text in tags.licences),
        *(("copyright", text) for text in tags.copyrights),
        *(("phonographic", text) for text in tags.phonographic),
    )
    return [
        {"own_id": row["own_id"], "text": _clean(text), "field": name, "place": escape(entry.path)}
        for row in made
        for name, text in said
    ]


def date(text: str) -> str | None:
    """The part of a date that is one: a year, with month and day where they are known."""
    found = _DATE.match(text.strip())
    return found[0] if found else None


def _album_folder(entry: Entry) -> str:
    """The folder of an album: above `CD 1`, where there are such folders."""
    above, _, name = entry.parent.rpartition(b"/")
    return escape(above if _DISC.fullmatch(escape(name)) else entry.parent)


def _raw(tags: Tags) -> str:
    kept: list[tuple[str, str]] = []
    size = 0
    for key, value in tags.raw:
        size += len(key) + len(value)
        if size > MAX_TAGS_JSON:
            break
        kept.append((_clean(key), _clean(value)))
    return json.dumps(kept, ensure_ascii=False)


def _clean(text: str) -> str:
    """A text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _text(text: str) -> str | None:
    return _clean(text).strip() or None


def _texts(values: tuple[str, ...]) -> list[str]:
    return [text for value in values if (text := _text(value))]


def _int(number: int | None) -> int | None:
    """A number that fits its column."""
    return number if number is not None and 0 <= number < 2**31 else None
