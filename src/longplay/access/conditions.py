"""What a request asks of a file: a range of it, or nothing if it is known already. RFC 9110,
sections 13 and 14. Strangers write these headers: all are looked at to a bounded length."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

MOST_HEADER = 1000
"""Characters of a conditional header that are looked at; of a longer one nothing is."""

Span = tuple[int, int]
"""The first and the last byte."""

UNSATISFIABLE: Span = (-1, -1)

_RANGE = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})")


class Conditions(NamedTuple):
    """The method, and the headers that decide what is sent, as they came."""

    method: str = "GET"
    range: bytes = b""
    if_range: bytes | None = None
    if_none_match: bytes = b""

    def knows(self, tag: bytes) -> bool:
        """Whether the client has what bears this (quoted) tag; weak comparison (13.1.2)."""
        said = self.if_none_match
        if not said or len(said) > MOST_HEADER:
            return False
        return said == b"*" or any(
            one.strip().removeprefix(b"W/") == tag for one in said.split(b",")
        )

    def span(self, tag: bytes, size: int) -> Span | None:
        """First and last byte of the one range that is asked for; None for the whole.

        Several ranges, other units and what cannot be read are answered with the whole, as a
        server may (section 14.2); so is a range that is wanted of another version (13.1.5).
        """
        asked = self.range
        if not asked or len(asked) > MOST_HEADER:
            return None
        found = _RANGE.fullmatch(asked.replace(b" ", b"") if b" " in asked else asked)
        if found is None or (self.if_range is not None and self.if_range != tag):
            return None
        first, last = found.groups()
        if not first:
            if not last:
                return None
            length = min(int(last), size)
            return (size - length, size - 1) if length else UNSATISFIABLE
        start = int(first)
        if last and int(last) < start:
            return None
        end = min(int(last), size - 1) if last else size - 1
        return (start, end) if start < size else UNSATISFIABLE


def conditions(scope: Any) -> Conditions:
    """The conditions of an ASGI request; of a header that comes twice the last one."""
    asked, version, known = b"", None, b""
    for name, value in scope["headers"]:
        if name == b"range":
            asked = value
        elif name == b"if-range":
            version = value
        elif name == b"if-none-match":
            known = value
    return Conditions(scope["method"], asked, version, known)
