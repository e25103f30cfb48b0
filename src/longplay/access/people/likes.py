"""What another Subsonic server says that somebody likes: stars and ratings.

Read is what `getStarred2`, `getStarred`, `getAlbumList2` or `search3` answer, in JSON or XML, as a
server gives it or as a file of it (https://opensubsonic.netlify.app/docs/responses/starred2/).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lxml import etree

from longplay.access.people.playlist_files import LONGEST, MOST_MS, Wanted, text_of
from longplay.errors import InputError

Kind = Literal["artist", "album", "song"]

KINDS: tuple[Kind, ...] = ("artist", "album", "song")

MOST_BYTES = 64 * 1024 * 1024
"""Of one document: a hundred thousand songs of 500 bytes."""

MOST = 200_000
"""Things that are read of one document."""


@dataclass(frozen=True, slots=True)
class Liked:
    """Something with a star (since when: ISO 8601 as the server wrote it), or 1 to 5 stars; 0 for
    no rating."""

    kind: Kind
    wanted: Wanted
    starred: str | None
    rating: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What one document says: what is liked, and of how many songs it speaks."""

    liked: tuple[Liked, ...]
    songs: int


def read(data: bytes, where: str = "") -> Answer:
    """What a document says. Raises InputError for another one, with the server's own words where it
    refused."""
    if len(data) > MOST_BYTES:
        raise InputError(f"has more than {MOST_BYTES:,} bytes", where=where)
    document = _json(data, where) if data.lstrip()[:1] == b"{" else _xml(data, where)
    if document.get("status") != "ok":
        error = document.get("error")
        said = error.get("message") if isinstance(error, dict) else None
        raise InputError(
            f"the server refuses: {str(said or 'it does not say why')[:200]}", where=where
        )
    liked, songs = [], 0
    for kind, row in _rows(document):
        songs += kind == "song"
        one = _liked(kind, row)
        if one is not None:
            liked.append(one)
        if len(liked) > MOST:
            raise InputError(f"has more than {MOST:,} things in it", where=where)
    return Answer(tuple(liked), songs)


def looks_so(data: bytes) -> bool:
    """Whether a file is such a document, and no playlist."""
    return b"subsonic-response" in data[:2000]


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[Kind, Mapping[str, Any]]]:
    for part in document.values():
        for kind in KINDS:
            found = part.get(kind, []) if isinstance(part, dict) else []
            for row in found if isinstance(found, list) else [found]:
                if isinstance(row, dict):
                    yield kind, row


def _liked(kind: Kind, row: Mapping[str, Any]) -> Liked | None:
    starred, rating = row.get("starred"), row.get("userRating")
    stars = int(str(rating)) if str(rating) in ("1", "2", "3", "4", "5") else 0
    since = starred[:40] if isinstance(starred, str) and starred else None
    if since is None and not stars:
        return None
    name = text_of(row, "title") or text_of(row, "name")
    codes = row.get("isrc")
    found = [*(codes if isinstance(codes, list) else [codes]), row.get("musicBrainzId")]
    wanted = Wanted(
        title=name if kind == "song" else "",
        artist=name if kind == "artist" else text_of(row, "artist"),
        album=name if kind == "album" else text_of(row, "album"),
        identifiers=tuple(one[:LONGEST] for one in found if isinstance(one, str) and one)[:20],
        duration_ms=_length_ms(row.get("duration")),
    )
    return Liked(kind, wanted, since, stars)


def _length_ms(seconds: object) -> int | None:
    try:
        length = float(str(seconds)[:20]) * 1000
    except ValueError:
        return None
    return round(length) if 0 < length < MOST_MS else None


def _json(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(data)["subsonic-response"]
        if not isinstance(found, dict):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("is no answer of a Subsonic server", where=where) from error
    return found


def _xml(data: bytes, where: str) -> Mapping[str, Any]:
    """XML as the JSON would be. No entity is resolved, and nothing fetched."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InputError("is no answer of a Subsonic server", where=where) from error
    if etree.QName(root).localname != "subsonic-response" or root.getroottree().docinfo.doctype:
        raise InputError("is no answer of a Subsonic server", where=where)
    found: dict[str, Any] = dict(root.attrib)
    for part in root.iterchildren("{*}*"):
        rows: dict[str, Any] = dict(part.attrib)
        for row in part.iterchildren("{*}*"):
            said: dict[str, Any] = dict(row.attrib)
            said["isrc"] = [one.text for one in row.iterchildren("{*}isrc") if one.text]
            rows.setdefault(etree.QName(row).localname, []).append(said)
        found[etree.QName(part).localname] = rows
    return found
