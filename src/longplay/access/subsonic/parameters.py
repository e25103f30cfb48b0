"""What a call was asked with: names and values from the query and, in a POST, the form.

https://opensubsonic.netlify.app/docs/api-reference/ and its extension formPost. Nothing here is
believed: every value is bounded, numbers are digits, and what is out of bounds is told by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from longplay.access.subsonic.failures import CallError, Code, malformed, missing

MOST_FIELDS = 20_000
"""Parameters in one call: a playlist of 10,000 songs is saved in one."""

MOST_BYTES = 2 * 1024 * 1024
"""Bytes of a form: MOST_FIELDS ids with their names take about 600 kB."""

MOST_IDS = 10_000
"""Ids in one call."""

LONGEST_TEXT = 4_096
"""Characters of one value; comments of playlists are the longest that mean something."""

MOST_LISTED = 500
"""Things in one answer, as the specification has it for lists."""

LARGEST = 2**53
"""Numbers beyond this are not numbers in JSON."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,16}")
_CALLBACK = re.compile(r"[A-Za-z_$][\w$.]{0,127}", re.ASCII)

FORMATS = ("xml", "json", "jsonp")


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of one call, each name with its values in order."""

    values: dict[str, list[str]]

    def text(self, name: str) -> str:
        """The first value. Raises CallError when there is none."""
        found = self.text_or_none(name)
        if found is None:
            raise missing(name)
        return found

    def text_or_none(self, name: str) -> str | None:
        """The first value, None when the parameter is absent."""
        values = self.values.get(name)
        if not values:
            return None
        if len(values[0]) > LONGEST_TEXT:
            raise malformed(name, f"is longer than {LONGEST_TEXT} characters")
        return values[0]

    def texts(self, name: str) -> list[str]:
        """All values, in order."""
        values = self.values.get(name, [])
        if len(values) > MOST_IDS:
            raise malformed(name, f"is given more than {MOST_IDS} times")
        if any(len(value) > LONGEST_TEXT for value in values):
            raise malformed(name, f"is longer than {LONGEST_TEXT} characters")
        return values

    def whole(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        """A whole number. Raises CallError when it is absent and has no default."""
        found = self.whole_or_none(name, least=least)
        if found is not None:
            return found
        if default is None:
            raise missing(name)
        return default

    def whole_or_none(self, name: str, *, least: int = 0) -> int | None:
        """A whole number, None when it is absent or empty."""
        text = self.text_or_none(name)
        return None if not text else _whole(name, text, least)

    def wholes(self, name: str, *, least: int = 0) -> list[int]:
        """All values as whole numbers."""
        return [_whole(name, text, least) for text in self.texts(name)]

    def count(self, name: str, default: int) -> int:
        """How many to list: more than MOST_LISTED is that many, as the specification says."""
        return min(self.whole(name, default), MOST_LISTED)

    def flag(self, name: str, default: bool) -> bool:
        """A yes or no."""
        flag = self.flag_or_none(name)
        return default if flag is None else flag

    def flag_or_none(self, name: str) -> bool | None:
        """A yes or no, None when it is absent."""
        text = self.text_or_none(name)
        if not text:
            return None
        if text.lower() not in ("true", "false", "1", "0"):
            raise malformed(name, "is neither true nor false")
        return text.lower() in ("true", "1")

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """A number that may have a fraction, within bounds."""
        text = self.text_or_none(name)
        if not text:
            return default
        try:
            value = float(text[:32])
        except ValueError as error:
            raise malformed(name, "is not a number") from error
        if not least <= value <= most:
            raise malformed(name, f"is not between {least:g} and {most:g}")
        return value

    @property
    def format(self) -> str:
        """How the answer is to be written: xml unless it says json or jsonp."""
        values = self.values.get("f")
        return values[0] if values and values[0] in FORMATS else "xml"

    @property
    def callback(self) -> str | None:
        """The function that a jsonp answer calls; None for what is no name of one."""
        values = self.values.get("callback")
        return values[0] if values and _CALLBACK.fullmatch(values[0]) else None


def _whole(name: str, text: str, least: int) -> int:
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= LARGEST:
        bound = f" from {least} on" if least > -LARGEST else ""
        raise malformed(name, f"is not a whole number{bound}")
    return int(text)


def read(query: bytes, form: bytes = b"") -> Asked:
    """The parameters in a query and a form. Raises CallError for more than a call may have."""
    values: dict[str, list[str]] = {}
    for part in filter(None, (query, form)):
        try:
            pairs = parse_qsl(
                part.decode("latin-1"),
                keep_blank_values=True,
                max_num_fields=MOST_FIELDS,
                errors="replace",
            )
        except ValueError as error:
            raise CallError(Code.GENERIC, f"more than {MOST_FIELDS} parameters") from error
        for name, value in pairs:
            values.setdefault(name, []).append(value)
    return Asked(values)
