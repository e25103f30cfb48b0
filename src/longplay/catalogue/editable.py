"""What a curator may write of a track, recording, album or artist, and how it is read.

Values are kept as JSON, so that a text, a list, a number and a yes or no stay what they are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import date

from longplay.catalogue import identifiers
from longplay.errors import UsageError

Value = str | int | float | bool | list[str]

MAX_VALUE = 4000
"""Characters of one value: the longest titles of real catalogues have some hundred."""

MAX_ITEMS = 100
"""Artists, genres or codes of one row."""

MAX_INTEGER = 2**31 - 1
"""What fits the columns of numbers: 24 days, as a duration."""

_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_WORDS = {
    **dict.fromkeys(("true", "yes", "y", "1", "explicit"), True),
    **dict.fromkeys(("false", "no", "n", "0", "clean"), False),
}


class UnreadableError(ValueError):
    """A value that its field cannot take; the text says what it should be."""


def read(prefix: str, field: str, text: str) -> tuple[str, str]:
    """A field's own name and the JSON of its value. Raises UsageError."""
    name = field_of(prefix, field)
    where = f"{name}={text[:60]}"
    if len(text) > MAX_VALUE:
        raise UsageError("is too long", where=where, hint=f"up to {MAX_VALUE} characters")
    if not printable(text):
        raise UsageError("has signs that cannot be shown", where=where, hint="type it again")
    try:
        value = FIELDS[prefix][name](text.strip())
    except UnreadableError as error:
        raise UsageError(f"is not {error}", where=where) from error
    return name, json.dumps(value, ensure_ascii=False)


def field_of(prefix: str, field: str) -> str:
    """The own name of a field (`year` is `release_date`). Raises UsageError."""
    name = _ALIASES.get(field.strip().lower(), field.strip().lower())
    if name not in FIELDS[prefix]:
        raise UsageError(
            f"is no field of {_NOUNS[prefix]}",
            where=field[:60],
            hint=f"there are {', '.join(FIELDS[prefix])}",
        )
    return name


def printable(text: str) -> bool:
    """Whether a text can be kept and shown: no control signs, no halves of UTF-16 pairs."""
    return not any(
        ord(sign) < 32 or 0xD800 <= ord(sign) <= 0xDFFF or ord(sign) == 127 for sign in text
    )


def _text(text: str) -> Value:
    return text


def _texts(text: str) -> Value:
    items = [item for each in text.split(";") if (item := each.strip())]
    if not items or len(items) > MAX_ITEMS:
        raise UnreadableError(f"a list of up to {MAX_ITEMS}, separated by ';'")
    return items


def _codes(check: Callable[[str], str | None], what: str) -> Callable[[str], Value]:
    def read_codes(text: str) -> Value:
        items = _texts(text)
        assert isinstance(items, list)
        found = [check(item) for item in items]
        if None in found:
            raise UnreadableError(what)
        return list(dict.fromkeys(item for item in found if item))

    return read_codes


def _code(check: Callable[[str], str | None], what: str) -> Callable[[str], Value]:
    def read_code(text: str) -> Value:
        found = check(text)
        if found is None:
            raise UnreadableError(what)
        return found

    return read_code


def _integer(low: int, what: str) -> Callable[[str], Value]:
    def read_integer(text: str) -> Value:
        if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or not low <= int(text) <= MAX_INTEGER:
            raise UnreadableError(what)
        return int(text)

    return read_integer


def _number(high: float, what: str) -> Callable[[str], Value]:
    def read_number(text: str) -> Value:
        try:
            number = float(text)
        except ValueError as error:
            raise UnreadableError(what) from error
        if not math.isfinite(number) or not 0 <= number <= high:
            raise UnreadableError(what)
        return number

    return read_number


def _date(text: str) -> Value:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError(text)
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError as error:
        raise UnreadableError("a date: 1999, 1999-05 or 1999-05-01") from error
    return text


def _boolean(text: str) -> Value:
    if text.lower() not in _WORDS:
        raise UnreadableError("yes or no")
    return _WORDS[text.lower()]


_ISRCS = _codes(identifiers.isrc, "an ISRC, such as USRC17607839")
_ISWCS = _codes(identifiers.iswc, "an ISWC, such as T-034.524.680-1")
_MBID = _code(identifiers.mbid, "a MusicBrainz id")
_GTIN = _code(identifiers.gtin, "a UPC or EAN with its check digit")
_POPULARITY = _number(100, "a popularity from 0 to 100")
_LISTENS = _number(1e18, "a number of listens")
_DURATION = _integer(1, "a duration in milliseconds")
_PLACE = _integer(0, "a whole number")

_SOUND: dict[str, Callable[[str], Value]] = {
    "title": _text,
    "artists": _texts,
    "duration_ms": _DURATION,
    "isrcs": _ISRCS,
    "recording_mbid": _MBID,
    "iswcs": _ISWCS,
    "release_date": _date,
    "genres": _texts,
    "explicit": _boolean,
    "popularity": _POPULARITY,
    "listens": _LISTENS,
}
FIELDS: dict[str, dict[str, Callable[[str], Value]]] = {
    "rec": _SOUND,
    "tr": {**_SOUND, "disc_number": _PLACE, "track_number": _PLACE},
    "al": {
        "title": _text,
        "artists": _texts,
        "release_date": _date,
        "upc": _GTIN,
        "mbid": _MBID,
        "label": _text,
    },
    "ar": {"name": _text, "mbid": _MBID},
}
"""The fields of each kind of id, with what reads them. Who may do what with the music is no field:
that is a rights statement, with evidence."""

_ALIASES = {
    "year": "release_date",
    "date": "release_date",
    "isrc": "isrcs",
    "iswc": "iswcs",
    "genre": "genres",
    "artist": "artists",
    "duration": "duration_ms",
    "ean": "upc",
    "gtin": "upc",
}
_NOUNS = {"rec": "recordings", "tr": "tracks", "al": "albums", "ar": "artists"}
