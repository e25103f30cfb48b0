"""Playlists as files: M3U and M3U8, JSPF.

M3U has no standard; what is read and written is what players write: lines of paths or addresses,
each after an `#EXTINF:seconds,artist - title`, with `#PLAYLIST:`, `#EXTALB:` and `#EXTART:` where
they know more. JSPF is XSPF version 1 in JSON: https://www.xspf.org/jspf
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import unquote

from longplay.access.people.playlists import MOST_ENTRIES, Playlist
from longplay.errors import InputError

MOST_BYTES = 8 * 1024 * 1024
"""Of a playlist's file: a hundred thousand lines."""

MOST_MS = 10**10
"""Milliseconds of one track: a third of a year."""

LONGEST = 1000
"""Characters of a title, name or path that are kept."""

EXTENSION = "https://longplay.invalid/jspf"
"""Names our own part of a JSPF document; nothing is to be had there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A track as some file or server names it: all that helps to find it among ours."""

    title: str = ""
    artist: str = ""
    album: str = ""
    identifiers: tuple[str, ...] = ()
    duration_ms: int | None = None
    path: str = ""

    @property
    def words(self) -> str:
        """How it is told to people."""
        named = " – ".join(part for part in (self.artist, self.title) if part)
        return named or self.path or ", ".join(self.identifiers) or "(nothing)"


@dataclass(frozen=True, slots=True)
class Read:
    """A playlist as its file has it."""

    name: str
    comment: str
    tracks: tuple[Wanted, ...]


def read(data: bytes, file_name: str = "") -> Read:
    """A playlist out of a file's bytes, told by what they look like. Raises InputError."""
    if len(data) > MOST_BYTES:
        raise InputError(f"a playlist's file has at most {MOST_BYTES:,} bytes", where=file_name)
    text = _text(data)
    if text.lstrip()[:1] == "{":
        return _read_jspf(text, file_name)
    return _read_m3u(text, file_name)


def as_m3u(name: str, tracks: Iterable[Wanted]) -> str:
    """A playlist as M3U8; each track's `path` is its address."""
    lines = ["#EXTM3U", f"#PLAYLIST:{_line(name)}"]
    for one in tracks:
        seconds = -1 if one.duration_ms is None else round(one.duration_ms / 1000)
        named = " - ".join(part for part in (_line(one.artist), _line(one.title)) if part)
        lines.append(f"#EXTINF:{seconds},{named}")
        if " - " in f"{one.artist}{one.title}":
            lines.append(f"#EXTART:{_line(one.artist)}")
        if one.album:
            lines.append(f"#EXTALB:{_line(one.album)}")
        lines.append(_line(one.path))
    return "\n".join(lines) + "\n"


def as_jspf(playlist: Playlist, known: Mapping[str, Wanted] | None = None) -> dict[str, Any]:
    """A playlist as JSPF; `known` has what is known of its tracks, by id."""
    named = known or {}
    return {
        "playlist": {
            "title": playlist.name,
            "annotation": playlist.comment,
            "creator": playlist.owner,
            "date": playlist.created,
            "extension": {
                EXTENSION: [
                    {
                        "id": playlist.id,
                        "public": playlist.public,
                        "changed": playlist.changed,
                    }
                ]
            },
            "track": [_jspf_track(one, named.get(one)) for one in playlist.entries],
        }
    }


def _jspf_track(identity: str, known: Wanted | None) -> dict[str, Any]:
    found: dict[str, Any] = {"identifier": [f"longplay:{identity}"]}
    if known is not None:
        found["identifier"] += known.identifiers
        for key, value in (
            ("title", known.title), ("creator", known.artist), ("album", known.album),
            ("duration", known.duration_ms),
        ):  # fmt: skip
            if value:
                found[key] = value
        if known.path:
            found["location"] = [known.path]
    return found


def _text(data: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text).strip()


_EXTINF = re.compile(r"#EXTINF:\s*(-?[0-9]{1,9})?[^,]*,(.*)", re.IGNORECASE)


def _read_m3u(text: str, where: str) -> Read:
    name, tracks = "", []
    said: dict[str, Any] = {}
    for line in map(str.strip, re.split(r"[\r\n]+", text)):
        tag, _, value = line.partition(":")
        match tag.upper():
            case "#EXTINF":
                said |= _extinf(line)
            case "#EXTALB":
                said["album"] = value.strip()[:LONGEST]
            case "#EXTART":
                said |= _extart(value.strip()[:LONGEST], said)
            case "#PLAYLIST":
                name = value.strip()[:LONGEST]
            case _ if line and not line.startswith("#"):
                if "\x00" in line:
                    raise InputError(
                        "is no playlist: it has bytes of other files in it", where=where
                    )
                tracks.append(_from_path(line[:LONGEST], said))
                said = {}
        if len(tracks) > MOST_ENTRIES:
            raise InputError(f"a playlist has at most {MOST_ENTRIES:,} tracks", where=where)
    if not tracks:
        raise InputError("has no track in it", where=where, hint="is it a playlist (M3U, JSPF)?")
    return Read(name, "", tuple(tracks))


def _extinf(line: str) -> dict[str, Any]:
    found = _EXTINF.match(line)
    if found is None:
        return {}
    artist, parted, title = found[2].strip().partition(" - ")
    seconds = int(found[1] or -1)
    return {
        "artist": artist.strip()[:LONGEST] if parted else "",
        "title": (title if parted else artist).strip()[:LONGEST],
        "duration_ms": seconds * 1000 if seconds > 0 else None,
    }


def _extart(artist: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The artist in a line of its own, which says where the title begins."""
    named = " - ".join(part for part in (said.get("artist"), said.get("title")) if part)
    title = named.removeprefix(f"{artist} - ") if artist else named
    return {"artist": artist, "title": title}


_NUMBERED = re.compile(r"^(?:[0-9]{1,3}[-. _]+)+(?=\S)")


def _from_path(path: str, said: Mapping[str, Any]) -> Wanted:
    """A track by what stands before its line, else by its path: `Artist/Album/01 Title.mp3`. The
    folders of a web address say nothing of it."""
    parts = [part for part in re.split(r"[/\\]+", unquote(path.partition("?")[0])) if part]
    if re.match(r"(?!file:)[a-z]+://", path, re.IGNORECASE):
        parts = parts[-1:]
    stem = _NUMBERED.sub("", re.sub(r"\.[A-Za-z0-9]{2,5}$", "", parts[-1] if parts else ""))
    found: dict[str, Any] = dict(said)
    if not found.get("title"):
        artist, parted, title = stem.partition(" - ")
        found["title"] = title if parted else stem
        if not found.get("artist"):
            found["artist"] = artist if parted else (parts[-3] if len(parts) > 2 else "")
    if not found.get("album") and len(parts) > 2:
        found["album"] = parts[-2]
    ids = re.findall(r"(?<![0-9a-z])tr[0-9a-hjkmnp-tv-z]{13}(?![0-9a-z])", path)
    return Wanted(**found, path=path, identifiers=tuple(f"longplay:{one}" for one in ids))


def _read_jspf(text: str, where: str) -> Read:
    try:
        found = json.loads(text)["playlist"]
        rows = found.get("track", [])
        if not isinstance(rows, list):
            raise TypeError
        if len(rows) > MOST_ENTRIES:
            raise InputError(f"a playlist has at most {MOST_ENTRIES:,} tracks", where=where)
        tracks = tuple(_jspf_wanted(row) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("is no JSPF", where=where, hint="see https://www.xspf.org/jspf") from error
    if not tracks:
        raise InputError("has no track in it", where=where)
    return Read(text_of(found, "title"), text_of(found, "annotation"), tracks)


def _jspf_wanted(row: Mapping[str, Any]) -> Wanted:
    duration = row.get("duration")
    return Wanted(
        title=text_of(row, "title"),
        artist=text_of(row, "creator"),
        album=text_of(row, "album"),
        identifiers=tuple(one[:LONGEST] for one in _several(row.get("identifier"))),
        duration_ms=round(duration) if _is_length(duration) else None,
        path=next((one[:LONGEST] for one in _several(row.get("location"))), ""),
    )


def _is_length(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and 0 < value < MOST_MS


def text_of(row: Mapping[str, Any], key: str) -> str:
    """What a row of JSON says, if that is text."""
    value = row.get(key)
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _several(value: object) -> Sequence[str]:
    """JSPF says lists, many write one text."""
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)][:20] if isinstance(value, list) else []
