"""How well a track answers what was asked: by its words first, then by its popularity.

Pure: words and numbers in, a score out. A score has only a meaning beside others of one query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa

from longplay.catalogue.search.query import FieldName
from longplay.catalogue.search.words import cut

FOUND = 10.0
"""What it is worth that all words are found in title and artists: more than all else together, so
that a track that lacks a word, or has it changed, stands below one that has it."""

ALBUM_SHARE = 0.6
"""What a word is worth that only the album's title has."""

CHANGE = 0.3
"""What each letter changed in a word takes from its worth."""

BEGINNING = 0.8
"""What the beginning of a word is worth at least; the rest comes with how much of it is there."""

WHOLE_TITLE = 2.0
WHOLE_ARTIST = 1.0
ORDER = 1.0
VERSION = 0.4
"""What it is worth that the title is asked for as a whole, an artist is, and that all words stand
as they were asked; and what a version that nobody asked for ("Live", "Remix") takes."""

POPULARITY = 3.0
"""What the highest popularity is worth."""

KEPT = 65_536
"""Names whose words are kept, some 30 MB: then they are forgotten, all at once."""

_CORE = re.compile(
    r"(?<=\S)(?:\s*[(\[{]|\s+[-–—]\s|\s+(?:feat|ft|featuring)\b).*", re.IGNORECASE | re.DOTALL
)
_GUEST = re.compile(r"[(\[{\s](?:feat|ft|featuring|with|prod)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is asked for: the terms that answer it with how many letters they change, and
    the beginning that does."""

    terms: dict[str, int]
    beginning: str | None = None
    typed: str = ""

    def worth(self, term: str) -> float:
        """How well a term answers the word: 1 if it is the word, 0 if it does not."""
        changes = self.terms.get(term)
        if changes is not None:
            return max(1.0 - CHANGE * changes, 0.1)
        if self.beginning is not None and term.startswith(self.beginning):
            return BEGINNING + (1 - BEGINNING) * len(self.beginning) / len(term)
        return 0.0


class Names(NamedTuple):
    """What a track is called."""

    title: str | None
    artists: Sequence[str]
    album: str | None


class Track(NamedTuple):
    """The words of a track: of its title (of which the first `core` are no version or guest), of
    each of its artists, of its album."""

    title: tuple[str, ...]
    core: int
    version: bool
    artists: tuple[tuple[str, ...], ...]
    album: tuple[str, ...]


@dataclass(slots=True)
class _Places:
    """Where the words of a query were found: `at` counts through title, artists and album."""

    worth: list[float] = field(default_factory=list)
    at: list[int] = field(default_factory=list)


class Vocabulary:
    """The words of names, kept: popular tracks are found again and again, and names are cut by the
    column faster than one by one."""

    def __init__(self) -> None:
        self._words: dict[str, tuple[str, ...]] = {}

    def tracks(self, names: Sequence[Names]) -> list[Track]:
        """Tracks as they are compared with a query."""
        titles = [each.title or "" for each in names]
        cores = [_CORE.sub("", title) for title in titles]
        self._learn(
            {*titles, *cores}.union(*(each.artists for each in names))
            | {each.album or "" for each in names}
        )
        known = self._words
        return [
            Track(
                known[title],
                len(known[core]) or len(known[title]),
                core != title and not _GUEST.match(title[len(core) :]),
                tuple(known[artist] for artist in each.artists),
                known[each.album or ""],
            )
            for each, title, core in zip(names, titles, cores, strict=True)
        ]

    def _learn(self, texts: set[str]) -> None:
        if len(self._words) + len(texts) > KEPT:
            self._words.clear()
        new = [text for text in texts if text not in self._words]
        if not new:
            return
        found = cut(pa.array(new, pa.string()), indexing=False)
        raw, ends = found.data.tobytes(), found.ends.tolist()
        words = [raw[one:two].decode() for one, two in pairwise([0, *ends])]
        last = 0
        for text, count in zip(new, found.counts.tolist(), strict=True):
            self._words[text] = tuple(words[last : last + count])
            last += count


def score(asked: Sequence[Word | None], found: Track, popularity: float) -> float:
    """How well a track answers; `popularity` from 0 to 100. Higher is better."""
    return text_score(asked, found) + POPULARITY * popularity / 100


def text_score(asked: Sequence[Word | None], found: Track) -> float:
    """How well a track's words answer those of a query; None is a word that was left out."""
    if not asked:
        return 0.0
    fields = (found.title, *found.artists, found.album)
    places = _places(asked, fields)
    in_title, in_artists = _fullness(found, places)
    joined = sum(two == one + 1 for one, two in pairwise(places.at))
    unasked = found.version and not _version_asked(found, places)
    return (
        FOUND * sum(places.worth) / len(asked)
        + WHOLE_TITLE * in_title
        + WHOLE_ARTIST * in_artists
        + ORDER * joined / max(len(asked) - 1, 1)
        - VERSION * unasked
    )


def holds(asked: Sequence[Word], words: Sequence[str]) -> bool:
    """Whether words stand side by side among others, in their order."""
    length = len(asked)
    return any(
        all(word.worth(term) for word, term in zip(asked, words[at : at + length], strict=True))
        for at in range(len(words) - length + 1)
    )


def holds_in(asked: Sequence[Word], found: Track, where: FieldName | None) -> bool:
    """Whether words stand side by side in a field of a track; None is any one of them."""
    match where:
        case "title":
            fields: tuple[tuple[str, ...], ...] = (found.title,)
        case "artist":
            fields = found.artists
        case "album":
            fields = (found.album,)
        case None:
            fields = (found.title, *found.artists, found.album)
    return any(holds(asked, words) for words in fields)


def _places(asked: Sequence[Word | None], fields: Sequence[Sequence[str]]) -> _Places:
    """Where each word is found best; a place is taken by one word only."""
    places = _Places()
    taken: set[int] = set()
    last = len(fields) - 1
    for word in asked:
        best, best_at, offset = 0.0, -2 * len(places.at) - 2, 0
        after = places.at[-1] + 1 if places.at else -1
        for number, words in enumerate(fields):
            for at, term in enumerate(words, offset):
                worth = word.worth(term) if word else 0.0
                if worth and at not in taken:
                    if number == last:
                        worth *= ALBUM_SHARE
                    if worth > best or (worth == best and at == after):
                        best, best_at = worth, at
            # A gap of one: the last word of a field and the first of the next are not joined.
            offset += len(words) + 1
        taken.add(best_at)
        places.worth.append(best)
        places.at.append(best_at)
    return places


def _fullness(found: Track, places: _Places) -> tuple[float, float]:
    """How much of the title (without versions and guests) and of one artist was asked for."""
    worth = dict(zip(places.at, places.worth, strict=True))
    title = sum(worth.get(at, 0.0) for at in range(found.core)) / max(found.core, 1)
    best, offset = 0.0, len(found.title) + 1
    for words in found.artists:
        whole = sum(worth.get(offset + at, 0.0) for at in range(len(words))) / max(len(words), 1)
        best = max(best, whole)
        offset += len(words) + 1
    return title, best


def _version_asked(found: Track, places: _Places) -> bool:
    return any(found.core <= at < len(found.title) for at in places.at)
