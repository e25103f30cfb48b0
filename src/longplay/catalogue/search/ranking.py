"""How well a track answers what was asked: by its words first, then by its popularity.

Pure: words and numbers in, a score out. A score has only a meaning beside others of one query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
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
    the beginnings that do (another than what was `typed` changes a letter)."""

    terms: dict[str, int]
    beginnings: tuple[str, ...] = ()
    typed: str = ""

    def worth(self, term: str) -> float:
        """How well a term answers the word: 1 if it is the word, 0 if it does not."""
        changes = self.terms.get(term)
        if changes is not None:
            return max(1.0 - CHANGE * changes, 0.1)
        if self.beginnings and term.startswith(self.beginnings):
            part = BEGINNING + (1 - BEGINNING) * min(len(self.typed) / len(term), 1.0)
            return part if term.startswith(self.typed) else part - CHANGE
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


class _Title(NamedTuple):
    words: tuple[str, ...]
    core: int
    version: bool


class Vocabulary:
    """The words of names, kept: popular tracks are found again and again, and names are cut by the
    column faster than one by one."""

    def __init__(self) -> None:
        self._words: dict[str, tuple[str, ...]] = {}
        self._titles: dict[str, _Title] = {}

    def tracks(self, names: Sequence[Names]) -> list[Track]:
        """Tracks as they are compared with a query."""
        # Whoever else asks meanwhile keeps the dictionaries that it began with.
        if len(self._words) > KEPT:
            self._words = {}
        if len(self._titles) > KEPT:
            self._titles = {}
        words, titles = self._words, self._titles
        _learn(words, {name for each in names for name in (*each.artists, each.album or "")})
        _learn_titles(words, titles, {each.title or "" for each in names})
        return [
            Track(
                *titles[each.title or ""],
                tuple([words[artist] for artist in each.artists]),
                words[each.album or ""],
            )
            for each in names
        ]


_Words = dict[str, tuple[str, ...]]


def _learn_titles(words: _Words, titles: dict[str, _Title], texts: set[str]) -> None:
    cores = {title: core(title) for title in texts if title not in titles}
    _learn(words, {*cores, *cores.values()})
    for title, short in cores.items():
        version = short != title and not _GUEST.match(title[len(short) :])
        titles[title] = _Title(words[title], len(words[short]) or len(words[title]), version)


def _learn(words: _Words, texts: set[str]) -> None:
    new = [text for text in texts if text not in words]
    if not new:
        return
    found = cut(pa.array(new, pa.string()), indexing=False)
    raw, ends = found.data.tobytes(), found.ends.tolist()
    parts = [raw[one:two].decode() for one, two in pairwise([0, *ends])]
    last = 0
    for text, count in zip(new, found.counts.tolist(), strict=True):
        words[text] = tuple(parts[last : last + count])
        last += count


def core(title: str) -> str:
    """A title without what stands in brackets or after a dash: guests, versions."""
    return _CORE.sub("", title)


def score(asked: Sequence[Word | None], found: Track, popularity: float) -> float:
    """How well a track answers; `popularity` from 0 to 100. Higher is better."""
    return text_score(asked, found) + POPULARITY * popularity / 100


def text_score(asked: Sequence[Word | None], found: Track) -> float:
    """How well a track's words answer those of a query; None is a word that was left out."""
    if not asked:
        return 0.0
    flat: list[str] = [*found.title, ""]
    for words in found.artists:
        flat += words
        flat.append("")
    album = len(flat)
    flat += found.album
    got = [0.0] * (len(flat) + 1)
    places = _places(asked, flat, album, got)
    joined = sum([two == one + 1 for one, two in pairwise(places)])
    unasked = found.version and not any(got[found.core : len(found.title)])
    return (
        FOUND * sum(got) / len(asked)
        + WHOLE_TITLE * sum(got[: found.core]) / max(found.core, 1)
        + WHOLE_ARTIST * _whole_artist(found, got)
        + ORDER * joined / max(len(asked) - 1, 1)
        - VERSION * unasked
    )


def _places(
    asked: Sequence[Word | None], flat: list[str], album: int, got: list[float]
) -> list[int]:
    """Where each word is found best among the words of all fields, which have an empty one between
    them; puts what it is worth there in `got`. A place is taken by one word only."""
    places: list[int] = []
    for word in asked:
        after = places[-1] + 1 if places else -1
        best, best_at = 0.0, -2 * len(places) - 2
        if word is not None:
            best, best_at = _best_place(word, flat, album, got, after, best_at)
        got[best_at if best else -1] += best
        places.append(best_at)
    return places


def _best_place(
    word: Word, flat: list[str], album: int, got: list[float], after: int, nowhere: int
) -> tuple[float, int]:
    """What a word is worth where it is found best, preferably at `after`; and that place."""
    if 0 <= after < album and flat[after] == word.typed and not got[after]:
        return word.worth(word.typed), after
    best, best_at = 0.0, nowhere
    terms, beginnings = word.terms, word.beginnings
    for at, term in enumerate(flat):
        # What `worth` says first, too: most terms are not what was asked for.
        if term in terms or (beginnings and term.startswith(beginnings)):
            worth = word.worth(term) * (ALBUM_SHARE if at >= album else 1.0)
            if not got[at] and (worth > best or (worth == best and at == after)):
                best, best_at = worth, at
    return best, best_at


def _whole_artist(found: Track, got: list[float]) -> float:
    """How much of one artist's name was asked for."""
    best, start = 0.0, len(found.title) + 1
    for words in found.artists:
        best = max(best, sum(got[start : start + len(words)]) / max(len(words), 1))
        start += len(words) + 1
    return best


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
