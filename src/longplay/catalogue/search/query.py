"""The language of search: words, quoted words, and filters such as `year:1990-1999 genre:jazz`.

`docs/search.md` describes it for those who search. Whatever is no filter is words, so that nothing
that people paste is refused; only a filter that means nothing is (`year:soon`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from longplay.catalogue import identifiers
from longplay.catalogue.search.words import words as cut
from longplay.errors import UsageError

MAX_CHARACTERS = 1000
"""Characters of a query that are read: more than the longest title with its artists."""

MAX_WORDS = 32
"""Words of a query that are asked for: as many narrow it down to one track, or to none."""

MAX_FILTERS = 32
"""Filters of a query that are read; each costs a list of the index."""

FIRST_YEAR = 1000
LAST_YEAR = 2999
"""The years that can be asked for: four digits, as release dates have."""

FieldName = Literal["title", "artist", "album"]
IdentifierKind = Literal["isrc", "upc", "mbid"]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Of a query's words those from `start` to before `stop`, to be found side by side: in `field`,
    or (None) in any one of title, artist, album. What is `quoted` is meant as it is written."""

    start: int
    stop: int
    field: FieldName | None = None
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`; either end may be left out of it."""

    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False

    def holds(self, number: float) -> bool:
        """Whether the number lies in the range."""
        above = number > self.low if self.without_low else number >= self.low
        below = number < self.high if self.without_high else number <= self.high
        return above and below

    def and_also(self, other: Range) -> Range:
        """What lies in both."""
        low, without_low = max((self.low, self.without_low), (other.low, other.without_low))
        high, with_high = min(
            (self.high, not self.without_high), (other.high, not other.without_high)
        )
        return Range(low, high, without_low, not with_high)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. All of it must be met.

    `words` are folded and cut as the index's are, and may stand in any field; of `words` the last
    may be the beginning of a word if `prefix`. `phrases` says which must stand where. `nothing` is
    a query that contradicts itself, and `cut` one that was longer than what is read.
    """

    text: str
    words: tuple[str, ...] = ()
    prefix: bool = False
    phrases: tuple[Phrase, ...] = ()
    years: Range | None = None
    genres: tuple[str, ...] = ()
    popularity: Range | None = None
    explicit: bool | None = None
    held: bool | None = None
    identifiers: tuple[tuple[IdentifierKind, str], ...] = ()
    nothing: bool = False
    cut: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing at all is asked for."""
        return not (
            self.words
            or self.genres
            or self.identifiers
            or self.nothing
            or self.years is not None
            or self.popularity is not None
            or self.explicit is not None
            or self.held is not None
        )


_OPENING = '"“”„«»'
_TOKEN = re.compile(
    rf"(?:(?P<name>[A-Za-z]+):)?(?:[{_OPENING}](?P<quoted>[^{_OPENING}]*)[{_OPENING}](?=\s|$)"
    r"|(?P<bare>\S*))\s*"
)
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_RANGE = re.compile(
    rf"(?P<sign><=|>=|<|>|=)?(?P<one>{_NUMBER})"
    rf"|(?P<low>{_NUMBER})?(?:-|–|\.\.)(?P<high>{_NUMBER})?"
)
_DECADE = re.compile(r"([0-9]{3})0s", re.IGNORECASE)
_YES = {"yes": True, "true": True, "1": True, "y": True}
_NO = {"no": False, "false": False, "0": False, "n": False}
_BOOLEANS = _YES | _NO


def parse(text: str, *, typing: bool = True) -> Query:
    """The query that a text means. While `typing`, the last word is a beginning, unless a space
    follows it or it stands in quotes.

    At most `MAX_CHARACTERS`, `MAX_WORDS` and `MAX_FILTERS` of it are read. Raises UsageError when a
    filter's value means nothing.
    """
    reader = _Reader(typing)
    shown = "".join(each if each.isprintable() else " " for each in text[:MAX_CHARACTERS])
    for found in _TOKEN.finditer(shown.lstrip()):
        if found[0]:
            reader.read(found, last=found.end() == len(found.string), spaced=found[0][-1:] == " ")
    return reader.query(shown.strip(), len(text) > MAX_CHARACTERS)


class _Reader:
    """Gathers a query from its parts."""

    def __init__(self, typing: bool) -> None:
        self.typing = typing
        self.words: list[str] = []
        self.signs: list[str] = []
        self.prefix = False
        self.phrases: list[Phrase] = []
        self.years: Range | None = None
        self.genres: list[str] = []
        self.popularity: Range | None = None
        self.flags: dict[str, bool] = {}
        self.identifiers: list[tuple[IdentifierKind, str]] = []
        self.filters = 0
        self.nothing = False
        self.cut = False

    def read(self, found: re.Match[str], *, last: bool, spaced: bool) -> None:
        """Read one part of the text: a word, words in quotes, or a filter."""
        name = (found["name"] or "").lower()
        quoted = found["quoted"]
        value = found["bare"] if quoted is None else quoted
        open_end = self.typing and last and not spaced and quoted is None
        field = _FIELDS.get(name)
        if name and ((name not in _FILTERS and not field) or not cut(value)):
            name, value, field = "", found[0], None
        if field:
            self._add_words(value, field, quoted=quoted is not None, prefix=open_end)
        elif not name:
            self._add_words(value, None, quoted=quoted is not None, prefix=open_end)
        elif self.filters >= MAX_FILTERS:
            self.cut = True
        else:
            self.filters += 1
            _FILTERS[name](self, name, value)

    def query(self, text: str, cut_short: bool) -> Query:
        """What was read, as a value."""
        return Query(
            text,
            tuple(self.words or self.signs[:1]),
            self.prefix,
            tuple(self.phrases),
            self.years,
            tuple(dict.fromkeys(self.genres)),
            self.popularity,
            self.flags.get("explicit"),
            self.flags.get("held"),
            tuple(dict.fromkeys(self.identifiers)),
            self.nothing,
            self.cut or cut_short,
        )

    def _add_words(self, text: str, field: FieldName | None, *, quoted: bool, prefix: bool) -> None:
        found = cut(text)
        if not field and not any(map(str.isalnum, text)):
            # A dash between artist and title is nothing to look for; the band `!!!` is.
            self.signs += found
            return
        room = MAX_WORDS - len(self.words)
        if len(found) > room:
            self.cut, prefix, found = True, False, found[:room]
        if not found:
            return
        start = len(self.words)
        self.words += found
        self.prefix = prefix
        if quoted or field:
            self.phrases.append(Phrase(start, len(self.words), field, quoted))

    def read_year(self, name: str, value: str) -> None:
        """`year:1994`, `year:1990-1999`, `year:1990s`, `year:>=2000`."""
        decade = _DECADE.fullmatch(value)
        if decade:
            first = int(decade[1]) * 10
            years = Range(first, first + 9)
        else:
            years = _range(name, value, "year:1994, year:1990-1999, year:1990s or year:>=2000")
        limits = (years.low, years.high)
        if any(math.isfinite(year) and not FIRST_YEAR <= year <= LAST_YEAR for year in limits):
            raise _malformed(name, value, "years have four digits: year:1994")
        self.years = self.years.and_also(years) if self.years else years

    def read_popularity(self, name: str, value: str) -> None:
        """`popularity:>50`, `popularity:20-40`."""
        hint = "popularity goes from 0 to 100: popularity:>50 or popularity:20-40"
        asked = _range(name, value, hint)
        self.popularity = self.popularity.and_also(asked) if self.popularity else asked

    def read_flag(self, name: str, value: str) -> None:
        """`explicit:no`, `held:yes`."""
        flag = _BOOLEANS.get(value.lower())
        if flag is None:
            raise _malformed(name, value, f"{name}:yes or {name}:no")
        self.nothing |= self.flags.get(name, flag) != flag
        self.flags[name] = flag

    def read_genre(self, _name: str, value: str) -> None:
        """`genre:jazz`, `genre:"hip hop"`."""
        self.genres.append(value)

    def read_identifier(self, name: str, value: str) -> None:
        """`isrc:…`, `upc:…`, `mbid:…`."""
        kinds: dict[str, tuple[IdentifierKind, Callable[[str], str | None], str]] = {
            "isrc": ("isrc", identifiers.isrc, "12 letters and digits, such as isrc:DEA619300020"),
            "upc": ("upc", identifiers.gtin, "8, 12, 13 or 14 digits, the last of them a check"),
            "mbid": ("mbid", identifiers.mbid, "a UUID: 32 digits and letters a to f"),
        }
        kind, normalised, hint = kinds[name]
        found = normalised(value)
        if found is None:
            raise _malformed(name, value, hint)
        self.identifiers.append((kind, found))


_FIELDS: dict[str, FieldName] = {"title": "title", "artist": "artist", "album": "album"}
_FILTERS: dict[str, Callable[[_Reader, str, str], None]] = {
    "year": _Reader.read_year,
    "genre": _Reader.read_genre,
    "popularity": _Reader.read_popularity,
    "explicit": _Reader.read_flag,
    "held": _Reader.read_flag,
    "isrc": _Reader.read_identifier,
    "upc": _Reader.read_identifier,
    "mbid": _Reader.read_identifier,
}


def _range(name: str, value: str, hint: str) -> Range:
    """Numbers as people write ranges of them. Raises UsageError."""
    found = _RANGE.fullmatch(value)
    if found is None or not (found["one"] or found["low"] or found["high"]):
        raise _malformed(name, value, hint)
    if not found["one"]:
        return Range(float(found["low"] or -math.inf), float(found["high"] or math.inf))
    number = float(found["one"])
    match found["sign"]:
        case "<" | "<=" as sign:
            return Range(high=number, without_high=sign == "<")
        case ">" | ">=" as sign:
            return Range(low=number, without_low=sign == ">")
        case _:
            return Range(number, number)


def _malformed(name: str, value: str, hint: str) -> UsageError:
    shown = value if len(value) <= 40 else value[:39] + "…"
    return UsageError(f"{name}:{shown} is no filter", hint=hint)
