"""What one listener may hear, asked as pages and clients ask."""

from __future__ import annotations

import random as chance
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import Literal

import numpy as np

from longplay.access.library import shown, texts
from longplay.access.library.hearing import Hearing, among, rows
from longplay.access.library.layout import ROLES
from longplay.access.library.opened import Numbers
from longplay.access.library.things import (
    MOST,
    Album,
    Artist,
    Counts,
    Folder,
    Found,
    Genre,
    Order,
    Role,
    Root,
    Span,
    Sum,
    Track,
)
from longplay.catalogue import ids
from longplay.errors import InputError

MOST_IN_FOLDER = 5000
"""Tracks, and folders, of one folder that are listed at once."""

LAST_YEAR = 9999

NO_TEXT = " \"'*"
"""What is no text: clients ask for everything with such signs."""

_ORDERS: dict[str, str] = {
    "newest": "newest",
    "alphabeticalByName": "alphabeticalByName",
    "alphabeticalByArtist": "",
    "byYear": "byYear",
    "byYearDescending": "byYear",
    "popular": "popular",
    "random": "",
}


class View:
    """The library as one listener hears it. Cheap to make: ask `Context.library` for each request.

    Where an album is held in several encodings, lists have the best of each track that the listener
    may hear; the others are there by their ids, and in their folders.

    Unknown ids are None, or left out of lists. Counts above `MOST` are taken for `MOST`, negative
    ones and offsets for 0. A page costs the same at every offset.
    """

    def __init__(self, heard: Hearing) -> None:
        self._heard = heard
        self._opened = heard.opened

    @property
    def version(self) -> str:
        """Changes whenever an answer may, but for those by chance: for ETags."""
        return self._heard.version

    @property
    def modified(self) -> datetime:
        """When this version came to be."""
        return self._heard.modified

    @property
    def counts(self) -> Counts:
        """How much there is; bytes and duration are of when it was built."""
        heard, of = self._heard, "" if self._heard.signed_in else "open_"
        with self._opened.connection() as connection:
            facts = dict(connection.execute("SELECT key, value FROM info").fetchall())
        return Counts(
            len(heard.order("artist")),
            len(heard.order("album")),
            len(heard.order("track")),
            len(self.genres()),
            int(facts[f"{of}bytes"]),
            int(facts[f"{of}duration_ms"]),
        )

    def cached(self, key: str, make: Callable[[View], bytes]) -> bytes:
        """What `make` makes of this view: made once for each version, and held in memory. What was
        asked for of one version is made of the next before that is shown: `make` must know nothing
        of the request."""
        return self._heard.cached(key, lambda heard: make(View(heard)))

    def within(self, folder: str) -> View:
        """The part of this that is from one source, which is named by its topmost folder. What is
        in it is told as it is everywhere: an album of two sources has the tracks of both. Of
        `counts` and `genres` there are those of everything alone."""
        return View(self._heard.within(folder))

    # By id

    def track(self, identity: str) -> Track | None:
        """A track by its id."""
        return next(iter(self.tracks([identity])), None)

    def tracks(self, identities: Iterable[str], count: int | None = None) -> list[Track]:
        """Tracks by their ids, in that order, or the first so many; unknown ones are left out."""
        return shown.tracks(self._heard, self._numbered("track", "tr", identities)[:count])

    def total(self, identities: Iterable[str]) -> Sum:
        """What tracks come to, by their ids; unknown ones are left out."""
        return shown.total(self._heard, self._numbered("track", "tr", identities))

    def album(self, identity: str) -> Album | None:
        """An album by its id."""
        return next(iter(self.albums_by([identity])), None)

    def albums_by(
        self, identities: Iterable[str], count: int | None = None, offset: int = 0
    ) -> list[Album]:
        """Albums by their ids, in that order, or so many after so many; unknown ones are left
        out."""
        last = None if count is None else offset + count
        numbers = self._numbered("album", "al", identities)[offset:last]
        return shown.albums(self._heard, numbers)

    def artist(self, identity: str) -> Artist | None:
        """An artist by id."""
        return next(iter(self.artists_by([identity])), None)

    def artists_by(self, identities: Iterable[str]) -> list[Artist]:
        """Artists by their ids, in that order; unknown ones are left out. Artists of several
        sources that are one here have the ids of all."""
        return shown.artists(self._heard, self._numbered("artist_id", "ar", identities))

    def recording(self, identity: str) -> list[Track]:
        """The tracks of a recording, by any id that it ever had: first those that lists have."""
        query = """SELECT n FROM track WHERE recording =
            (SELECT recording FROM recording_id WHERE id = ?) ORDER BY n LIMIT ?"""
        numbers = self._audible("track", self._asked(query, _canonical("rec", identity), MOST))
        best = set(self._best(numbers))
        return shown.tracks(self._heard, sorted(numbers, key=lambda one: one not in best))

    # Of an album, of an artist

    def tracks_of_album(self, identity: str) -> list[Track]:
        """An album's tracks in their order, each in the best file of it."""
        query = """SELECT t.n FROM album a JOIN track t ON t.n >= a.first
            AND t.n < a.first + a.files WHERE a.id = ? ORDER BY t.n"""
        numbers = self._audible("track", self._asked(query, _canonical("al", identity)))
        return shown.tracks(self._heard, self._best(numbers))

    def albums_of_artist(self, identity: str, role: Role | Literal["all"] = "all") -> list[Album]:
        """The albums that have tracks of an artist, or with a role those on which they have it,
        oldest first."""
        query = """SELECT album FROM artist_album WHERE roles & ? AND artist =
            (SELECT n FROM artist_id WHERE id = ?) ORDER BY place"""
        numbers = self._asked(query, _bits(role), _canonical("ar", identity))
        return shown.albums(self._heard, self._audible("album", numbers))

    def tracks_of_artist(self, identity: str, count: int = MOST, offset: int = 0) -> list[Track]:
        """The tracks that name an artist in any role, album by album."""
        query = """SELECT track FROM artist_track WHERE artist =
            (SELECT n FROM artist_id WHERE id = ?) ORDER BY track"""
        numbers = self._audible("track", self._asked(query, _canonical("ar", identity)))
        return shown.tracks(self._heard, _page(self._best(numbers), count, offset))

    def top_tracks(self, artist: str, count: int = 50) -> list[Track]:
        """The most popular tracks of an artist, who is named by id or by name."""
        query = """SELECT t.n FROM artist_track x JOIN track t ON t.n = x.track WHERE x.roles & 2
            AND x.artist = ? ORDER BY t.popularity DESC, t.listens DESC, t.n"""
        who = next(iter(self._numbered("artist_id", "ar", [artist])), None)
        if who is None:
            question = texts.asked(artist, everybody=True)
            match = self._places("artist", question[0]) if question else iter(())
            who = next(iter(self._audible("artist", match)), None)
        numbers = [] if who is None else self._audible("track", self._asked(query, who))
        best = set(self._best(sorted(numbers)))
        return shown.tracks(self._heard, _page([one for one in numbers if one in best], count, 0))

    def with_picture(self, picture: Root) -> Iterator[Root]:
        """The objects of tracks that may be heard, of the albums that have this picture in their
        folders or files."""
        query = """SELECT first, files FROM picture JOIN album ON n = album WHERE picture.root = ?
            ORDER BY n"""
        with self._opened.connection() as connection:
            albums = connection.execute(query, (picture,)).fetchall()
        for first, files in albums:
            audible = self._audible("track", range(first, first + files))
            yield from (row[0] for row in rows(self._opened, "track", "root", audible))

    # Lists

    def albums(
        self,
        order: Order,
        count: int = MOST,
        offset: int = 0,
        genre: str | None = None,
        from_year: int | None = None,
        to_year: int | None = None,
    ) -> list[Album]:
        """A page of the albums in an order; of a genre, of years (both included; either way
        round), where that is asked. By year, albums without one come last."""
        numbers = self._heard.order("album", _ORDERS[order])
        if genre is not None:
            numbers = numbers[self._heard.albums_of(self._genre(genre))[numbers]]
        years = self._opened.numbers("album/year")
        numbers = _of_years(numbers, years, from_year, to_year)
        if order == "random":
            return shown.albums(self._heard, _sample(numbers, count))
        if order == "byYearDescending":
            unknown = years[numbers] < 0
            numbers = np.concatenate([numbers[~unknown][::-1], numbers[unknown]])
        return shown.albums(self._heard, _page(numbers, count, offset))

    def artists(self, role: Role | Literal["all"] = "album") -> list[Artist]:
        """All artists of a role, in the order of their sort names."""
        roles = self._heard.roles
        return shown.artists(self._heard, np.flatnonzero(roles & _bits(role)).tolist())

    def index(self) -> list[tuple[str, list[Artist]]]:
        """The album artists under the letters that their sort names begin with; `#` for others."""
        numbers = np.flatnonzero(self._heard.roles & _bits("album")).tolist()
        found: dict[str, list[Artist]] = {}
        letters = self._letters()
        for number, artist in zip(numbers, shown.artists(self._heard, numbers), strict=True):
            found.setdefault(letters.get(number, "#"), []).append(artist)
        return sorted(found.items(), key=lambda item: (item[0] == "#", item[0]))

    def genres(self) -> list[Genre]:
        """All genres, by name; what they have of was counted when the library was built."""
        of = "" if self._heard.signed_in else "open_"
        query = f"SELECT name, {of}tracks, {of}albums FROM genre WHERE {of}tracks ORDER BY name"
        with self._opened.connection() as connection:
            return [Genre(*row) for row in connection.execute(query)]

    def years(self) -> list[tuple[int, int]]:
        """Years that albums are of, oldest first, each with how many."""
        years = self._opened.numbers("album/year")[self._heard.order("album")]
        values, counts = np.unique(years[years >= 0], return_counts=True)
        return list(zip(values.tolist(), counts.tolist(), strict=True))

    def tracks_by_genre(self, name: str, count: int = MOST, offset: int = 0) -> list[Track]:
        """A page of a genre's tracks, album by album."""
        return shown.tracks(self._heard, _page(self._genre(name), count, offset))

    def random(
        self,
        count: int = 10,
        genre: str | None = None,
        from_year: int | None = None,
        to_year: int | None = None,
    ) -> list[Track]:
        """Tracks by chance, none twice; of a genre, of years, where that is asked."""
        numbers = self._heard.order("track") if genre is None else self._genre(genre)
        years = self._opened.numbers("track/year")
        numbers = _of_years(numbers, years, from_year, to_year)
        return shown.tracks(self._heard, _sample(numbers, count))

    def search(
        self, text: str, artists: Span = (20, 0), albums: Span = (20, 0), tracks: Span = (20, 0)
    ) -> Found:
        """What has all words of `text`, the last of which may be cut short; of each kind so many
        after so many. First what is called exactly so, then the most popular. No text is
        everything, in the order of keys."""
        return Found(
            shown.artists(self._heard, self._search("artist", text, artists)),
            shown.albums(self._heard, self._search("album", text, albums)),
            shown.tracks(self._heard, self._search("track", text, tracks)),
        )

    # Folders

    def folders(self) -> list[Folder]:
        """The topmost folders: one for each source."""
        return self._folders("parent IS NULL", ())

    def folder(self, identity: str, count: int = MOST_IN_FOLDER, offset: int = 0) -> Folder | None:
        """A folder with the folders in it and a page of its tracks."""
        found = self._folders("id = ?", (identity,))
        if not found:
            return None
        query = "SELECT n FROM track WHERE folder = ? ORDER BY n"
        numbers = self._audible("track", self._asked(query, identity))
        tracks = shown.tracks(self._heard, _page(numbers, count, offset, MOST_IN_FOLDER))
        inside = self._folders("parent = ?", (identity,))
        return replace(found[0], folders=tuple(inside), tracks=tuple(tracks))

    # How it is asked

    def _folders(self, where: str, values: tuple[str, ...]) -> list[Folder]:
        of = "tracks" if self._heard.signed_in else "open_tracks"
        query = (
            f"SELECT id, name, parent FROM folder WHERE {where} AND {of}"
            f" ORDER BY name LIMIT {MOST_IN_FOLDER}"
        )
        with self._opened.connection() as connection:
            rows = connection.execute(query, values).fetchall()
        return [Folder(row[0], row[1], row[2], (), ()) for row in rows]

    def _asked(self, query: str, *values: object) -> list[int]:
        with self._opened.connection() as connection:
            return [row[0] for row in connection.execute(query, values)]

    def _audible(self, kind: str, numbers: Iterable[int]) -> list[int]:
        mask = self._heard.mask(kind)
        return [one for one in numbers if mask[one]]

    def _best(self, tracks: list[int]) -> list[int]:
        """Of tracks by ascending number, those that a list has."""
        return [int(one) for one in self._heard.best(np.array(tracks, np.int32))]

    def _numbered(self, table: str, prefix: str, identities: Iterable[str]) -> list[int]:
        wanted = [_canonical(prefix, one) for one in identities]
        if not wanted:
            return []
        which, asked = among("id", wanted)
        query = f"SELECT id, n FROM {table} WHERE {which}"
        with self._opened.connection() as connection:
            known = dict(connection.execute(query, (asked,)).fetchall())
        numbers = [known[one] for one in wanted if one in known]
        return self._audible(table.removesuffix("_id"), numbers)

    def _genre(self, name: str) -> Numbers:
        """The tracks of a genre, however it is written."""
        query = "SELECT name FROM genre WHERE name = ? COLLATE NOCASE ORDER BY name <> ? LIMIT 1"
        with self._opened.connection() as connection:
            row = connection.execute(query, (name, name)).fetchone()
        return self._heard.genre(row[0] if row else name)

    def _letters(self) -> dict[int, str]:
        """The letters that artists are found under, by number."""
        query = "SELECT n, substr(sorted, 1, 1) FROM artist"
        with self._opened.connection() as connection:
            rows = connection.execute(query).fetchall()
        return {number: letter.upper() for number, letter in rows if letter.isalpha()}

    def _search(self, kind: str, text: str, span: Span) -> list[int]:
        if not text.strip(NO_TEXT + " "):
            return _page(self._heard.order(kind), *span)
        heard = self._heard
        question = texts.asked(text, everybody=heard.signed_in, source=heard.source)
        if question is None:
            return []
        count, offset = max(span[0], 0), max(span[1], 0)
        places = chain.from_iterable(self._places(kind, one) for one in question)
        mask = self._heard.mask(kind)
        audible: Iterator[int] = (one for one in places if mask[one])
        if kind == "track":
            audible = heard.once(audible)
        return list(islice(audible, offset, offset + min(count, MOST)))

    def _places(self, kind: str, question: str) -> Iterator[int]:
        """What a full-text index finds, the most popular first."""
        popular = self._opened.numbers(f"{kind}/popular")
        query = f"SELECT rowid FROM {kind}_text WHERE {kind}_text MATCH ?"
        with self._opened.connection() as connection:
            for row in connection.execute(query, (question,)):
                yield int(popular[row[0] - 1])


def _canonical(prefix: str, identity: str) -> str:
    """An id as it is written here; an empty text for what is none."""
    try:
        found, key = ids.parse(identity)
    except InputError:
        return ""
    return ids.text(prefix, key) if found == prefix else ""


def _bits(role: Role | Literal["all"]) -> int:
    return sum(ROLES.values()) if role == "all" else ROLES[role]


def _page(numbers: Sequence[int] | Numbers, count: int, offset: int, most: int = MOST) -> list[int]:
    first = max(offset, 0)
    return [int(one) for one in numbers[first : first + min(max(count, 0), most)]]


def _of_years(numbers: Numbers, years: Numbers, low: int | None, high: int | None) -> Numbers:
    if low is None and high is None:
        return numbers
    first, last = sorted((0 if low is None else low, LAST_YEAR if high is None else high))
    here = years[numbers]
    return numbers[(here >= max(first, 0)) & (here <= last)]


def _sample(numbers: Numbers, count: int) -> list[int]:
    places = chance.sample(range(len(numbers)), min(max(count, 0), MOST, len(numbers)))
    return [int(numbers[place]) for place in places]
