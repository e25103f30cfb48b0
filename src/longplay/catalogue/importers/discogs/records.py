"""What the records of the dumps say: releases with their tracks, artists, masters."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

MAX_ID = 2**31 - 1
"""Ids of Discogs are positive numbers of 32 bits."""

MAX_DURATION_S = 99 * 3600
"""A longer duration is a slip of the hand."""

MAX_TEXT = 2000
"""Letters of one text that are kept: the longest titles have some hundred."""

MAX_CREDITS = 100
"""Artists of one release or track that are kept: each track has those of its release again."""

MAX_GENRES = 50
"""Genres and styles of one release that are kept, for each track has them: boxes have some 20."""

MAX_GENRE = 100
"""Letters of a genre or style that are kept: Discogs' own have up to 30."""

MAX_CODES = 50
"""ISRCs of one place in a list that are kept: a medley has some."""

MAX_TRACKS = 100_000
"""Tracks of one release: the largest boxes, of hundreds of discs, have thousands."""

_HOMONYM = re.compile(r" \([0-9]{1,6}\)$")
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_DURATION = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,4}):([0-5][0-9])(?:[.,][0-9]+)?", re.ASCII)
_DISC = re.compile(r"[A-Za-z]{0,8} ?([0-9]{1,3})-")
_NAMED_TRACK = re.compile(r"(?is)(?:(?:track|side)s?[ :.#]*)?([a-z]?[0-9-]{1,6}[a-z]?)\b.*")
_GTIN_LENGTHS = (8, 12, 13, 14)


@dataclass(frozen=True, slots=True)
class Credit:
    """An artist as credited: `ref` is the artist's id, or a number below 0 made from the name where
    the dump has no id."""

    ref: int
    own_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Track:
    """A place in a release's list: `index` counts from 1, parts of a track after a point."""

    index: str
    title: str
    credits: tuple[Credit, ...]
    disc_number: int | None
    track_number: int
    duration_ms: int | None
    isrcs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A release; `is_main` where it stands for its master. Of one with more than `MAX_TRACKS`
    tracks there is one track too many."""

    id: int
    title: str
    credits: tuple[Credit, ...]
    date: str | None
    upc: str | None
    label: str | None
    genres: tuple[str, ...]
    master: int | None
    is_main: bool
    tracks: tuple[Track, ...] = field(default=())


def number(text: str | None) -> int | None:
    """An id of Discogs, if the text is one."""
    digits = (text or "").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        return None
    return int(digits) if 0 < int(digits) <= MAX_ID else None


def text(element: etree._Element, tag: str) -> str:
    """The text of a child, without space around it."""
    for child in element.iterchildren(tag):
        return (child.text or "").strip()[:MAX_TEXT]
    return ""


def within(element: etree._Element, group: str) -> list[etree._Element]:
    """The elements in a child that is a list. (Paths would take half of an import's time.)"""
    for child in element.iterchildren(group):
        return list(child.iterchildren("*"))
    return []


def plain_name(name: str) -> str:
    """A name without the number that tells homonyms apart: `Nirvana (2)`. The id keeps that."""
    return _HOMONYM.sub("", name)


def release(element: etree._Element, id_: int) -> Release:
    """A release with its tracks."""
    master = element.find("master_id")
    credits = _credits(element)
    identifiers = _identifiers(element)
    labels = (label.get("name", "").strip()[:MAX_TEXT] for label in within(element, "labels"))
    names = dict.fromkeys(plain_name(label) for label in labels if label)
    return Release(
        id=id_,
        title=text(element, "title"),
        credits=credits,
        date=date(text(element, "released")),
        upc=_barcode(identifiers),
        label="; ".join(names)[:MAX_TEXT] or None,
        genres=_genres(element),
        master=number(master.text) if master is not None else None,
        is_main=master is not None and master.get("is_main_release") == "true",
        tracks=tuple(itertools.islice(_tracks(element, credits, identifiers), MAX_TRACKS + 1)),
    )


def _genres(element: etree._Element) -> tuple[str, ...]:
    texts = (
        (found.text or "").strip()[:MAX_GENRE]
        for group in ("genres", "styles")
        for found in within(element, group)
    )
    return tuple(dict.fromkeys(text for text in texts if text))[:MAX_GENRES]


def date(said: str) -> str | None:
    """`1999-03-00` as `1999-03`; what is no date is unknown."""
    found = _DATE.match(said)
    if not found or found[1] == "0000":
        return None
    if not found[2] or not 1 <= int(found[2]) <= 12:
        return found[1]
    if not found[3] or not 1 <= int(found[3]) <= 31:
        return f"{found[1]}-{found[2]}"
    return found[0]


def duration_ms(said: str) -> int | None:
    """`4:45` or `1:02:03` in milliseconds; anything else is unknown."""
    found = _DURATION.fullmatch(said.strip("() "))
    if not found:
        return None
    seconds = int(found[1] or 0) * 3600 + int(found[2]) * 60 + int(found[3])
    return seconds * 1000 if 0 < seconds <= MAX_DURATION_S else None


def _credits(element: etree._Element) -> tuple[Credit, ...]:
    """Those who made it, in order, then the guests (`Featuring`)."""
    guests = (
        artist
        for artist in within(element, "extraartists")
        if text(artist, "role").startswith("Featuring") and not text(artist, "tracks")
    )
    found = map(_credit, (*within(element, "artists"), *guests))
    distinct = {credit.ref: credit for credit in found if credit is not None}
    return tuple(distinct.values())[:MAX_CREDITS]


def _credit(artist: etree._Element) -> Credit | None:
    id_ = number(text(artist, "id"))
    name = plain_name(text(artist, "name")) or text(artist, "anv")
    if id_ is not None:
        return Credit(id_, str(id_), name)
    if not name:
        return None
    digest = hashlib.md5(name.encode(), usedforsecurity=False).digest()
    return Credit(-1 - (int.from_bytes(digest[:8]) >> 1), f"name {name}", name)


def _identifiers(element: etree._Element) -> list[tuple[str, str, str]]:
    return [
        (found.get("type", ""), found.get("description", ""), found.get("value", ""))
        for found in within(element, "identifiers")
    ]


def _barcode(identifiers: list[tuple[str, str, str]]) -> str | None:
    """The first barcode that has as many digits as one."""
    for kind, _, value in identifiers:
        if kind == "Barcode":
            digits = re.sub(r"[^0-9]", "", value)
            if len(digits) in _GTIN_LENGTHS:
                return digits
    return None


def _tracks(
    element: etree._Element, credits: tuple[Credit, ...], identifiers: list[tuple[str, str, str]]
) -> Iterator[Track]:
    """The tracks of a release. Headings are none; of a track with parts each part is one."""
    listed = within(element, "tracklist")
    positioned = any(text(track, "position") for track in listed)
    codes = _codes(identifiers)
    counts: dict[int | None, int] = {}
    for place, track in enumerate(listed, 1):
        parts = within(track, "sub_tracks")
        heading = positioned and not text(track, "position") and not text(track, "duration")
        if heading and not parts:
            continue
        own = _credits(track) or credits
        for part_place, part in enumerate(parts or [track], 1):
            position = text(part, "position") or text(track, "position")
            found = _DISC.match(position)
            disc = int(found[1]) if found else None
            counts[disc] = counts.get(disc, 0) + 1
            titles = [text(named, "title") for named in ((track, part) if parts else (part,))]
            yield Track(
                index=f"{place}.{part_place}" if parts else str(place),
                title=": ".join(title for title in titles if title),
                credits=(_credits(part) or own) if parts else own,
                disc_number=disc,
                track_number=counts[disc],
                duration_ms=duration_ms(text(part, "duration")),
                isrcs=tuple(codes.get(position.lower(), ())[:MAX_CODES] if position else ()),
            )


def _codes(identifiers: list[tuple[str, str, str]]) -> dict[str, list[str]]:
    """ISRCs by the position that their description names (`Track A1`)."""
    found: dict[str, list[str]] = {}
    for kind, description, value in identifiers:
        named = _NAMED_TRACK.fullmatch(description.strip()[:100]) if kind == "ISRC" else None
        if named:
            found.setdefault(named[1].lower(), []).append(value[:MAX_TEXT])
    return found
