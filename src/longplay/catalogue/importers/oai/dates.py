"""Dates and durations as cataloguers write them."""

from __future__ import annotations

import re
import unicodedata

YEARS = range(1850, 2101)
"""Sound has been recorded since 1857; years outside are something else."""

MAX_HOURS = 100
"""A longer recording is a misread number."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_WORDS = (
    re.compile(r"(?P<d>\d{1,2})\.?\s+(?P<m>[a-z]{3,9})\.?,?\s+(?P<y>\d{4})"),
    re.compile(r"(?P<m>[a-z]{3,9})\.?\s+(?P<d>\d{1,2}),?\s+(?P<y>\d{4})"),
    re.compile(r"(?P<m>[a-z]{3,9})\.?,?\s+(?P<y>\d{4})"),
)
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_BEFORE = re.compile(r"^(?:copyright|cop\.?|circa|ca\.?|c\.?|p\.?|℗|©)\s*(?=\d{4})")
_OPEN = re.compile(r"\d[-–—_?]{2}|\d{3}[-–—_]|\d{2}--|\d{4}s\b|\b(?:between|before|after|not)\b")

_ISO_TIME = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,]\d+)?S)?")
_CLOCK = re.compile(r"(?<![\d:])(?:(\d{1,2}):)?(\d{1,3}):(\d{2})(?:\.\d+)?(?![\d:])")
_UNITS = re.compile(
    r"(?:(\d{1,2})\s*(?:h|hr|hrs|hours?)\b\.?,?\s*)?(\d{1,3})\s*(?:m|min|mins|minutes?)\b\.?,?\s*"
    r"(?:(\d{1,2})\s*(?:s|sec|secs|seconds?)\b)?"
)


def release_date(text: str) -> str | None:
    """`1999`, `1999-05` or `1999-05-01` out of what a record calls a date; None where it names no
    single year (`[19--]`, `1960-1969`, `between 1960 and 1969`).

    Signs of copyright and of doubt (`c1967`, `℗1967`, `[1967?]`, `ca. 1967`) do not count.
    """
    text = _with_ascii_digits(text)
    plain = re.sub(r"[\[\](){}?]", "", text.strip().lower()).strip(" .,;")
    plain = _BEFORE.sub("", plain).strip(" .,;")
    for shape in (_ISO, _COMPACT):
        if found := shape.fullmatch(plain.upper()):
            return _date(*found.groups())
    for shape in _WORDS:
        if (found := shape.fullmatch(plain)) and (month := _month(found["m"])):
            return _date(found["y"], month, found.groupdict().get("d"))
    if _OPEN.search(text.lower()):
        return None
    years = set(_YEAR.findall(plain))
    return _date(years.pop()) if len(years) == 1 else None


def _with_ascii_digits(text: str) -> str:
    """A text with the digits of all scripts as 0 to 9."""
    return re.sub(r"\d", lambda digit: str(unicodedata.decimal(digit[0])), text)


def _month(name: str) -> str | None:
    return f"{_MONTHS.index(name[:3]) + 1:02}" if name[:3] in _MONTHS else None


def _date(year: str, month: str | None = None, day: str | None = None) -> str | None:
    if int(year) not in YEARS:
        return None
    if month is None:
        return year
    if not 1 <= int(month) <= 12:
        return None
    if day is None:
        return f"{year}-{month}"
    return f"{year}-{month}-{int(day):02}" if 1 <= int(day) <= 31 else None


def duration_ms(text: str) -> int | None:
    """Milliseconds out of `PT6M42S` (ISO 8601), `3:20`, `1:02:03` or `3 min., 20 sec.`"""
    plain = _with_ascii_digits(text).strip()
    if plain.startswith("P"):
        found = _ISO_TIME.fullmatch(plain)
        parts = found.groups() if found and any(found.groups()) else None
    else:
        found = _CLOCK.search(plain) or _UNITS.search(plain.lower())
        parts = found.groups() if found else None
    if parts is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in parts)
    total = (hours * 60 + minutes) * 60 + seconds
    return total * 1000 if 0 < total < MAX_HOURS * 3600 else None
