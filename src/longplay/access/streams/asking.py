"""How a request says what it wants of a track: `format`, `max_bit_rate` (kbit/s), `offset`
(seconds), `estimate_length`, `download`; each may be missing."""

from __future__ import annotations

from urllib.parse import parse_qsl

from longplay.access.streams.deciding import FORMATS, RAW, Wanted
from longplay.errors import InputError
from longplay.rights.statements import Act

MOST_QUERY = 2000
"""Bytes of a query that are looked at."""

MOST_DIGITS = 6
"""Digits of a number: a million seconds are eleven days of sound."""


def wanted(query: bytes) -> Wanted:
    """What a query asks for; parameters of other names are left alone. Raises InputError."""
    if len(query) > MOST_QUERY:
        raise InputError(f"the query has more than {MOST_QUERY} bytes")
    said = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    form = said.get("format", "").lower()
    if form not in ("", RAW, *FORMATS):
        raise InputError("format is none of raw, opus, mp3", hint="leave it out")
    return Wanted(
        Act.DOWNLOAD if _flag(said, "download") else Act.STREAM,
        form,
        _number(said, "max_bit_rate"),
        _number(said, "offset") * 1000,
        _flag(said, "estimate_length"),
    )


def _number(said: dict[str, str], name: str) -> int:
    text = said.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
        raise InputError(f"{name} is no whole number of up to {MOST_DIGITS} digits")
    return int(text)


def _flag(said: dict[str, str], name: str) -> bool:
    text = said.get(name, "false")
    if text not in ("true", "false", "1", "0"):
        raise InputError(f"{name} is neither true nor false")
    return text in ("true", "1")
