"""What listeners bring along from elsewhere: playlists, stars and ratings, and what they take away.

Each says what it did not find: nothing is lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from longplay import clock
from longplay.access.context import Context
from longplay.access.library.view import View
from longplay.access.matching import OWN, Matcher
from longplay.access.people import belongings, likes, playlist_files, playlists, stars
from longplay.access.people.likes import Liked
from longplay.access.people.listeners import Listener
from longplay.access.people.playlist_files import Wanted
from longplay.catalogue.snapshot import open_current

MOST_MISSING = 1000
"""Things that were not found which are told one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What was brought: how many things were named, how many found; the first of those that were
    not; and the playlist that was made, if one was."""

    named: int
    found: int
    missing: tuple[str, ...]
    playlist: str | None = None
    name: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {field: getattr(self, field) for field in self.__slots__}


def file(here: Context, listener: Listener, data: bytes, file_name: str) -> Brought:
    """Take in a file: a playlist, or stars and ratings as another server answers. Raises InputError
    for what is neither."""
    if likes.looks_so(data):
        return liked(here, listener, likes.read(data, file_name).liked)
    return playlist(here, listener, data, file_name)


def playlist(here: Context, listener: Listener, data: bytes, file_name: str) -> Brought:
    """Make a playlist of the tracks of a file that are ours, in its order."""
    assert listener.account is not None
    read = playlist_files.read(data, file_name)
    matcher = _matcher(here, listener)
    found, missing = [], []
    for wanted in read.tracks:
        track = matcher.track(wanted)
        if track is None:
            missing.append(wanted.words)
        else:
            found.append(track.id)
    name = read.name or PurePath(file_name).stem or "Imported"
    made = playlists.create(
        here.people,
        listener.account,
        name[: playlists.LONGEST_NAME],
        found,
        comment=read.comment[: playlists.LONGEST_COMMENT],
    )
    shown = tuple(missing[:MOST_MISSING])
    return Brought(len(read.tracks), len(found), shown, made.id, made.name)


def liked(here: Context, listener: Listener, things: Iterable[Liked]) -> Brought:
    """Star and rate what is ours of what was liked elsewhere; stars keep their time."""
    assert listener.account is not None
    matcher = _matcher(here, listener)
    named, missing = 0, []
    starred: dict[str, str] = {}
    rated: dict[str, int] = {}
    for one in things:
        named += 1
        find = {"song": matcher.track, "album": matcher.album, "artist": matcher.artist}[one.kind]
        found = find(one.wanted)
        if found is None:
            missing.append(f"{one.kind} {_words(one)}")
            continue
        if one.starred is not None:
            starred[found.id] = _time(one.starred)
        if one.rating:
            rated[found.id] = one.rating
    stars.bring(here.people, listener.account, starred, rated)
    return Brought(named, named - len(missing), tuple(missing[:MOST_MISSING]))


def export(here: Context, listener: Listener) -> Iterator[str]:
    """All that is kept of a listener, with the names of the tracks in its playlists, as the pieces
    of one JSON document."""
    assert listener.account is not None
    view = here.library(listener)
    return belongings.export(here.people, listener.account, lambda one: names(view, one.entries))


def names(view: View, entries: Iterable[str]) -> dict[str, Wanted]:
    """What is known of tracks, by id, as playlists' files say it."""
    return {
        one.id: Wanted(
            title=one.title,
            artist=one.artist,
            album=one.album,
            identifiers=tuple(
                text
                for text in (
                    one.isrc and f"isrc:{one.isrc}",
                    one.mbid and f"https://musicbrainz.org/recording/{one.mbid}",
                )
                if text
            ),
            duration_ms=one.duration_ms,
        )
        for one in view.tracks(dict.fromkeys(entries))
    }


def as_m3u(here: Context, listener: Listener, identity: str, address: str) -> str:
    """A playlist as M3U8: each track's place is its id behind `address`."""
    found = playlists.read(here.people, listener.account, identity)
    known: Mapping[str, Wanted] = names(here.library(listener), found.entries)
    return playlist_files.as_m3u(
        found.name,
        (
            Wanted(
                one.title, one.artist, one.album, (f"{OWN}{entry}",), one.duration_ms,
                f"{address}/tracks/{entry}",
            )
            for entry in found.entries
            if (one := known.get(entry)) is not None
        ),
    )  # fmt: skip


def _matcher(here: Context, listener: Listener) -> Matcher:
    return Matcher(here.library(listener), open_current(here.archive.catalogue))


def _words(one: Liked) -> str:
    wanted = one.wanted
    parts = (wanted.artist, wanted.title or (wanted.album if one.kind == "album" else ""))
    return " – ".join(part for part in parts if part) or wanted.words


def _time(text: str) -> str:
    """A time that a server wrote, as we write it; now where it cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return clock.timestamp()
    return clock.text_of(moment)
