"""Where a list goes on: opaque texts, which name a place that does not move when things come or go.

A cursor is no secret and gives no right: whoever makes one up sees what anybody may see, from
another place on. So it is checked, not signed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from longplay.errors import InputError

MAX_CURSOR = 400
"""Characters; ours have under 200."""

LOOKED_AROUND = 10_000
"""Items of a list that changed in which the one that came last is looked for, either way."""

PATTERN = r"^[A-Za-z0-9_-]{1,400}$"

T = TypeVar("T")


def write(*place: str | int) -> str:
    """A place as a cursor."""
    text = json.dumps(place, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str, *kinds: type) -> list[Any]:
    """The place that a cursor names, each part of its kind. Raises InputError."""
    wrong = InputError(
        "is no cursor of this list", where="cursor", hint="take `next` of the page before"
    )
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise wrong from error
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise wrong
    if any(isinstance(part, str) and not _is_text(part) for part in place):
        raise wrong
    if any(isinstance(part, int) and not 0 <= part < 1 << 64 for part in place):
        raise wrong
    return place


def _is_text(part: str) -> bool:
    """Whether it can be written down: JSON may hold halves of letters."""
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True


def page(
    rows: Callable[[int, int], Sequence[T]],
    identity: Callable[[T], str],
    version: str,
    cursor: str | None,
    limit: int,
) -> tuple[list[T], str | None]:
    """A page of a list that can be read at any offset (`rows(count, offset)`), and where the next
    begins. It goes on after the item that came last, wherever that stands by now; where it has
    gone, at the place where it stood. Raises InputError."""
    offset = 0
    if cursor is not None:
        seen, offset, last = read(cursor, str, int, str)
        if seen != version:
            offset = _after(rows, identity, offset, last)
    found = list(rows(limit + 1, offset))
    if len(found) <= limit:
        return found, None
    return found[:limit], write(version, offset + limit, identity(found[limit - 1]))


def _after(
    rows: Callable[[int, int], Sequence[T]], identity: Callable[[T], str], offset: int, last: str
) -> int:
    step = 500
    for away in range(0, LOOKED_AROUND, step):
        for start in dict.fromkeys((max(0, offset - away - step), offset + away)):
            names = [identity(one) for one in rows(step, start)]
            if last in names:
                return start + names.index(last) + 1
    return max(0, offset - 1)
